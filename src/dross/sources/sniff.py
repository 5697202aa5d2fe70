"""What a text file's first lines say about its form: delimiter, quotes, header, decimal comma."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dross.sources.streams import tabs_for_blanks

__all__ = ["MISSING", "Form", "column_names", "has_header", "sniff"]

MISSING = frozenset({"", "?", "-", "na", "n/a", "#n/a", "<na>", "nan", "nat", "null", "none"})
"""Cells that stand for a missing value, in lower case and without blanks around them."""

NO_DELIMITER = "\x1f"
_DELIMITERS = (",", ";", "\t", "|", " ")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?inf(inity)?", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"[+-]?(\d*|[1-9]\d{0,2}(\.\d{3})+),\d+(e[+-]?\d+)?", re.IGNORECASE)
_DATE = r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ]+\d{1,2}:\d{2}.*)?|\d{1,2}:\d{2}(:\d{2}.*)?"
_TYPED = re.compile(
    "|".join([_NUMBER.pattern, _DECIMAL_COMMA.pattern, _DATE, "true|false|yes|no"]), re.IGNORECASE
)
_NAME = re.compile(r"\S+( \S+){0,3}")
_SAMPLE_CELLS = 50_000
_PROSE_WORDS = 4.0  # more words than this in the mean cell, and none of them a number: prose, perhaps
_SAMPLE_ROWS = 1000

Row = list[str]


@dataclass(frozen=True)
class Form:
    """How a delimited text is written.

    ``delimiter`` " " stands for runs of blanks, and the unit separator for a table of one column.
    ``is_header_even``: the header has as many fields as the data; it may lack the name of the row names, or
    have a delimiter at the end that the data has not, or the other way round.
    """

    delimiter: str
    quoting: bool
    decimal: str
    names: tuple[str, ...]
    has_header: bool
    is_header_even: bool

    @property
    def description(self) -> str:
        """For people: ``delimited by commas, no header``."""
        by = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "blanks"}
        parts = [f"delimited by {by[self.delimiter]}"] if self.delimiter in by else ["one column"]
        parts += ["decimal comma"] if self.decimal == "," else []
        return ", ".join([*parts, "with a header" if self.has_header else "no header"])


def _is_typed(cell: str) -> bool:
    """Whether a cell is a number, a date or a truth value."""
    return _TYPED.fullmatch(cell) is not None


def _present(cells: Sequence[str]) -> list[str]:
    return [cell for cell in map(str.strip, cells) if cell.lower() not in MISSING]


def _typed_share(cells: Sequence[str]) -> float:
    present = _present(cells)
    return sum(map(_is_typed, present)) / len(present) if present else 0.0


def _rows(text: str, delimiter: str, quoting: bool) -> list[Row]:
    """Parse some text; blank lines are passed over."""
    if delimiter == " ":
        text, delimiter = tabs_for_blanks(text), "\t"
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quoting else csv.QUOTE_NONE)
    rows: list[Row] = []
    try:
        for row in filter(None, reader):
            rows.append(row)
            if len(rows) >= _SAMPLE_ROWS or (len(rows) * len(rows[0]) > _SAMPLE_CELLS and len(rows) > 20):
                break
    except csv.Error:  # a field beyond csv's limit: an open quotation mark, most likely
        return []
    return rows


@dataclass(frozen=True)
class _Candidate:
    delimiter: str
    quoting: bool
    first: Row
    rows: list[Row]
    width: int
    share: float
    typed: float

    @property
    def key(self) -> tuple[float, int]:
        value = self.share * (1 + self.typed)
        value -= 0.25 * (self.delimiter == " ")  # blanks also stand inside of cells
        return value - 0.1 * (len(self.first) != self.width), self.width

    @property
    def words(self) -> float:
        cells = [cell for row in self.rows for cell in row]
        return sum(len(cell.split()) for cell in cells) / max(len(cells), 1)

    def is_table(self) -> bool:
        """Whether lines of running text are unlikely to come out like this."""
        if self.delimiter == " " and self.typed < 0.25:
            return False
        if self.typed < 0.05 and self.words > _PROSE_WORDS:
            return self.share >= 0.95 and len(self.rows) >= 10
        return self.share >= 0.7 and (self.typed > 0 or len(self.rows) >= 3)


def _has_more_rows(a: _Candidate, b: _Candidate) -> bool:
    """Whether one reading has rows that the other lacks, as even and with no fewer numbers in their cells."""
    no_worse = a.share >= b.share and a.width >= b.width and a.typed >= b.typed
    return no_worse and len(a.rows) > len(b.rows)


def _candidates(text: str) -> Iterator[_Candidate]:
    for delimiter in _DELIMITERS:
        best: _Candidate | None = None
        for quoting in (True, False):
            rows = _rows(text, delimiter, quoting)
            widths = Counter(len(row) for row in rows if len(row) > 1)
            if not widths:
                continue
            width = max(widths, key=lambda w: (widths[w], w))
            even = [row for row in rows if len(row) == width]
            body = [row for row in rows[1:101] if len(row) == width] or even  # the first may be a header
            typed = _typed_share([cell for row in body for cell in row])
            n_judged = len(rows) - (abs(len(rows[0]) - width) == 1)  # a header may be uneven by one
            candidate = _Candidate(delimiter, quoting, rows[0], even, width, len(even) / n_judged, typed)
            # Marks that do not pair swallow rows: more rows, as even, come out if they are plain characters.
            if best is None or candidate.share > best.share + 0.02 or _has_more_rows(candidate, best):
                best = candidate
        if best is not None:
            yield best


def sniff(text: str, *, is_cut: bool = False, surely_table: bool = False) -> Form | None:
    """Find the form of a delimited text, or None if it looks like lines of running text.

    Parameters
    ----------
    text
        The beginning of the file, decoded.
    is_cut
        Whether the file goes on: the last line is then left out.
    surely_table
        Take the best form there is, if need be one column.

    Examples
    --------
    >>> form = sniff("a;b\\n1,5;x\\n2,5;y\\n")
    >>> form.delimiter, form.decimal, form.names
    (';', ',', ('a', 'b'))
    """
    if is_cut:
        text = text[: max(text.rfind("\n"), text.rfind("\r")) + 1] or text
    candidates = list(_candidates(text))
    likely = [c for c in candidates if c.is_table()]
    if surely_table and not likely:  # still, a mark found in a few lines only is no delimiter
        likely = [c for c in candidates if c.share >= 0.6 and (c.delimiter != " " or c.typed >= 0.25)]
    best = max(likely, key=lambda c: c.key, default=None)
    if best is None:
        rows = [row for row in _rows(text, NO_DELIMITER, quoting=True) if len(row) == 1]  # it may occur
        cells = [row[0] for row in rows]
        if not rows or not (surely_table or _typed_share(cells[1:] or cells) >= 0.9):
            return None
        best = _Candidate(NO_DELIMITER, True, rows[0], rows, 1, 1.0, 1.0)
    return _form(best)


def _form(found: _Candidate) -> Form:
    cells = [cell.strip() for row in found.rows for cell in row]
    commas = sum(_DECIMAL_COMMA.fullmatch(cell) is not None for cell in cells)
    points = sum("." in cell and _NUMBER.fullmatch(cell) is not None for cell in cells)
    rows = _with_uneven_header(found)
    header = has_header(rows)
    return Form(
        delimiter=found.delimiter,
        quoting=found.quoting,
        decimal="," if commas > points and found.delimiter != "," else ".",
        names=column_names(rows[0] if header else None, found.width),
        has_header=header,
        is_header_even=len(found.first) == found.width,
    )


def _with_uneven_header(found: _Candidate) -> list[Row]:
    """Put a first line before the rows that is a header with one field too few or too many.

    R leaves out the name of the row names; others end each row of data, or only the header, with a delimiter.
    """
    first, rows = found.first, found.rows
    if len(first) == found.width - 1:
        ends_empty = not any(row[-1] for row in rows)
        return [[*first, ""] if ends_empty else ["", *first], *rows]
    if len(first) == found.width + 1 and not first[-1]:
        return [first[:-1], *rows]
    return rows


def has_header(rows: Sequence[Row]) -> bool:
    """Decide by content whether the first row holds names.

    It does if it has text over columns of numbers, dates or truth values; or if it counts 0, 1, 2, ... over
    other numbers; or, where all columns are text, if its cells are short, different, and recur nowhere
    below.

    >>> has_header([["id", "size"], ["a", "1"]]), has_header([["a", "1"], ["b", "2"]])
    (True, False)
    """
    if not rows:
        return False
    first, body = [cell.strip() for cell in rows[0]], rows[1:]
    columns = [[row[j] for row in body] for j in range(len(first))]
    if not body:
        return len(_present(first)) == len(first) and _typed_share(first) == 0 and len(set(first)) > 1
    typed = [j for j, column in enumerate(columns) if _typed_share(column[:100]) >= 0.9]
    texts_over_types = sum(bool(_present([first[j]])) and not _is_typed(first[j]) for j in typed)
    types_over_types = sum(_is_typed(first[j]) for j in typed)
    if _counts_up(first) and not _counts_up([cell.strip() for cell in body[0]]):
        return True
    if texts_over_types or types_over_types:
        return texts_over_types > types_over_types
    names_only = all(_NAME.fullmatch(cell) and not _is_typed(cell) for cell in first)
    recurs = any(name in map(str.strip, column) for name, column in zip(first, columns, strict=True))
    return names_only and len(set(first)) == len(first) and not recurs


def _counts_up(cells: Row) -> bool:
    numbers = cells[1:] if cells and not cells[0] else cells
    return len(numbers) >= 3 and numbers == [str(i) for i in range(len(numbers))]


def column_names(header: Sequence[str] | None, width: int) -> tuple[str, ...]:
    """Return ``width`` different names: the header's, or "0", "1", ...; the second "a" becomes "a.1".

    >>> column_names(["a", "", "a"], 3)
    ('a', 'Unnamed: 1', 'a.1')
    """
    names: dict[str, None] = {}
    for j in range(width):
        name = str(j) if header is None else header[j].strip() or f"Unnamed: {j}"
        free, k = name, 0
        while free in names:
            k += 1
            free = f"{name}.{k}"
        names[free] = None
    return tuple(names)
