"""What every source offers, whatever it was read from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["Kind", "Labels", "ReadOptions", "RowSource", "Source", "Unreadable"]

Kind = Literal["table", "image", "text", "array", "video", "features"]


@runtime_checkable
class RowSource(Protocol):
    """Rows that are read in batches: a memory map, an image cache, an array.

    ``shape[0] == len(rows)``; ``rows[indices]`` takes a slice or an integer array and returns an ndarray.
    Detectors and the training loop never ask for more than a batch.
    """

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, indices: Any, /) -> NDArray[Any]: ...


@dataclass(frozen=True)
class Unreadable:
    """One item that was passed over: its line, path or member name, and why."""

    id: str
    reason: str


@dataclass(frozen=True)
class Labels:
    """Known answers, read from a column that was taken out before anything was fitted.

    Only `dross.metrics` reads them, after scoring.
    """

    is_anomaly: NDArray[np.bool_]
    column: str
    anomaly_value: str


@dataclass(frozen=True)
class ReadOptions:
    """How to read: the options of ``dross find`` that concern the source.

    ``image_size`` None takes the largest side of the images, at most 64 and at least 16. ``channels`` is set
    when scoring with a model that was fitted on that many. ``cache_dir`` holds decoded images; None takes a
    temporary folder that lives as long as the source.
    """

    kind: Literal["auto", "table", "image", "text", "array", "video", "features"] = "auto"
    id_column: str | None = None
    text_column: str | None = None
    ignore_columns: tuple[str, ...] = ()
    label_column: str | None = None
    anomaly_value: str | None = None
    array: str | None = None
    image_size: int | None = None
    channels: int | None = None
    cache_dir: Path | None = None


@dataclass
class Source(ABC):
    """Rows with ids, and a list of what could not be read.

    Parameters
    ----------
    name
        Short name for messages and the default output folder.
    ids
        ``(n,)`` int64 row numbers (0-based) or str objects, one per readable row, in input order.
    kind
        What it was recognised as, for the user. (A two-dimensional array is of kind "array" and read as a
        table; a three- or four-dimensional one is of kind "array" and read as images.)
    unreadable
        Items passed over, each with its reason.
    notes
        Sentences for the user: what was recognised, skipped, dropped or counted.
    facts
        JSON-able facts for summary.json: format, encoding, delimiter, shape, duplicates, ...
    labels
        Known answers if the user named a label column, else None.
    """

    family: ClassVar[Literal["table", "image", "text", "video", "vectors"]]
    """Which features take it."""

    name: str
    ids: NDArray[Any]
    kind: Kind
    unreadable: list[Unreadable] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    labels: Labels | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def places(self) -> pa.Table | None:
        """Return columns that say where each row is within a larger whole, None where there is none."""
        return None

    @abstractmethod
    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> pa.Table:
        """Return the original columns of a few rows, in the order asked, for anomalies.csv and the report."""
