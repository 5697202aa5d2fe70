"""Cells of any Arrow type as text, numbers or moments; what is not one is told apart from what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dross.sources.sniff import MISSING

__all__ = [
    "ANY_DATE",
    "DATE_FORMATS",
    "Cells",
    "as_written",
    "digests",
    "is_moment_type",
    "is_number_type",
    "moments",
    "numbers",
    "strings",
]

_MISSING = pa.array(sorted(MISSING))
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?[iI][nN][fF]([iI][nN][iI][tT][yY])?$"
_GROUPED = r"^\s*[+-]?[1-9]\d{0,2}(\.\d{3})+,\d+\s*$"  # "1.234" alone may be a number as computers write it

_MONTH = r"[A-Za-z]{3,9}\.?"
DATE_FORMATS = {
    "%Y-%m-%d": r"\d{4}-\d{1,2}-\d{1,2}",
    "%Y/%m/%d": r"\d{4}/\d{1,2}/\d{1,2}",
    "%Y.%m.%d": r"\d{4}\.\d{1,2}\.\d{1,2}",
    "%d.%m.%Y": r"\d{1,2}\.\d{1,2}\.\d{4}",
    "%d/%m/%Y": r"\d{1,2}/\d{1,2}/\d{4}",
    "%m/%d/%Y": r"\d{1,2}/\d{1,2}/\d{4}",
    "%d-%m-%Y": r"\d{1,2}-\d{1,2}-\d{4}",
    "%m-%d-%Y": r"\d{1,2}-\d{1,2}-\d{4}",
    "%d %b %Y": rf"\d{{1,2}} {_MONTH} \d{{4}}",
    "%d-%b-%Y": rf"\d{{1,2}}-{_MONTH}-\d{{4}}",
    "%b %d, %Y": rf"{_MONTH} \d{{1,2}}, \d{{4}}",
    "": "",  # a time of day without a date
}
"""Dates that are understood, as `strptime` formats with the pattern that must match. A time of day may
follow. Where day and month cannot be told apart, the earlier format is taken: the day first."""

_TIME = (
    r"(?:(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}(?:[.,]\d+)?))?)"
    r"(?:\s*(?P<zone>Z|UTC|[+-]\d{2}(?::?\d{2})?))?"
)

ANY_DATE = "^(" + "|".join([*filter(None, DATE_FORMATS.values()), r"\d{1,2}:\d{2}"]) + ")"
"""Matches the beginning of whatever one of the formats may read."""


@dataclass(frozen=True)
class Cells:
    """A column of numbers: ``values`` float64 (NaN where missing or invalid; infinities kept as they are).

    ``invalid`` marks the cells that are neither a finite number nor missing.
    """

    values: NDArray[np.float64]
    invalid: NDArray[np.bool_]

    @property
    def missing(self) -> NDArray[np.bool_]:
        return np.isnan(self.values) & ~self.invalid


def is_number_type(kind: pa.DataType) -> bool:
    """Whether a column of this type holds numbers, durations or truth values."""
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_duration(kind)
    )


def is_moment_type(kind: pa.DataType) -> bool:
    """Whether a column of this type holds dates or times."""
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind) or pa.types.is_time(kind))


def plain(column: pa.Array) -> pa.Array:
    """Return a dictionary-encoded column as what it stands for."""
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def strings(column: pa.Array) -> pa.Array:
    """Return text without blanks around it, null where missing.

    >>> strings(pa.array([" a", "?", "N/A", None])).to_pylist()
    ['a', None, None, None]
    """
    text = pc.utf8_trim_whitespace(pc.cast(plain(column), pa.string()))
    return pc.if_else(pc.is_in(pc.utf8_lower(text), value_set=_MISSING), None, text)


def digests(text: pa.Array) -> NDArray[np.uint64]:
    """Return 64 bits for each text, which is never null: as good as the text for telling it from others."""
    cells = pc.cast(text, pa.binary()).to_pylist()
    return np.frombuffer(b"".join(blake2b(cell, digest_size=8).digest() for cell in cells), dtype="<u8")


def as_written(column: pa.Array) -> list[Any]:
    """Return cells for showing: as they are, times as text."""
    if pa.types.is_duration(column.type):
        return [f"{seconds:g} s" for seconds in numbers(column).values]
    return (column.cast(pa.string()) if is_moment_type(column.type) else column).to_pylist()  # type: ignore[no-any-return]


def numbers(column: pa.Array, decimal: str = ".") -> Cells:
    """Return a column as numbers, whatever its type.

    Where the decimal sign is a comma, points may group thousands.

    >>> cells = numbers(pa.array(["1", "", "12a", "inf"]))
    >>> cells.values.tolist(), cells.invalid.tolist()
    ([1.0, nan, nan, inf], [False, False, True, True])
    """
    column = plain(column)
    kind = column.type
    if pa.types.is_duration(kind):
        per_second = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[kind.unit]
        values = _numpy(column.cast(pa.int64())) / per_second
    elif is_number_type(kind):
        values = _numpy(column)
    elif pa.types.is_null(kind) or is_moment_type(kind):
        return Cells(np.full(len(column), np.nan), np.asarray(column.is_valid()))
    else:
        return _parsed(column, decimal)
    return Cells(values, np.isinf(values))


def _numpy(column: pa.Array) -> NDArray[np.float64]:
    result: NDArray[np.float64] = np.array(pc.cast(column, pa.float64(), safe=False), dtype=np.float64)
    return result


def _parsed(column: pa.Array, decimal: str) -> Cells:
    if decimal == ",":
        text = pc.cast(column, pa.string())
        is_grouped = pc.match_substring_regex(text, _GROUPED)
        text = pc.if_else(is_grouped, pc.replace_substring(text, ".", ""), text)
        column = pc.replace_substring(text, ",", ".")
    try:  # clean columns, which are most, in one go
        values = _numpy(column)
    except pa.ArrowInvalid:
        text = strings(column)
        is_number = pc.match_substring_regex(text, _NUMBER)
        values = _numpy(pc.if_else(is_number, text, None))
        is_text = np.asarray(pc.fill_null(pc.invert(is_number), False))
        return Cells(values, is_text | np.isinf(values))
    return Cells(values, np.isinf(values))


def moments(column: pa.Array, date_format: str = "%Y-%m-%d") -> Cells:
    """Return dates and times as seconds since 1970 (UTC where a zone is given).

    >>> moments(pa.array(["1970-01-02 01:00", "never"])).values.tolist()
    [90000.0, nan]
    """
    column = plain(column)
    kind = column.type
    if pa.types.is_time(kind):
        per_second = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[kind.unit]
        whole = pa.int32() if pa.types.is_time32(kind) else pa.int64()
        return _valid(column, _numpy(column.cast(whole)) / per_second)
    if is_moment_type(kind):
        seconds = column.cast(pa.timestamp("s", getattr(kind, "tz", None)), safe=False)
        return _valid(column, _numpy(seconds.cast(pa.int64())))
    if is_number_type(kind) or pa.types.is_null(kind):
        return Cells(np.full(len(column), np.nan), np.asarray(column.is_valid()))
    text = strings(column)
    return _valid(text, _parse_moments(text, date_format))


def _valid(column: pa.Array, values: NDArray[np.float64]) -> Cells:
    return Cells(values, np.isnan(values) & np.asarray(column.is_valid()))


def _parse_moments(text: pa.Array, date_format: str) -> NDArray[np.float64]:
    date = DATE_FORMATS[date_format]
    if date:
        pattern = rf"^(?P<date>{date})(?:[T ]+{_TIME})?$"
    else:
        pattern = rf"^(?P<date>){_TIME}$"
    parts = pc.extract_regex(text, pattern=pattern)
    days = np.zeros(len(text))
    if date:
        day = pc.strptime(_part(parts, "date"), format=date_format, unit="s", error_is_null=True)
        days = _numpy(day.cast(pa.int64()))
    days[~np.asarray(parts.is_valid())] = np.nan
    hours, minutes, seconds = (_digits(_part(parts, name)) for name in ("hour", "minute", "second"))
    zone = pc.replace_substring(_part(parts, "zone"), ":", "")
    sign = np.where(np.asarray(pc.fill_null(pc.starts_with(zone, "-"), False)), -1.0, 1.0)
    offset = _digits(pc.utf8_slice_codeunits(zone, 1, 3)) * 60 + _digits(pc.utf8_slice_codeunits(zone, 3, 5))
    days[(hours > 24) | (minutes > 59) | (seconds > 60)] = np.nan
    return days + hours * 3600 + minutes * 60 + seconds - sign * offset * 60


def _part(parts: pa.StructArray, name: str) -> pa.Array:
    return parts.field(name)


def _digits(text: pa.Array) -> NDArray[np.float64]:
    """Return what was captured as a number; nothing, and the letters of UTC, as 0."""
    is_number = pc.match_substring_regex(text, r"^\d+([.,]\d+)?$")
    found = _numpy(pc.replace_substring(pc.if_else(is_number, text, None), ",", "."))
    return np.nan_to_num(found)
