"""Features that somebody else computed: rows of numbers that are taken as they are.

A folder has a file a video (or whatever else its rows are parts of): .npy arrays ``(m, d)``, or texts with
the numbers of one row a line, as UCF-Crime's are published. An array of three dimensions is
``(videos, segments, d)``, where it is said that it holds features.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dross.errors import InputError
from dross.sources.archives import WalkLog, looks_like_numbers, walk
from dross.sources.base import Source, Unreadable
from dross.sources.streams import in_brief

__all__ = ["VectorSource", "open_vectors", "vector_array"]


@dataclass(kw_only=True, eq=False)
class VectorSource(Source):
    """Vectors, and what they are parts of.

    Parameters
    ----------
    vectors
        ``(n, d)`` float32, finite.
    files
        ``(n,)`` the file or the row of the array that each is a part of, None where each stands for itself.
    numbers
        ``(n,)`` which part of it, from 0.
    """

    family: ClassVar[Literal["vectors"]] = "vectors"

    vectors: NDArray[np.float32]
    files: NDArray[Any] | None = None
    numbers: NDArray[np.int64]

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> pa.Table:
        """Return the columns ``video, start, end`` of a few rows, counted in segments, or ``row``."""
        rows = np.asarray(rows, np.int64)
        if self.files is None:
            return pa.table({"row": self.numbers[rows]})
        start = self.numbers[rows].astype(np.float64)
        return pa.table({"video": pa.array(self.files[rows], pa.string()), "start": start, "end": start + 1})

    def places(self) -> pa.Table | None:
        """Return where each row is within its file."""
        return None if self.files is None else self.take(np.arange(len(self)))


def open_vectors(path: Path) -> VectorSource:
    """Read a folder or archive of .npy files, or of texts of numbers.

    Raises
    ------
    InputError
        No file can be read, or their rows are of several lengths.
    """
    log = WalkLog()
    names: list[str] = []
    parts: list[NDArray[np.float32]] = []
    for name, content in walk(path, log, lambda _, head: looks_like_numbers(head)):
        try:
            part = _read(content)
        except (ValueError, EOFError, OSError) as error:
            log.unreadable.append(Unreadable(name, in_brief(error)))
            continue
        if parts and part.shape[1] != parts[0].shape[1]:
            wrong = f"{part.shape[1]} numbers a row, {names[0]} has {parts[0].shape[1]}"
            log.unreadable.append(Unreadable(name, wrong))
            continue
        names.append(name)
        parts.append(part)
    if not parts:
        first = f"; the first is {log.unreadable[0].id}: {log.unreadable[0].reason}" if log.unreadable else ""
        raise InputError(f"{path} has no file of features{first}.")
    source = _source(path.name, np.concatenate(parts), names, [len(part) for part in parts])
    source.unreadable = log.unreadable
    source.notes += log.notes("features")
    return source


def vector_array(array: NDArray[Any], name: str) -> VectorSource:
    """Take an array ``(n, d)`` or ``(videos, segments, d)`` as features.

    Raises
    ------
    InputError
        It has another number of dimensions, no rows, or values that are not finite numbers.

    Examples
    --------
    >>> source = vector_array(np.zeros((2, 3, 8)), "demo")
    >>> source.vectors.shape, source.ids[:4].tolist()
    ((6, 8), ['0 segment 0', '0 segment 1', '0 segment 2', '1 segment 0'])
    """
    if array.ndim not in (2, 3) or array.dtype.kind not in "biuf" or 0 in array.shape:
        raise InputError(
            f"{name} has shape {array.shape} of {array.dtype}; features are numbers of shape (n, d) or "
            "(videos, segments, d)."
        )
    vectors = np.asarray(array.reshape(-1, array.shape[-1]), np.float32)
    if not np.isfinite(vectors).all():
        raise InputError(f"{name} holds features that are NaN, infinite or too large.")
    if array.ndim == 2:
        return _source(name, vectors, None, [])
    return _source(name, vectors, [str(i) for i in range(len(array))], [array.shape[1]] * len(array))


def _source(
    name: str, vectors: NDArray[np.float32], files: list[str] | None, lengths: list[int]
) -> VectorSource:
    note = f"{len(vectors):,} vectors of {vectors.shape[1]:,} numbers"
    facts: dict[str, Any] = {"format": "features", "dimensions": vectors.shape[1]}
    if files is None:
        rows = np.arange(len(vectors))
        return VectorSource(name, rows, "features", notes=[note], facts=facts, vectors=vectors, numbers=rows)
    of_file = np.repeat(np.array(files, dtype=object), lengths)
    numbers = np.concatenate([np.arange(length) for length in lengths])
    ids = [f"{file} segment {number}" for file, number in zip(of_file, numbers, strict=True)]
    return VectorSource(
        name,
        np.array(ids, dtype=object),
        "features",
        notes=[f"{note} from {len(files):,} files"],
        facts=facts | {"files": len(files)},
        vectors=vectors,
        files=of_file,
        numbers=numbers,
    )


def _read(content: bytes) -> NDArray[np.float32]:
    """Read one file as ``(m, d)``.

    Raises
    ------
    ValueError
        With what is wrong.
    """
    if content.startswith(b"\x93NUMPY"):
        array = np.load(io.BytesIO(content), allow_pickle=False)
    else:
        array = np.loadtxt(io.BytesIO(content), dtype=np.float64, ndmin=2)
    if array.ndim == 1:
        array = array[None]
    if array.ndim != 2 or array.dtype.kind not in "biuf" or 0 in array.shape:
        raise ValueError(f"an array of shape {array.shape} of {array.dtype}, not rows of numbers")
    with np.errstate(over="ignore"):
        vectors = np.asarray(array, np.float32)
    if not np.isfinite(vectors).all():
        raise ValueError("values that are NaN, infinite or too large")
    return vectors
