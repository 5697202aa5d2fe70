"""Rows as detectors take them: batches, a few of them, patches of them, and whether all values are finite."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from dross.errors import InputError
from dross.sources.base import RowSource

__all__ = ["FiniteRows", "Rows", "batches", "is_row_source", "patches", "read_rows", "sample_rows"]

Rows = NDArray[Any] | RowSource
"""A data set: an array ``(n, d)`` or ``(n, c, h, w)``, or rows that are read in batches."""

_READ_VALUES = 4_000_000  # 16 MiB of float32: what is made on the way stays small


def batches(n: int, size: int) -> Iterator[slice]:
    """Yield slices of at most ``size`` that cover ``range(n)``."""
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def patches(height: int, width: int, per_side: int) -> Iterator[tuple[slice, slice]]:
    """Yield rows and columns of patches two steps wide that overlap by one, ``per_side`` steps a side.

    >>> next(patches(8, 16, 4))
    (slice(0, 4, None), slice(0, 8, None))
    """
    rows, columns = (np.linspace(0, side, per_side + 1).astype(int).tolist() for side in (height, width))
    for top, bottom in zip(rows[:-2], rows[2:], strict=True):
        for left, right in zip(columns[:-2], columns[2:], strict=True):
            yield slice(top, bottom), slice(left, right)


def sample_rows(n: int, at_most: int, seed: int) -> NDArray[np.int64]:
    """Return ``min(n, at_most)`` row numbers in rising order, all of them or a seeded draw."""
    if n <= at_most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, at_most, replace=False))


def read_rows(X: Rows, rows: NDArray[np.int64]) -> NDArray[Any]:
    """Return many rows as one array, read batch by batch: what a source makes on the way stays small."""
    if isinstance(X, np.ndarray):
        return np.asarray(X[rows])
    found = np.empty((len(rows), *X.shape[1:]), X.dtype)
    for part in batches(len(rows), max(1, _READ_VALUES // int(np.prod(X.shape[1:])))):
        found[part] = X[rows[part]]
    return found


class FiniteRows:
    """Rows that are read in batches, by slices or arrays, each checked as it comes, as arrays are at once."""

    def __init__(self, rows: RowSource) -> None:
        self._rows = rows
        self.shape, self.dtype = tuple(rows.shape), rows.dtype

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, indices: Any, /) -> NDArray[Any]:
        values = np.asarray(self._rows[indices])
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            is_odd = ~np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
            row = np.arange(len(self))[indices][is_odd][0]
            raise InputError(f"Row {row} holds a value that is NaN or infinite.")
        return values


def is_row_source(X: Any) -> bool:
    """Tell rows that are read in batches from arrays, frames, sparse matrices and lists."""
    return (
        not isinstance(X, np.ndarray)
        and isinstance(X, RowSource)
        and isinstance(X.dtype, np.dtype)
        and not issparse(X)
        and not hasattr(X, "index")  # a pandas Series
    )
