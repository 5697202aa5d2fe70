"""Tables that are not columns by nature: JSON lines and spreadsheets; all cells become strings."""

from __future__ import annotations

import datetime
import json
import warnings
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dross.errors import InputError
from dross.sources.base import Unreadable
from dross.sources.columnar import MemoryReader
from dross.sources.sniff import column_names, has_header
from dross.sources.streams import damage_named, encoding_of, open_text_lines, read_start

__all__ = ["JsonLinesReader", "read_spreadsheet"]

_BATCH_ROWS = 4096
_MOST_BAD = 0.01

Record = dict[str, Any]


def _parse_record(line: str) -> Record | None:
    """Return the object on a line with its numbers as they are written, or None if it is not one.

    >>> _parse_record('{"a": 1.50, "b": null, "c": true}')
    {'a': '1.50', 'b': None, 'c': True}
    """
    try:
        value = json.loads(line, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


class JsonLinesReader:
    """One JSON object a line; the columns are all keys met, in order; read again for every pass.

    Keys whose values are lists or objects are left out, with a note. Lines that are no object are listed in
    ``unreadable``; more than 1 % of them raise `InputError`.
    """

    decimal = "."

    def __init__(self, path: Path) -> None:
        self._path = path
        self._encoding = encoding_of(read_start(path)[0])
        self.unreadable: list[Unreadable] = []
        self.notes: list[str] = []
        self.facts: dict[str, Any] = {"format": "JSON lines", "encoding": self._encoding}
        names: dict[str, bool] = {}  # key -> whether some value is nested
        good: list[int] = []
        n_lines = 0
        for n_lines, (number, record) in enumerate(self._records(), start=1):
            if record is None:
                self.unreadable.append(Unreadable(f"line {number}", "not a JSON object"))
                continue
            good.append(n_lines - 1)
            for key, value in record.items():
                names[key] = names.get(key, False) or isinstance(value, (dict, list))
        if not good:
            raise InputError(f"{path} has no line that is a JSON object.")
        if len(self.unreadable) > _MOST_BAD * n_lines:
            raise InputError(
                f"{path}: {len(self.unreadable)} of {n_lines} lines are no JSON objects (at most 1 % may be "
                f"none); the first is {self.unreadable[0].id}."
            )
        self.row_numbers: NDArray[np.int64] = np.array(good, dtype=np.int64)
        self.notes += [f"column {key!r} holds lists or objects: left out" for key in names if names[key]]
        self.schema = pa.schema([(key, pa.string()) for key in names if not names[key]])

    def _records(self) -> Iterator[tuple[int, Record | None]]:
        """Yield line numbers (from 1) and objects, blank lines left out."""
        with damage_named(self._path), open_text_lines(self._path, self._encoding) as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield number, _parse_record(line)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        rows: list[list[str | None]] = []
        for _, record in self._records():
            if record is not None:
                rows.append([_string(record.get(name)) for name in columns])
            if len(rows) == _BATCH_ROWS:
                yield _string_batch(rows, columns)
                rows = []
        if rows:
            yield _string_batch(rows, columns)


def _string(value: Any) -> str | None:
    """Return a cell as text: dates in ISO form, true and false in lower case."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    # lone surrogates, which JSON can spell, are no text that could be written anywhere
    return str(value).encode(errors="replace").decode()


def _string_batch(rows: Iterable[Sequence[str | None]], names: Sequence[str]) -> pa.RecordBatch:
    columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    return pa.record_batch(columns, names=list(names))


def read_spreadsheet(path: Path) -> MemoryReader:
    """Read the first sheet of an .xlsx file that has data; formulas give their stored values.

    Raises
    ------
    InputError
        If the file is damaged or all its sheets are empty.
    """
    import openpyxl

    with damage_named(path, "a spreadsheet"), path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # styles and validations that openpyxl does not know
        book = openpyxl.load_workbook(file, read_only=True, data_only=True)
        try:
            found = next(((sheet.title, rows) for sheet in book.worksheets if (rows := _rows(sheet))), None)
        finally:
            book.close()
    if found is None:
        raise InputError(f"{path}: no sheet has any data.")
    title, rows = found
    header = has_header([[cell or "" for cell in row] for row in rows[:1000]])
    names = column_names([cell or "" for cell in rows[0]] if header else None, len(rows[0]))
    body = rows[header:]
    if not body:
        raise InputError(f"{path}: sheet {title!r} has a header and no rows.")
    reader = MemoryReader(pa.Table.from_batches([_string_batch(body, names)]), "spreadsheet")
    reader.facts |= {"sheet": title, "header": header}
    reader.notes.append(f"sheet {title!r}, {'with a header' if header else 'no header'}")
    return reader


def _rows(sheet: Any) -> list[list[str | None]]:
    """Return the cells of a sheet without its empty rows and columns; [] if there are none."""
    if not hasattr(sheet, "iter_rows"):  # a sheet that is a chart
        return []
    rows = [[_string(cell) for cell in row] for row in sheet.iter_rows(values_only=True)]
    rows = [row for row in rows if any(cell is not None for cell in row)]
    columns = [column for column in zip_longest(*rows) if any(cell is not None for cell in column)]
    return [list(row) for row in zip(*columns, strict=True)]
