"""Delimited text (CSV, TSV and the like), read again from the file for every pass."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
from numpy.typing import NDArray

from dross.errors import InputError
from dross.sources.base import Unreadable
from dross.sources.sniff import NO_DELIMITER, sniff
from dross.sources.streams import (
    READ_ERRORS,
    BlankDelimited,
    compression_of,
    encoding_of,
    in_brief,
    open_bytes,
    open_text_lines,
    read_start,
)

__all__ = ["DelimitedReader"]

_BLOCK_BYTES = 2 << 20  # pyarrow reads some blocks ahead: a larger one costs tens of times its size in memory
_MOST_BLOCK_BYTES = 32 << 20
_MOST_RAGGED = 0.01
_MOST_LISTED = 100_000
_SUSPICIOUS_BYTES = 1000
_SUSPICIOUS_LINES = 10


@dataclass(frozen=True)
class _Ragged:
    """A row with a wrong number of fields: its number in the file, from 1 for the header, and its lines."""

    number: int
    n_fields: int
    n_lines: int
    first_line: str

    def reason(self, n_expected: int) -> str:
        return f"{self.n_fields} field{'s' * (self.n_fields != 1)} instead of {n_expected}"


class DelimitedReader:
    """The rows of a delimited text file; all cells as strings, exactly as they stand in the file.

    Parameters
    ----------
    path
        The file; may be compressed (gzip, bzip2, xz).

    Attributes
    ----------
    schema : pa.Schema
        All columns, as strings.
    row_numbers : ndarray of shape (n,), int64
        0-based numbers of the rows that could be read; rows passed over keep their number.
    decimal : str
        "." or ",".
    unreadable, notes, facts
        As in `Source`.

    Raises
    ------
    InputError
        If the file cannot be read or decompressed, has no rows, or more than 1 % of its lines have a wrong
        number of fields.
    """

    def __init__(self, path: Path) -> None:
        start, is_cut = read_start(path, n_lines=50)
        self._path = path
        self._encoding = encoding_of(start)
        text = start.decode(self._encoding, errors="replace")
        form = sniff(text, is_cut=is_cut, surely_table=True)
        if form is None:
            raise InputError(f"{path} has no rows.")
        self._form = form
        line_bytes = len(start) / max(start.count(b"\n"), 1)
        self._block_bytes = int(np.clip(line_bytes * 1000, _BLOCK_BYTES, _MOST_BLOCK_BYTES))
        self.unreadable: list[Unreadable] = []
        self.notes: list[str] = []
        self.row_numbers = self._settle()
        self.schema = pa.schema([(name, pa.string()) for name in self._form.names])
        self.decimal = form.decimal
        self._describe()

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield the readable rows in order, a few thousand at a time, as string columns."""
        try:
            yield from self._rows(columns, lambda row: "skip")
        except InputError:
            raise
        except READ_ERRORS as error:
            raise InputError(f"{self._path} changed while it was read: {in_brief(error)}.") from error

    def _rows(self, columns: Sequence[str], on_ragged: Callable[[Any], str]) -> Iterator[pa.RecordBatch]:
        # an uneven header goes the way of ragged rows
        n_header = int(self._form.has_header and self._form.is_header_even)
        for batch in self._all_rows(columns, on_ragged):
            rows = batch.slice(n_header) if len(batch) else batch
            if len(batch):
                n_header = 0
            if len(rows):
                yield rows

    def _all_rows(self, columns: Sequence[str], on_ragged: Callable[[Any], str]) -> Iterator[pa.RecordBatch]:
        form = self._form
        source, encoding = self._open()
        with (
            source,
            pacsv.open_csv(
                source,
                # One thread: only then are rows numbered; reading ahead goes on beside it anyway.
                read_options=pacsv.ReadOptions(
                    use_threads=False,
                    block_size=self._block_bytes,
                    column_names=form.names,
                    encoding=encoding,
                ),
                parse_options=pacsv.ParseOptions(
                    delimiter="\t" if form.delimiter == " " else form.delimiter,
                    quote_char='"' if form.quoting else False,
                    newlines_in_values=form.quoting,
                    invalid_row_handler=on_ragged,
                ),
                convert_options=pacsv.ConvertOptions(
                    column_types=dict.fromkeys(form.names, pa.string()), include_columns=columns
                ),
            ) as reader,
        ):
            yield from reader

    def _open(self) -> tuple[Any, str]:
        """Return what pyarrow reads from, and its encoding."""
        if self._form.delimiter == " ":
            return io.BufferedReader(BlankDelimited(open_text_lines(self._path, self._encoding))), "utf8"
        encoding = "utf8" if self._encoding.startswith("utf-8") else self._encoding
        return open_bytes(self._path), encoding

    def _settle(self) -> NDArray[np.int64]:
        """Scan; where that fails or cells swallow lines, take quotation marks as plain characters."""
        numbers, failure = self._try_scan()
        if self._form.quoting and (failure or self._has_long_cells):
            form, unreadable = self._form, self.unreadable
            self._form = replace(form, quoting=False)
            plain, plain_failure = self._try_scan()
            if plain_failure is None and len(plain) > len(numbers):
                self.notes.append("quotation marks do not pair up: read as ordinary characters")
                return plain
            self._form, self.unreadable = form, unreadable
        if failure is not None:
            raise failure
        return numbers

    def _try_scan(self) -> tuple[NDArray[np.int64], InputError | None]:
        """Return the numbers of the readable rows, or none and why the file cannot be read."""
        try:
            return self._scan(), None
        except pa.ArrowInvalid as error:
            if "UTF8" in str(error) and self._encoding != "latin-1":
                self._encoding = "latin-1"
                self.notes.append("not valid UTF-8 throughout: read as latin-1")
                return self._try_scan()
            if "straddling" in str(error) and self._block_bytes < _MOST_BLOCK_BYTES:  # a row beyond a block
                self._block_bytes = _MOST_BLOCK_BYTES
                return self._try_scan()
            failure = InputError(f"{self._path} cannot be read as a table: {in_brief(error)}.")
        except InputError as error:
            failure = error
        except READ_ERRORS as error:
            raise InputError(f"{self._path} cannot be read: {in_brief(error)}.") from error
        return np.empty(0, dtype=np.int64), failure

    def _scan(self) -> NDArray[np.int64]:
        ragged: list[_Ragged] = []

        def pass_over(row: Any) -> str:
            lines = row.text.rstrip("\r\n").split("\n")
            ragged.append(_Ragged(row.number, row.actual_columns, len(lines), lines[0].rstrip("\r")))
            is_lost = len(ragged) > _MOST_LISTED and len(ragged) > _MOST_RAGGED * row.number
            return "error" if is_lost else "skip"

        self._has_long_cells = False
        n_rows = 0
        for batch in self._rows(self._form.names, pass_over):
            n_rows += len(batch)
            self._has_long_cells = self._has_long_cells or any(map(_spans_lines, batch.columns))
        n_header = int(self._form.has_header)
        ragged = [row for row in ragged if row.number > n_header]
        n_ragged_lines = sum(row.n_lines for row in ragged)
        self.unreadable = self._list(ragged) if ragged else []
        if n_ragged_lines > _MOST_RAGGED * (n_rows + n_ragged_lines):
            first = self.unreadable[0]
            raise InputError(
                f"{self._path}: {n_ragged_lines} of {n_rows + n_ragged_lines} lines do not have the "
                f"{len(self._form.names)} fields of the others (at most 1 % may); the first is {first.id} "
                f"({first.reason}). Mend them, or read the file as lines of text with --kind text."
            )
        if n_rows == 0:
            raise InputError(f"{self._path} has no rows of data.")
        numbers = np.arange(n_rows + len(ragged), dtype=np.int64)
        return np.delete(numbers, [row.number - 1 - n_header for row in ragged])

    def _list(self, ragged: list[_Ragged]) -> list[Unreadable]:
        """Find the lines of ragged rows: blank lines and line breaks in cells part them from row numbers."""
        found: list[Unreadable] = []
        waiting = iter(ragged)
        row = next(waiting, None)
        n_expected = len(self._form.names)
        source, encoding = self._open()
        with io.TextIOWrapper(source, encoding=encoding, errors="replace", newline=None) as lines:
            for number, line in enumerate(lines, start=1):
                if row is None:
                    break
                if number >= row.number and line.rstrip("\n") == row.first_line:
                    found.append(Unreadable(f"line {number}", row.reason(n_expected)))
                    row = next(waiting, None)
        rest = [row, *waiting] if row is not None else []
        return found + [Unreadable(f"row {row.number}", row.reason(n_expected)) for row in rest]

    def _describe(self) -> None:
        form = self._form
        compression = compression_of(self._path)
        self.facts: dict[str, Any] = {
            "format": "delimited text",
            "delimiter": None if form.delimiter == NO_DELIMITER else form.delimiter,
            "decimal": form.decimal,
            "header": form.has_header,
            "encoding": self._encoding,
            "compression": compression,
        }
        packed = f", {compression}" if compression else ""
        self.notes.insert(0, f"{form.description}, {self._encoding}{packed}")


def _spans_lines(column: pa.Array) -> bool:
    """Whether a cell is so long, and of so many lines, that a quotation mark may have swallowed rows."""
    longest = pc.max(pc.binary_length(column)).as_py() or 0
    if longest < _SUSPICIOUS_BYTES:
        return False
    return bool(pc.max(pc.count_substring(column, "\n")).as_py() >= _SUSPICIOUS_LINES)
