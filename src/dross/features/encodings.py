"""How a column of each role becomes numbers, and how a cell of it is put into words."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dross.features.cells import Cells, as_written, digests, moments, numbers, strings

__all__ = ["Boolean", "Categorical", "DateTime", "Encoding", "Numeric", "Scale", "rarities", "rarity"]

MOST_DEVIATIONS = 1000.0
"""Standardised values are cut off here: as far as one row in a million can lie from the mean."""

RARELY_MISSING = 0.01
"""A column that more rows miss has no feature for it: such gaps are usual dirt, and many features that say so
drown the columns that say something (docs/choices.md)."""

_DAY = 86_400.0
_SHOWN_CHARACTERS = 40
TRUE = ("true", "yes", "y", "t", "on", "1")
FALSE = ("false", "no", "n", "f", "off", "0")


def rarity(count: float, n: int) -> float:
    """Return how far out a value is that ``count`` of ``n`` rows have, in standard deviations.

    That is where the density of a Gaussian has fallen to ``count / n`` of its peak,
    ``sqrt(-2 ln(count / n))``. It makes rare categories and gaps comparable with extreme numbers. A value
    that no row had counts as half a row.

    >>> round(rarity(10, 1000), 2), round(rarity(0, 1000), 2)
    (3.03, 3.9)
    """
    return math.sqrt(-2.0 * math.log(min(max(count, 0.5) / n, 1.0)))


def rarities(counts: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    """Return the `rarity` of many counts."""
    different, which = np.unique(counts, return_inverse=True)
    return np.array([rarity(count, n) for count in different.tolist()])[which]


def in_rows(count: int, n: int) -> str:
    """Say how many of the fitted rows.

    >>> in_rows(3, 120_000), in_rows(300, 1000), in_rows(0, 10)
    ('3 in 120,000 rows', '30 % of rows', 'in none of 10 rows')
    """
    if count == 0:
        return f"in none of {n:,} rows"
    return f"{count / n:.0%} of rows".replace("%", " %") if count >= 0.1 * n else f"{count:,} in {n:,} rows"


def in_digits(value: float) -> str:
    """Write a number for a sentence: three digits, or all before the point.

    >>> in_digits(6.9812), in_digits(54540.0), in_digits(1e300)
    ('6.98', '54,540', '1e+300')
    """
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.3g}"


def in_quotes(cell: Any) -> str:
    """Write a cell as it stands, cut to a readable length."""
    text = " ".join(str(cell).split())
    return repr(text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…")


@dataclass(frozen=True)
class Scale:
    """``(x / 2**exponent - mean) / std``: taking out the power of two first keeps 1e300 from overflowing."""

    exponent: int
    mean: float
    std: float

    def apply(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standardise; infinities and NaN become 0, the mean."""
        with np.errstate(over="ignore", under="ignore"):
            scaled = (np.ldexp(values, -self.exponent) - self.mean) / self.std
        scaled = np.clip(scaled, -MOST_DEVIATIONS, MOST_DEVIATIONS)
        return np.where(np.isfinite(values), scaled, 0.0)


