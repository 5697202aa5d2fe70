"""Tables of any origin, read in batches."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dross.errors import InputError
from dross.sources.base import Kind, Labels, ReadOptions, Source, Unreadable
from dross.sources.columnar import ArrowFileReader, ParquetReader
from dross.sources.delimited import DelimitedReader
from dross.sources.records import JsonLinesReader, read_spreadsheet
from dross.sources.sniff import MISSING

__all__ = ["TableReader", "TableSource", "find_column", "open_table", "table_source"]

_TRUE, _FALSE = {"1", "true"}, {"0", "false"}
_LISTED_VALUES = 8


class TableReader(Protocol):
    """The rows of one file or object, which can be gone through again and again.

    ``row_numbers`` are the 0-based numbers of the rows that ``batches`` yields, in this order; numbers of
    rows that could not be read are left out. ``decimal`` is the decimal mark of numbers in string columns.
    """

    schema: pa.Schema
    row_numbers: NDArray[np.int64]
    decimal: str
    unreadable: list[Unreadable]
    notes: list[str]
    facts: dict[str, Any]

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]: ...


@dataclass
class TableSource(Source):
    """A table that is read in batches, never held whole (unless it came in memory).

    Attributes
    ----------
    reader
        What yields the rows.
    columns
        Names of the columns that may become features: without id, label and ignored columns, and without
        those that no feature can be made of (lists, structures, bytes, intervals).
    """

    family: ClassVar[Literal["table"]] = "table"

    reader: TableReader = field(kw_only=True)
    columns: list[str] = field(kw_only=True)

    @property
    def decimal(self) -> str:
        """The decimal mark of numbers in string columns: "." or ","."""
        return self.reader.decimal

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield all rows in order: strings as in the file for text formats, typed columns otherwise."""
        return self.reader.batches(self.columns if columns is None else list(columns))

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> pa.Table:
        """Return all the original columns of a few rows, in the order asked.

        Raises
        ------
        IndexError
            If there is no such row.
        """
        wanted = np.asarray(rows, dtype=np.int64)
        if wanted.size and not 0 <= wanted.min() <= wanted.max() < len(self):
            raise IndexError(f"rows must be from 0 to {len(self) - 1}, got {wanted.min()} to {wanted.max()}")
        order = np.argsort(wanted, kind="stable")
        ascending = wanted[order]
        pieces: list[pa.RecordBatch] = []
        start = n_found = 0
        for batch in self.reader.batches(self.reader.schema.names):
            n_past = int(np.searchsorted(ascending, start + len(batch)))
            if n_past > n_found or not pieces:
                pieces.append(batch.take(pa.array(ascending[n_found:n_past] - start)))
            start, n_found = start + len(batch), n_past
            if n_found == len(ascending):
                break
        found = pa.Table.from_batches(pieces).take(pa.array(np.argsort(order, kind="stable")))
        return _without_nanoseconds(found)


def _without_nanoseconds(table: pa.Table) -> pa.Table:
    """Round times to microseconds: Python's own have no finer unit."""
    for j, kind in enumerate(table.schema.types):
        if getattr(kind, "unit", None) == "ns":
            coarse: dict[str, pa.DataType] = {"timestamp": pa.timestamp("us", getattr(kind, "tz", None))}
            coarse |= {"time64": pa.time64("us"), "duration": pa.duration("us")}
            column = table.column(j).cast(coarse[str(kind).partition("[")[0]], safe=False)
            table = table.set_column(j, table.column_names[j], column)
    return table


def find_column(name: str, names: Sequence[str]) -> str:
    """Return the column of that name.

    Raises
    ------
    InputError
        If there is none; it names the nearest.
    """
    if name in names:
        return name
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.0)
    listed = ", ".join(map(repr, names[:10])) + (", ..." if len(names) > 10 else "")
    raise InputError(f"there is no column {name!r}; did you mean {near[0]!r}? The columns are {listed}.")


def open_table(path: Path, file_format: str, options: ReadOptions) -> TableSource:
    """Open a file of a tabular format that `dross.sources.recognise` knows; all others as delimited text."""
    readers: dict[str, Callable[[], TableReader]] = {
        "parquet": lambda: ParquetReader(path),
        "arrow": lambda: ArrowFileReader(path, is_stream=False),
        "arrow-stream": lambda: ArrowFileReader(path, is_stream=True),
        "jsonl": lambda: JsonLinesReader(path),
        "xlsx": lambda: read_spreadsheet(path),
    }
    if file_format in readers:
        return table_source(readers[file_format](), path.name, options)
    return table_source(DelimitedReader(path), path.name, options)


