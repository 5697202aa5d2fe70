"""What turns a source's rows into numbers, and a score back into reasons."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from dross.errors import InputError

if TYPE_CHECKING:
    from dross.base import BaseDetector
    from dross.sources.base import RowSource, Source

__all__ = ["Explanations", "Features", "ImageForm", "State", "below", "check_enough", "refuse_equal"]

_FEWEST = 5
_Value = TypeVar("_Value")

State = tuple[dict[str, Any], dict[str, NDArray[Any]]]
"""What is saved of a fitted object: JSON-able values, and arrays by name."""


def below(prefix: str, named: Mapping[str, _Value]) -> dict[str, _Value]:
    """Return what is named with a prefix, without it.

    >>> below("net.", {"net.weight": 1, "center": 2})
    {'weight': 1}
    """
    return {name.removeprefix(prefix): value for name, value in named.items() if name.startswith(prefix)}


def check_enough(source: Source, noun: str) -> None:
    """Raise `InputError` if there are too few rows to fit anything on."""
    if len(source) < _FEWEST:
        raise InputError(f"{source.name} has {len(source)} {noun}; at least {_FEWEST} are needed.")


def refuse_equal(source: Source, noun: str) -> NoReturn:
    """Raise `InputError` because all rows are the same."""
    raise InputError(f"{source.name} has {len(source)} {noun}, and all of them are equal.")


@dataclass(frozen=True)
class Explanations:
    """Why some rows are scored as they are.

    ``reasons`` has one sentence per row, the strongest reason first. ``heatmaps`` is ``(k, h, w)`` for the
    first ``k`` rows, if they are images (higher = adds more to the score; one scale for the data set).
    """

    reasons: list[str]
    heatmaps: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class ImageForm:
    """How new images are read for features that were fitted on others.

    Attributes
    ----------
    shape : tuple of int
        ``(c, h, w)`` of an image that has been read.
    size : int or None
        Side of the square that images are brought to; None leaves them as they are.
    channels : int or None
        How many they must have; None is any.
    """

    shape: tuple[int, ...] = (3, 64, 64)
    size: int | None = None
    channels: int | None = None


class Features(ABC):
    """Fitted on a source; transforms any source of the same kind, and explains a detector's score.

    Attributes
    ----------
    feature_owner : list of str
        For each feature the source column (or term, or pixel) it was made from.
    notes : list of str
        What was done and what was dropped, for the user.
    description : dict
        JSON-able account for summary.json (per column: what it was taken for, what it became).
    """

    feature_owner: list[str]
    notes: list[str]
    description: dict[str, Any]

    @property
    def image_form(self) -> ImageForm:
        """How new images or clips are read; of no meaning for other sources."""
        return ImageForm()

    @abstractmethod
    def fit(self, source: Source) -> Self: ...

    @abstractmethod
    def transform(self, source: Source) -> NDArray[np.float32] | RowSource:
        """Return ``(n, d)`` float32, or rows ``(n, c, h, w)`` for images."""

    @abstractmethod
    def explain(
        self,
        detector: BaseDetector,
        source: Source,
        X: NDArray[np.float32] | RowSource,
        rows: NDArray[np.int64],
    ) -> Explanations:
        """Explain the scores of a few rows of ``source`` (``X`` is its transform)."""

    @abstractmethod
    def get_state(self) -> State: ...

    @classmethod
    @abstractmethod
    def from_state(cls, values: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Self: ...
