"""What one pass over a column tells of it, in little memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dross.features.cells import (
    ANY_DATE,
    DATE_FORMATS,
    Cells,
    digests,
    is_moment_type,
    moments,
    numbers,
    strings,
)
from dross.features.encodings import Scale

__all__ = ["MomentProfile", "NumberProfile", "Spread", "ValueCounts", "ValueProfile", "most_left_out"]

_MOST_TEXTS = 2_000  # more than can have the 2 rows and 1 row in 1 000 that make a feature
_LONGEST_TEXT = 4_000
_FEWEST_MERGED = 1 << 10
_ENOUGH_TO_JUDGE = 200
_DAY = 86_400.0


@dataclass
class Spread:
    """Running mean, standard deviation and range, of numbers of any magnitude.

    The sums are kept in units of ``2**exponent``, which grows with the largest number met, so that neither
    1e300 nor 1e-300 leaves the range of float64 when squared.
    """

    exponent: int = -1100
    n: int = 0
    mean: float = 0.0
    squares: float = 0.0
    low: float = math.inf
    high: float = -math.inf

    def add(self, values: NDArray[np.float64]) -> None:
        """Take in some finite numbers."""
        if not values.size:
            return
        low, high = float(values.min()), float(values.max())
        self.low, self.high = min(self.low, low), max(self.high, high)
        exponent = math.frexp(max(abs(low), abs(high)))[1]
        if exponent > self.exponent:
            self.mean = math.ldexp(self.mean, self.exponent - exponent)
            self.squares = math.ldexp(self.squares, 2 * (self.exponent - exponent))
            self.exponent = exponent
        scaled = np.ldexp(values, -self.exponent)
        mean = float(scaled.mean())
        deviations = scaled - mean
        n = self.n + values.size
        gap = mean - self.mean
        self.squares += float(np.square(deviations).sum()) + gap * gap * self.n * values.size / n
        self.mean += gap * values.size / n
        self.n = n

    def scale(self) -> Scale | None:
        """Return what standardises the numbers; None if they are all equal."""
        if not self.low < self.high:
            return None
        std = math.sqrt(self.squares / self.n)
        return Scale(self.exponent, self.mean, std or math.ldexp(self.high - self.low, -self.exponent))


@dataclass
class NumberProfile:
    """What a column is if it is read as numbers.

    ``invalid`` counts cells that are neither missing nor finite numbers, ``infinite`` those of them that are
    infinite; ``example`` is the first that is no number.
    """

    rows: int = 0
    missing: int = 0
    invalid: int = 0
    infinite: int = 0
    example: str | None = None
    spread: Spread = field(default_factory=Spread)
    is_whole: bool = True
    is_rising: bool = True
    is_falling: bool = True
    samples: list[NDArray[np.float64]] = field(default_factory=list)
    _last: float | None = None

    def add(self, column: pa.Array, decimal: str, sampled: NDArray[np.int64]) -> None:
        """Take in a batch; ``sampled`` are the positions in it whose cells are kept."""
        cells = numbers(column, decimal)
        finite = cells.values[np.isfinite(cells.values)]
        self.rows += len(column)
        if finite.size < len(column):
            self._add_gaps(column, cells)
        self.spread.add(finite)
        self.is_whole = self.is_whole and bool((finite == np.floor(finite)).all())
        if self.is_whole and (self.is_rising or self.is_falling) and finite.size:
            run = finite if self._last is None else np.concatenate([[self._last], finite])
            self.is_rising = self.is_rising and bool((run[1:] > run[:-1]).all())
            self.is_falling = self.is_falling and bool((run[1:] < run[:-1]).all())
            self._last = float(finite[-1])
        self.samples.append(cells.values[sampled])

    def _add_gaps(self, column: pa.Array, cells: Cells) -> None:
        is_text = cells.invalid & np.isnan(cells.values)
        self.missing += int(cells.missing.sum())
        self.invalid += int(cells.invalid.sum())
        self.infinite += int(np.isinf(cells.values).sum())
        if self.example is None and is_text.any():
            self.example = str(column[int(np.argmax(is_text))])

    @property
    def number_share(self) -> float:
        """Share of numbers (finite or not) among what is not missing; 1 if all is missing."""
        present = self.rows - self.missing
        return (self.spread.n + self.infinite) / present if present else 1.0

    @property
    def is_hopeless(self) -> bool:
        """Whether it is clear already that these are no numbers."""
        return self.rows - self.missing >= _ENOUGH_TO_JUDGE and self.number_share < 0.5

    def sample(self) -> NDArray[np.float64]:
        """Return the finite numbers in the sampled rows, sorted."""
        return _sorted_finite(self.samples)


def _sorted_finite(samples: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    values = np.concatenate(samples) if samples else np.empty(0)
    return np.sort(values[np.isfinite(values)])


@dataclass
class MomentProfile:
    """What a column is if it is read as moments of one format."""

    spread: Spread = field(default_factory=Spread)
    in_day: Spread = field(default_factory=Spread)
    days: Spread = field(default_factory=Spread)
    samples: list[NDArray[np.float64]] = field(default_factory=list)

    def sample(self) -> NDArray[np.float64]:
        """Return the seconds in the sampled rows, sorted."""
        return _sorted_finite(self.samples)

    def add(self, cells: Cells, sampled: NDArray[np.int64]) -> None:
        seconds = cells.values[np.isfinite(cells.values)]
        self.spread.add(seconds)
        self.in_day.add(seconds % _DAY)
        self.days.add(np.floor(seconds / _DAY) % 7)
        self.samples.append(cells.values[sampled])


def most_left_out(counts: NDArray[np.int64], most: int) -> int:
    """Return the least count beyond which at most ``most`` of them lie; 0 if they are no more than that."""
    return int(np.partition(counts, -most - 1)[-most - 1]) if len(counts) > most else 0


@dataclass
class ValueCounts:
    """How many rows have each text of a column, whatever their order.

    Texts are told apart by their digests: 16 bytes for each that is different, however long, and some 70
    while they are merged. The beginnings of frequent ones are kept as well, by the algorithm of Misra and
    Gries: all that more than 1 row in ``_MOST_TEXTS`` has are among them, and all texts if there are no more
    than that.
    """

    _digests: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, dtype=np.uint64))
    _counts: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    _fresh: list[tuple[NDArray[np.uint64], NDArray[np.int64]]] = field(default_factory=list)
    _n_fresh: int = 0
    _frequent: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, dtype=np.uint64))
    _weights: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    _texts: pa.Array = field(default_factory=lambda: pa.array([], pa.string()))

    def add(self, text: pa.Array) -> None:
        """Take in some texts, none of which is null."""
        tally = pc.value_counts(text)
        marks, counts = digests(tally.field("values")), np.asarray(tally.field("counts"))
        self._fresh.append((marks, counts))
        self._n_fresh += len(marks)
        if self._n_fresh > max(_FEWEST_MERGED, len(self._digests)):  # seldom: every merge sorts them all
            self.totals()
        heads = pc.utf8_slice_codeunits(tally.field("values"), 0, _LONGEST_TEXT)
        self._keep_frequent(marks, counts, heads)

    def _keep_frequent(self, marks: NDArray[np.uint64], counts: NDArray[np.int64], heads: pa.Array) -> None:
        merged, first, weights = _summed([self._frequent, marks], [self._weights, counts])
        weights -= most_left_out(weights, _MOST_TEXTS)
        stays = weights > 0
        self._frequent, self._weights = merged[stays], weights[stays]
        self._texts = pa.concat_arrays([self._texts, heads]).take(pa.array(first[stays]))

    def totals(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Return the digests of all texts, ascending, and how many rows have each."""
        if self._fresh:
            marks, counts = zip((self._digests, self._counts), *self._fresh, strict=True)
            self._digests, _, self._counts = _summed(marks, counts)
            self._fresh, self._n_fresh = [], 0
        return self._digests, self._counts

    def frequent(self) -> list[tuple[str, int, int]]:
        """Return the texts that are kept, with how many rows have them and their places in `totals`."""
        marks, counts = self.totals()
        places = np.searchsorted(marks, self._frequent)
        return list(zip(self._texts.to_pylist(), counts[places].tolist(), places.tolist(), strict=True))


