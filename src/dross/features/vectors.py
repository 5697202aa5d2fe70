"""Features that somebody else computed, as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from dross.errors import ModelFileError
from dross.features.base import Explanations, Features, State, check_enough, refuse_equal
from dross.sources.vectors import VectorSource

if TYPE_CHECKING:
    from dross.base import BaseDetector
    from dross.sources.base import RowSource, Source

__all__ = ["GivenVectors"]

_NAMED = 3


class GivenVectors(Features):
    """Takes vectors as they are; detectors that need one scale per column standardise for themselves.

    Attributes
    ----------
    center, spread : float32 arrays (d,)
        Median and mean absolute deviation from it of the rows fitted on; only reasons look at them.
    """

    def __init__(self) -> None:
        self.feature_owner: list[str] = []
        self.notes: list[str] = []
        self.description: dict[str, Any] = {}
        self.center: NDArray[np.float32] = np.zeros(0, np.float32)
        self.spread: NDArray[np.float32] = np.ones(0, np.float32)

    def fit(self, source: Source) -> Self:
        """Take the usual values.

        Raises
        ------
        InputError
            Fewer than 5 rows, or all of them are equal.
        """
        vectors = cast("VectorSource", source).vectors
        check_enough(source, "rows")
        if (vectors == vectors[0]).all():
            refuse_equal(source, "rows")
        self.center = np.median(vectors, axis=0).astype(np.float32)
        self.spread = np.maximum(np.abs(vectors - self.center).mean(axis=0), np.finfo(np.float32).tiny)
        self._describe()
        return self

    def transform(self, source: Source) -> NDArray[np.float32]:
        """Return the vectors ``(n, d)``.

        Raises
        ------
        ModelFileError
            They have another length than those fitted on.
        """
        vectors = cast("VectorSource", source).vectors
        if vectors.shape[1] != len(self.center):
            raise ModelFileError(
                f"The vectors of {source.name} have {vectors.shape[1]} numbers; the model takes "
                f"{len(self.center)}."
            )
        return vectors

    def explain(
        self,
        detector: BaseDetector,
        source: Source,
        X: NDArray[np.float32] | RowSource,
        rows: NDArray[np.int64],
    ) -> Explanations:
        """Name the numbers that are furthest from usual: what they stand for is not known here."""
        del detector, source
        away = np.abs(np.asarray(X[rows]) - self.center) / self.spread
        furthest = np.argsort(-away, axis=1, kind="stable")[:, :_NAMED]
        return Explanations(["most unusual in the numbers " + ", ".join(map(str, row)) for row in furthest])

    def get_state(self) -> State:
        """Return what was fitted."""
        return {}, {"center": self.center, "spread": self.spread}

    @classmethod
    def from_state(cls, values: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Self:
        """Take back what `get_state` returned."""
        del values
        features = cls()
        features.center, features.spread = arrays["center"], arrays["spread"]
        features._describe()
        return features

    def _describe(self) -> None:
        self.feature_owner = [str(number) for number in range(len(self.center))]
        self.description = {"dimensions": len(self.center)}