def table_source(reader: TableReader, name: str, options: ReadOptions, kind: Kind = "table") -> TableSource:
    """Set aside the columns that the user named, and make the rest a source.

    Raises
    ------
    InputError
        If a named column does not exist, no column is left, there are no rows, or labels cannot be told.
    """
    names = reader.schema.names
    if not len(reader.row_numbers):
        raise InputError(f"{name} has no rows.")
    id_column = find_column(options.id_column, names) if options.id_column is not None else None
    label_column = find_column(options.label_column, names) if options.label_column is not None else None
    aside = {id_column, label_column} | {find_column(column, names) for column in options.ignore_columns}
    notes = list(reader.notes)
    columns = []
    for column in reader.schema:
        if column.name in aside:
            continue
        if _is_opaque(column.type):
            notes.append(f"column {column.name!r} holds {column.type}: left out")
        else:
            columns.append(column.name)
    if not columns:
        raise InputError(f"{name} has no column left to work on (of {', '.join(map(repr, names[:10]))}).")
    shape = f"{_count(len(reader.row_numbers), 'row')} and {_count(len(names), 'column')}"
    notes.insert(0, f"{shape}, {reader.facts['format']}")
    return TableSource(
        name=name,
        ids=reader.row_numbers if id_column is None else _read_ids(reader, id_column, notes),
        kind=kind,
        unreadable=list(reader.unreadable),
        notes=notes,
        facts=reader.facts | {"rows": len(reader.row_numbers), "columns": len(names)},
        labels=None if label_column is None else _read_labels(reader, label_column, options, notes),
        reader=reader,
        columns=columns,
    )


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'s' * (n != 1)}"


def _is_opaque(kind: pa.DataType) -> bool:
    """Whether no feature can be made of a column, however it is encoded."""
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return _is_opaque(kind.value_type)
    return (
        pa.types.is_nested(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_interval(kind)
        or isinstance(kind, pa.BaseExtensionType)
    )


def _read_cells(reader: TableReader, column: str, use: Literal["id", "label"]) -> list[str | None]:
    """Return a column as text without blanks around it."""
    cells: list[str | None] = []
    for batch in reader.batches([column]):
        try:
            text = pc.cast(batch.column(0), pa.string())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            raise InputError(
                f"{use} column {column!r} holds {batch.column(0).type}, which cannot be read as text; "
                "needed are texts, numbers or times."
            ) from None
        cells += pc.utf8_trim_whitespace(text).to_pylist()
    return cells


def _read_ids(reader: TableReader, column: str, notes: list[str]) -> NDArray[Any]:
    cells = _read_cells(reader, column, "id")
    ids = np.empty(len(cells), dtype=object)
    ids[:] = [
        cell if cell else f"row {number}" for cell, number in zip(cells, reader.row_numbers, strict=True)
    ]
    n_different = len(set(ids))
    if n_different < len(ids):
        notes.append(f"id column {column!r}: {len(ids) - n_different} of {len(ids)} ids are not unique")
    return ids


def _read_labels(reader: TableReader, column: str, options: ReadOptions, notes: list[str]) -> Labels:
    cells = ["" if cell is None else cell for cell in _read_cells(reader, column, "label")]
    values = sorted(set(cells))
    present = [value for value in values if value.lower() not in MISSING]
    n_absent = sum(cell.lower() in MISSING for cell in cells)
    shown = ", ".join(map(repr, present[:_LISTED_VALUES])) + (
        ", ..." if len(present) > _LISTED_VALUES else ""
    )
    if options.anomaly_value is not None:
        meant = {value for value in values if _is_same(value, options.anomaly_value)}
        if not meant:
            raise InputError(
                f"label column {column!r} has no value {options.anomaly_value!r}; its values are {shown}."
            )
    elif present and {_plain(value) for value in present} <= _TRUE | _FALSE:
        meant = {value for value in present if _plain(value) in _TRUE}
    else:
        raise InputError(
            f"which value of label column {column!r} means an anomaly? Say it with --anomaly-value; "
            f"its values are {shown}."
        )
    if n_absent:
        notes.append(f"label column {column!r}: {n_absent} rows without a label count as normal")
    is_anomaly = np.fromiter((cell in meant for cell in cells), dtype=np.bool_, count=len(cells))
    return Labels(is_anomaly, column, options.anomaly_value or ", ".join(sorted(meant)) or "1")


def _plain(value: str) -> str:
    """Return "1" for "1.0", and truth values in lower case."""
    return value.lower().removesuffix(".0")


def _is_same(value: str, wanted: str) -> bool:
    """Compare as text, or as numbers where both are: "1" and "1.0" are one value."""
    if value == wanted.strip():
        return True
    try:
        return float(value) == float(wanted)
    except ValueError:
        return False