def _summed(
    marks: Sequence[NDArray[np.uint64]], counts: Sequence[NDArray[np.int64]]
) -> tuple[NDArray[np.uint64], NDArray[np.intp], NDArray[np.int64]]:
    """Return the different marks, ascending, where each is first, and the sums of their counts."""
    joined = np.concatenate(marks)
    order = np.argsort(joined, kind="stable")
    joined = joined[order]
    starts = np.flatnonzero(np.diff(joined, prepend=~joined[:1]))  # what differs from the one before
    return joined[starts], order[starts], np.add.reduceat(np.concatenate(counts)[order], starts)


@dataclass
class ValueProfile:
    """What a column is that is not numbers: its values, or its moments.

    ``moments`` has the date formats that fit so far.
    """

    rows: int = 0
    missing: int = 0
    values: ValueCounts = field(default_factory=ValueCounts)
    moments: dict[str, MomentProfile] = field(
        default_factory=lambda: {f: MomentProfile() for f in DATE_FORMATS}
    )
    documents: list[str] = field(default_factory=list)

    def add(self, column: pa.Array, sampled: NDArray[np.int64]) -> None:
        """Take in a batch; ``sampled`` are the positions in it that are kept."""
        self.rows += len(column)
        if is_moment_type(column.type):
            self.missing += column.null_count
            self.moments = {"%Y-%m-%d": self.moments["%Y-%m-%d"]}  # the type says it all
            self.moments["%Y-%m-%d"].add(moments(column), sampled)
            return
        text = strings(column)
        self.missing += text.null_count
        self._add_moments(text, sampled)
        kept = pc.utf8_slice_codeunits(text.take(pa.array(sampled)).drop_null(), 0, _LONGEST_TEXT)
        self.documents += kept.to_pylist()
        self.values.add(text.drop_null())

    def _add_moments(self, text: pa.Array, sampled: NDArray[np.int64]) -> None:
        n_present = len(text) - text.null_count
        if self.moments and n_present:  # one look for all formats: most texts are no dates
            n_dates = pc.sum(pc.match_substring_regex(text, ANY_DATE)).as_py()
            if n_dates < 0.5 * n_present:
                self.moments = {}
        for date_format, found in list(self.moments.items()):
            found.add(moments(text, date_format), sampled)
            if found.spread.n < 0.5 * self.present:
                del self.moments[date_format]

    @property
    def present(self) -> int:
        """Number of cells that are not missing."""
        return self.rows - self.missing
