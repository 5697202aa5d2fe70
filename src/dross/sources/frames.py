"""Data frames of pandas, polars, pyarrow, and whatever else speaks the Arrow interface."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from dross.errors import InputError
from dross.sources.base import ReadOptions
from dross.sources.columnar import MemoryReader
from dross.sources.sniff import column_names
from dross.sources.tables import TableSource, table_source

__all__ = ["frame_source"]


def frame_source(frame: Any, options: ReadOptions) -> TableSource:
    """Make a source of a data frame; the index of a pandas frame is no feature.

    Raises
    ------
    InputError
        If the object is no frame, or has no rows or columns.

    Examples
    --------
    >>> frame_source(pa.table({"a": [1, 2]}), ReadOptions()).columns
    ['a']
    """
    if type(frame).__module__.partition(".")[0] == "pandas" and hasattr(frame, "columns"):
        table, names = _from_pandas(frame)
    elif hasattr(frame, "__arrow_c_stream__"):
        table = pa.table(frame)
        names = table.column_names
    else:
        raise InputError(
            f"cannot read an object of type {type(frame).__name__}; needed is a path, an array, or a pandas, "
            "polars or pyarrow table."
        )
    if not names:
        raise InputError("the table has no columns.")
    different = list(column_names(names, len(names)))
    reader = MemoryReader(table.rename_columns(different), "data frame")
    if different != names:
        reader.notes.append("columns without a name or with the same one were renamed")
    return table_source(reader, "table", options)


def _from_pandas(frame: Any) -> tuple[pa.Table, list[str]]:
    """Convert by position, since names may repeat; objects of mixed types become text."""
    names = [str(name) for name in frame.columns]
    columns = []
    for j in range(len(names)):
        series = frame.iloc[:, j]
        try:
            columns.append(pa.array(series, from_pandas=True))
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            present = series.notna()
            columns.append(pa.array([str(v) if p else None for v, p in zip(series, present, strict=True)]))
    return pa.table(columns, names=[str(j) for j in range(len(names))]), names