@dataclass
class Encoding(ABC):
    """One fitted column: a few features, and words for its cells.

    A missing or invalid cell takes the mean of the column's features. Where invalid cells were met in
    fitting, or missing ones in at most 1 % of the rows, an indicator feature tells them, as high as they
    were rare (`rarity`).

    Attributes
    ----------
    name
        The column.
    rows, missing, invalid
        Rows fitted on, and how many of them were missing, and invalid (infinite or of another type).
    note
        A sentence for the user about the column, or "".
    """

    name: str
    rows: int
    missing: int
    invalid: int
    note: str = field(default="", kw_only=True)

    role: ClassVar[str]
    must_be: ClassVar[str] = "a value"

    @cached_property
    @abstractmethod
    def value_features(self) -> list[str]:
        """Names of the features made from values."""

    @cached_property
    def features(self) -> list[str]:
        """Names of all features, in their order."""
        told = [("missing", 0 < self.missing <= RARELY_MISSING * self.rows), ("invalid", self.invalid > 0)]
        return self.value_features + [gap for gap, is_told in told if is_told]

    @abstractmethod
    def cells(self, column: pa.Array, decimal: str) -> Cells:
        """Read the column as this role."""

    @abstractmethod
    def fill_values(self, column: pa.Array, cells: Cells, out: NDArray[np.float32]) -> None:
        """Write the features made from values into ``(m, len(value_features))``."""

    def fill(self, column: pa.Array, decimal: str, out: NDArray[np.float32]) -> int:
        """Write the features of some rows into ``(m, len(features))``; return how many were invalid."""
        cells = self.cells(column, decimal)
        k = len(self.value_features)
        self.fill_values(column, cells, out[:, :k])
        if "missing" in self.features:
            out[:, k] = cells.missing * rarity(self.missing, self.rows)
        if "invalid" in self.features:
            out[:, -1] = cells.invalid * rarity(self.invalid, self.rows)
        return int(cells.invalid.sum())

    def faults(self, column: pa.Array, decimal: str) -> NDArray[np.bool_]:
        """Mark the cells that are infinite or of another type."""
        return self.cells(column, decimal).invalid

    def reasons(self, column: pa.Array, decimal: str) -> list[str]:
        """Put some cells into words."""
        cells = self.cells(column, decimal)
        words = []
        for cell, gone, bad in zip(as_written(column), cells.missing, cells.invalid, strict=True):
            if gone:
                words.append(f"{self.name} missing ({in_rows(self.missing, self.rows)})")
            elif bad:
                words.append(self._fault(cell))
            else:
                words.append(self.value_in_words(cell))
        return words

    def _fault(self, cell: Any) -> str:
        is_infinite = bool(np.isinf(numbers(pa.array([str(cell)])).values[0]))
        return f"{self.name} is {'infinite' if is_infinite else f'not {self.must_be}'}: {in_quotes(cell)}"

    @abstractmethod
    def value_in_words(self, cell: Any) -> str:
        """Say what the cell is and what the column usually is."""

    def state(self) -> dict[str, Any]:
        """Return the JSON-able fields; with `arrays` the class makes an equal object of them."""
        return {"role": self.role} | {k: v for k, v in asdict(self).items() if not isinstance(v, np.ndarray)}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the fields that are arrays."""
        return {k: v for k, v in vars(self).items() if isinstance(v, np.ndarray) and not k.startswith("_")}


@dataclass
class Numeric(Encoding):
    """Standardised; ``low`` and ``high`` are the 1 % and 99 % quantiles. ``scale`` None: all are equal."""

    scale: Scale | None
    low: float
    high: float

    role: ClassVar[str] = "numeric"
    must_be: ClassVar[str] = "a number"

    @cached_property
    def value_features(self) -> list[str]:
        return ["value"] if self.scale else []

    def cells(self, column: pa.Array, decimal: str) -> Cells:
        return numbers(column, decimal)

    def fill_values(self, column: pa.Array, cells: Cells, out: NDArray[np.float32]) -> None:
        if self.scale:
            out[:, 0] = self.scale.apply(cells.values)

    def value_in_words(self, cell: Any) -> str:
        low, high = in_digits(self.low), in_digits(self.high)
        shown = f"{cell:.6g}" if isinstance(cell, float) else str(cell).strip()
        return f"{self.name} = {shown} (usually {low if low == high else f'{low} to {high}'})"


@dataclass
class DateTime(Encoding):
    """Standardised time since 1970, with hour of day and day of week on circles where they vary.

    ``low`` and ``high`` are the 1 % and 99 % quantiles in seconds.
    """

    date_format: str
    scale: Scale | None
    varies_in_day: bool
    varies_in_week: bool
    low: float
    high: float

    role: ClassVar[str] = "date-time"
    must_be: ClassVar[str] = "a date or time"

    @cached_property
    def value_features(self) -> list[str]:
        return (
            ["time"] * (self.scale is not None)
            + ["hour_sin", "hour_cos"] * self.varies_in_day
            + ["weekday_sin", "weekday_cos"] * self.varies_in_week
        )

    def cells(self, column: pa.Array, decimal: str) -> Cells:
        return moments(column, self.date_format)

    def fill_values(self, column: pa.Array, cells: Cells, out: NDArray[np.float32]) -> None:
        k = 0
        if self.scale:
            out[:, 0] = self.scale.apply(cells.values)
            k = 1
        days = cells.values / _DAY
        for period, varies in ((1.0, self.varies_in_day), (7.0, self.varies_in_week)):
            if varies:
                # the weekday is that of the whole day, or midnight would be no border
                turn = 2 * np.pi * ((days if period == 1 else np.floor(days)) % period) / period
                out[:, k] = np.nan_to_num(np.sin(turn))
                out[:, k + 1] = np.nan_to_num(np.cos(turn))
                k += 2

    def value_in_words(self, cell: Any) -> str:
        low, high = (self._moment(seconds) for seconds in (self.low, self.high))
        return f"{self.name} = {str(cell).strip()} (usually {low if low == high else f'{low} to {high}'})"

    def _moment(self, seconds: float) -> str:
        try:
            moment = str(np.datetime64(round(seconds), "s")).replace("T", " ")
        except (OverflowError, ValueError):
            return in_digits(seconds)
        if 0 <= self.low <= self.high <= _DAY:
            return moment[11:16]
        return moment[:16] if self.varies_in_day and self.high - self.low < 7 * _DAY else moment[:10]


@dataclass
class Boolean(Encoding):
    """One feature: positive for true, negative for false, as far from 0 as the value is rare."""

    true: int
    false: int

    role: ClassVar[str] = "boolean"
    must_be: ClassVar[str] = "true or false"

    @cached_property
    def value_features(self) -> list[str]:
        return ["value"]

    def cells(self, column: pa.Array, decimal: str) -> Cells:
        read = numbers(column, decimal)
        if read.invalid.any() and not pa.types.is_boolean(column.type):
            words = pc.utf8_lower(strings(column))
            is_true = np.asarray(pc.is_in(words, value_set=pa.array(TRUE)))
            is_false = np.asarray(pc.is_in(words, value_set=pa.array(FALSE)))
            read.values[is_true], read.values[is_false] = 1.0, 0.0
        is_truth = np.isin(read.values, (0.0, 1.0))
        missing = read.missing & ~is_truth
        return Cells(np.where(is_truth, read.values, np.nan), ~is_truth & ~missing)

    def fill_values(self, column: pa.Array, cells: Cells, out: NDArray[np.float32]) -> None:
        out[:, 0] = np.select(
            [cells.values == 1.0, cells.values == 0.0, cells.invalid],
            [rarity(self.true, self.rows), -rarity(self.false, self.rows), rarity(0, self.rows)],
            default=0.0,
        )

    def value_in_words(self, cell: Any) -> str:
        is_true = str(cell).strip().lower().removesuffix(".0") in TRUE
        return f"{self.name} = {cell} ({in_rows(self.true if is_true else self.false, self.rows)})"


@dataclass
class Categorical(Encoding):
    """One-hot for the frequent categories, and one feature for how rare the row's category is (`rarity`).

    Missing is a category of its own. A category never seen in fitting is taken to be rarer than any seen:
    half a row's worth. Texts are told apart by their digests, so that long ones take no more room.

    Attributes
    ----------
    categories
        The categories that have a feature, from frequent to rare (only the beginning of a long one).
    category_digests : ndarray of shape (n_categories,)
    digests, counts : ndarray of shape (n_counted,)
        How many rows had each text; the digests ascend.
    rest
        At most so many rows had a text that is not counted here: 0, unless there were very many texts.
    mean_rarity
        What is subtracted, so that the mean is 0.
    """

    categories: list[str]
    category_digests: NDArray[np.uint64]
    digests: NDArray[np.uint64]
    counts: NDArray[np.int64]
    rest: int = 0
    mean_rarity: float = 0.0

    role: ClassVar[str] = "categorical"

    def __post_init__(self) -> None:
        counts = np.append(self.counts, [self.rest, self.missing])  # not counted, and missing, are at the end
        self._rarity_at = rarities(counts, self.rows)
        self._feature_at = np.full(len(counts), -1)
        places = np.searchsorted(self.digests, self.category_digests)
        self._feature_at[places] = np.arange(len(self.categories))

    @cached_property
    def value_features(self) -> list[str]:
        return [f"= {category}" for category in self.categories] + ["rarity"]

    def cells(self, column: pa.Array, decimal: str) -> Cells:
        """Return places in ``counts``; their number for a text that is not counted."""
        coded = strings(column).dictionary_encode()
        places = np.append(self._places(coded.dictionary), np.nan)
        codes = np.asarray(pc.fill_null(coded.indices, len(places) - 1))
        return Cells(places[codes], np.zeros(len(column), dtype=np.bool_))

    def _places(self, text: pa.Array) -> NDArray[np.float64]:
        marks = digests(text)
        first, end = (np.searchsorted(self.digests, marks, side) for side in ("left", "right"))
        return np.where(first < end, first, len(self.digests)).astype(np.float64)

    def fill_values(self, column: pa.Array, cells: Cells, out: NDArray[np.float32]) -> None:
        places = np.where(cells.missing, len(self.counts) + 1, cells.values).astype(np.int64)
        features = self._feature_at[places]
        hot = np.flatnonzero(features >= 0)
        out[hot, features[hot]] = 1.0
        out[:, -1] = self._rarity_at[places] - self.mean_rarity

    def value_in_words(self, cell: Any) -> str:
        text = strings(pa.array([cell]))
        place = int(self._places(text)[0])
        if place < len(self.counts):
            how_often = in_rows(int(self.counts[place]), self.rows)
        else:
            how_often = "at most " * (self.rest > 0) + in_rows(self.rest, self.rows)
        return f"{self.name} = {in_quotes(text[0])} ({how_often})"
