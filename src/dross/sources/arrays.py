"""Arrays: .npy and .npz files, and arrays in memory."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dross.errors import InputError
from dross.sources.base import ReadOptions, Source, Unreadable
from dross.sources.columnar import batch_rows
from dross.sources.streams import damage_named
from dross.sources.tables import table_source

__all__ = ["array_source", "open_array"]

_LABEL_NAME = re.compile(r"(.*_)?(y|labels?|targets?|class(es)?)(_.*)?", re.IGNORECASE)
_ARROW_UNITS = ("s", "ms", "us", "ns", "D")
_DIMENSIONS = {"table": (2,), "image": (3, 4)}


class _ArrayReader:
    """The rows of a two-dimensional array; its columns are named "0", "1", ..."""

    decimal = "."

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array
        names = [str(j) for j in range(array.shape[1])]
        kind = _column(array[:1, 0]).type if array.size and array.dtype.kind != "O" else pa.string()
        self.schema = pa.schema([(name, kind) for name in names])
        self.row_numbers: NDArray[np.int64] = np.arange(len(array), dtype=np.int64)
        self.unreadable: list[Unreadable] = []
        self.notes: list[str] = []
        self.facts: dict[str, Any] = {
            "format": "array",
            "shape": list(array.shape),
            "dtype": str(array.dtype),
        }

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        which = [int(name) for name in columns]
        n_rows = batch_rows(len(which), self._array.dtype.itemsize)
        for start in range(0, len(self._array), n_rows):
            # Once column by column in memory, so that no column is gathered with a stride.
            block = np.asfortranarray(self._array[start : start + n_rows])
            yield pa.record_batch([_column(block[:, j]) for j in which], names=list(columns))


def _column(values: NDArray[Any]) -> pa.Array:
    """Return one column as Arrow; of mixed objects, as text."""
    if values.dtype.kind == "O":
        return pa.array([None if _is_missing(value) else _text(value) for value in values], pa.string())
    if values.dtype.kind == "U":
        return pa.array(values.tolist(), pa.string())
    if values.dtype.kind == "f" and values.dtype.itemsize > 8:
        values = values.astype(np.float64)
    if values.dtype.kind == "M" and np.datetime_data(values.dtype)[0] not in _ARROW_UNITS:
        values = values.astype("datetime64[s]")
    return pa.array(np.ascontiguousarray(values.astype(values.dtype.newbyteorder("="), copy=False)))


def _is_missing(value: Any) -> bool:
    if value is None or value is pa.NA:
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError):  # pandas' NA says neither yes nor no, an array says it of each value
        return not hasattr(value, "__len__")


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, (bool, np.bool_)) else str(value)


def array_source(array: NDArray[Any], name: str, options: ReadOptions) -> Source:
    """Make a source of an array: two dimensions are a table, three or four are images.

    Raises
    ------
    InputError
        If the array has another number of dimensions, no columns, or values that are no numbers, truth
        values, texts or times.
    """
    if array.dtype.kind not in "biufUOM" or array.dtype.names:
        raise InputError(f"{name}: values of type {array.dtype} cannot be used; numbers are needed.")
    if options.kind == "features":
        from dross.sources.vectors import vector_array

        return vector_array(array, name)
    needed = _DIMENSIONS.get(options.kind)
    if needed is not None and array.ndim not in needed:
        dimensions = " or ".join(map(str, needed))
        raise InputError(
            f"{name} has shape {array.shape}; as {options.kind} it needs {dimensions} dimensions."
        )
    if array.ndim in (3, 4):
        from dross.sources.images import image_array

        return image_array(array, name, options)
    if array.ndim != 2:
        raise InputError(
            f"{name} has shape {array.shape}; needed are (rows, columns) for a table, or (n, h, w) or "
            "(n, c, h, w) for images."
        )
    if array.shape[1] == 0:
        raise InputError(f"{name} has no columns.")
    return table_source(_ArrayReader(array), name, options, kind="array")


def open_array(path: Path, file_format: str, options: ReadOptions) -> Source:
    """Open an .npy file (mapped from disk) or one array of an .npz file.

    Of an .npz file the only array with two to four dimensions is taken, or the one that ``options.array``
    names. Arrays named as labels are (y, y_*, label, target, class and the like) are never features.

    Raises
    ------
    InputError
        If the file is damaged, holds pickled objects, or it is open which of its arrays is meant.
    """
    with damage_named(path, "an array"):
        if file_format == "npy":
            array = np.load(path, mmap_mode="r", allow_pickle=False)
            return array_source(array, path.name, options)
        name = _choose(path, _shapes(path), options.array)
        with np.load(path, allow_pickle=False) as archive:
            array = archive[name]
    source = array_source(array, path.name, options)
    source.facts["array"] = name
    source.notes.insert(0, f"array {name!r} of shape {array.shape}")
    return source


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Read the shapes of the arrays in an .npz file, not the arrays."""
    shapes = {}
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            with archive.open(member) as file:
                version = np.lib.format.read_magic(file)
                read = (
                    np.lib.format.read_array_header_1_0
                    if version == (1, 0)
                    else np.lib.format.read_array_header_2_0
                )
                shapes[member.removesuffix(".npy")] = read(file)[0]
    return shapes


def _choose(path: Path, shapes: dict[str, tuple[int, ...]], wanted: str | None) -> str:
    listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
    if wanted is not None:
        if wanted not in shapes:
            raise InputError(f"{path} has no array {wanted!r}; it has {listed}.")
        if _LABEL_NAME.fullmatch(wanted):
            raise InputError(
                f"array {wanted!r} is named like labels, which are never features; there are {listed}."
            )
        return wanted
    candidates = [
        name for name, shape in shapes.items() if len(shape) > 1 and not _LABEL_NAME.fullmatch(name)
    ]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise InputError(f"{path} has several arrays: say which with --array NAME. It has {listed}.")
    raise InputError(
        f"{path} has no array of two to four dimensions that could be features; it has {listed}."
    )
