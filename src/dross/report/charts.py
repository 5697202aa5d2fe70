"""The geometry of the charts; the template draws it as SVG.

All positions are percentages of the plotting area, so that a chart fits any width while its labels keep
their size. No plotting library is needed, and colours come from the style sheet (light, dark, print).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dross.report.wording import count, number

__all__ = ["Axis", "Bar", "Curve", "Histogram", "Line", "Tick", "histogram", "training_curve"]

_MAX_BINS = 48
_MAX_LINES = 5
_MAX_POINTS = 300
# Below this part of the axis the bulk of the scores would stand in three or four bars.
_CROWDED = 1 / 12
# Counts or losses further apart than this are drawn on a logarithmic axis.
_WIDE_RATIO = 30.0
_DECADES = 9
# Room for a factor of 100 and a margin before the largest float64.
_LARGEST = 1e300
_MAX_MARKS = 9

_Mark = tuple[float, str, bool]
"""Value, label, and whether it goes where there is little room."""


@dataclass(frozen=True)
class Tick:
    """A mark on an axis at ``at`` per cent; ``secondary`` ones go when there is little room."""

    at: float
    label: str
    secondary: bool


@dataclass(frozen=True)
class Axis:
    """Values to positions: linear, or logarithmic beyond ``unit`` on either side of zero.

    ``low`` and ``high`` are the ends in transformed values. The inverse hyperbolic sine is linear near zero
    and logarithmic far from it, so that it also takes counts of zero and negative scores.

    >>> Axis(0.0, 10.0).position([0.0, 2.5]).tolist()
    [0.0, 25.0]
    >>> [tick.label for tick in Axis(0.0, 10.0).ticks()]
    ['0', '2', '4', '6', '8', '10']
    """

    low: float
    high: float
    unit: float | None = None

    def transform(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return values on the scale of ``low`` and ``high``."""
        array = np.asarray(values, dtype=np.float64)
        with np.errstate(over="ignore"):
            return array if self.unit is None else np.arcsinh(array / self.unit)

    def position(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return positions in per cent of the axis, three decimals; -100 and 200 for what lies far off it."""
        length = self.high - self.low
        near = np.clip(self.transform(values), self.low - length, self.high + length)
        return np.round(100.0 * (near - self.low) / length, 3)

    def value(self, position: float) -> float:
        """Return the value that stands at a position in per cent."""
        transformed = self.low + (self.high - self.low) * position / 100.0
        return transformed if self.unit is None else self.unit * math.sinh(transformed)

    def ticks(self) -> list[Tick]:
        """Return at most nine marks at round values within the axis."""
        marks = self._linear_marks() if self.unit is None else self._log_marks(self.unit)
        positions = self.position([value for value, _, _ in marks])
        return [
            Tick(float(at), label, secondary)
            for at, (_, label, secondary) in zip(positions, marks, strict=True)
        ]

    def _linear_marks(self) -> list[_Mark]:
        rough = (self.high - self.low) / 7
        decade = 10.0 ** math.floor(math.log10(rough))
        step = decade * next(factor for factor in (1, 2, 5, 10) if factor * decade >= rough * 0.999)
        multiples = range(math.ceil(self.low / step), math.floor(self.high / step) + 1)
        largest = max(abs(self.low), abs(self.high))
        if step >= 1e-4 and largest < 1e6:
            decimals = max(0, -math.floor(math.log10(step) + 1e-9))
            return [(m * step, f"{m * step:.{decimals}f}", m % 2 != 0) for m in multiples]
        digits = max(1, math.ceil(math.log10(largest / step)) + 1)
        return [(m * step, f"{m * step:.{digits}g}", m % 2 != 0) for m in multiples]

    def _log_marks(self, unit: float) -> list[_Mark]:
        top = unit * math.sinh(max(abs(self.low), abs(self.high)))
        powers = range(round(math.log10(unit)), math.floor(math.log10(max(top, unit))) + 1)
        decades = self._inside([10.0**power for power in powers])
        marks = self._inside([factor * 10.0**power for power in powers for factor in (1, 2, 5)])
        if len(marks) <= _MAX_MARKS:
            return [(mark, f"{mark:g}", mark not in decades) for mark in marks]
        # Counted from the largest, so that the end of the axis that holds the anomalies has a mark.
        marks = decades[:: -math.ceil(len(decades) / _MAX_MARKS)][::-1]
        return [(mark, f"{mark:g}", index % 2 != 0) for index, mark in enumerate(marks)]

    def _inside(self, sizes: Sequence[float]) -> list[float]:
        """Return zero and these sizes on both sides of it, as far as they lie on the axis."""
        marks = np.array(sorted({0.0, *sizes, *(-size for size in sizes)}))
        positions = self.position(marks)
        return [float(mark) for mark in marks[(positions >= 0.0) & (positions <= 100.0)]]


@dataclass(frozen=True)
class Bar:
    """One bar of the histogram, from the left, in per cent; ``label`` is shown when pointed at."""

    x: float
    width: float
    height: float
    flagged: bool
    label: str


@dataclass(frozen=True)
class Histogram:
    """How the scores are spread, and where the threshold lies (None: outside the axis)."""

    bars: list[Bar]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    threshold: float | None
    log_scores: bool
    log_counts: bool
    left_out: int


@dataclass(frozen=True)
class Line:
    """One loss over the epochs: ``points`` is an SVG point list in per cent."""

    name: str
    points: str
    first: str
    last: str


@dataclass(frozen=True)
class Curve:
    """The losses over the epochs."""

    lines: list[Line]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    epochs: int
    log_losses: bool


def _axis(values: NDArray[np.float64], unit: float | None = None, padding: float = 0.0) -> Axis:
    """Return an axis over finite ``values``, widened by a part of it, or where they are all the same."""
    low, high = (float(end) for end in Axis(0.0, 1.0, unit).transform([values.min(), values.max()]))
    largest = max(abs(low), abs(high))
    if high - low <= max(1e-9 * largest, 1e-290):
        padding, low, high = 0.0, low - (0.05 * largest or 0.5), high + (0.05 * largest or 0.5)
    margin = padding * (high - low)
    return Axis(low - margin, high + margin, unit)


def _log_unit(values: NDArray[np.float64]) -> float:
    """Return the power of ten beyond which an axis over ``values`` is logarithmic.

    Values of both signs have their bulk around zero; it stays linear, or it would look like two.
    """
    sizes = np.abs(values[values != 0.0])
    share = 0.75 if values.min() < 0.0 < values.max() else 0.05
    smallest = max(float(np.quantile(sizes, share)), float(sizes.max()) * 10.0**-_DECADES)
    return 10.0 ** math.floor(math.log10(max(smallest, 1e-300)))


def _score_axis(scores: NDArray[np.float64], flagged: NDArray[np.bool_], threshold: float) -> Axis:
    """Return the axis of the scores: logarithmic where the rest would stand in a few bars."""
    rest = scores if flagged.all() else scores[~flagged]
    low, high = (float(q) for q in np.quantile(rest, [0.05, 0.95]))
    least, most = float(scores.min()), float(scores.max())
    spread = most - least
    crowded = high - low < _CROWDED * spread
    shown = np.array([least, most, threshold if abs(threshold - most) <= spread else most])
    return _axis(shown, _log_unit(scores) if crowded and scores.any() else None, padding=1 / _MAX_BINS)


def histogram(scores: NDArray[np.float64], flagged: NDArray[np.bool_], threshold: float) -> Histogram | None:
    """Return the histogram of ``scores`` with a bar's edge at the threshold.

    Parameters
    ----------
    scores : ndarray of shape (n,)
        Anomaly scores; those that are not finite are counted as left out.
    flagged : ndarray of shape (n,)
        Which rows are flagged; they are counted in bars of their own, right of the threshold.
    threshold : float
        In the unit of the scores.

    Returns
    -------
    Histogram or None
        None where no score is finite.
    """
    finite = np.isfinite(scores)
    left_out = int((~finite).sum())
    scores, flagged = np.clip(scores[finite], -_LARGEST, _LARGEST), flagged[finite]
    if not len(scores):
        return None
    threshold = min(max(threshold, -_LARGEST), _LARGEST)
    axis = _score_axis(scores, flagged, threshold)
    line = float(axis.position(threshold))
    drawn = 0.0 <= line <= 100.0
    origin = line if drawn else (0.0 if flagged.any() else 100.0)
    width = 100.0 / min(_MAX_BINS, max(8, math.isqrt(4 * len(scores))))
    bins, counts = _bins((axis.position(scores) - origin) / width, flagged)
    log_counts = bool(counts.max() >= _WIDE_RATIO * counts.min())
    y_axis = _count_axis(int(counts.max()), log_counts)
    return Histogram(
        bars=[
            _bar(origin + width * b, width, n, axis, y_axis, flagged=b >= 0)
            for b, n in zip(bins.tolist(), counts.tolist(), strict=True)
        ],
        x_ticks=axis.ticks(),
        y_ticks=y_axis.ticks(),
        threshold=line if drawn else None,
        log_scores=axis.unit is not None,
        log_counts=log_counts,
        left_out=left_out,
    )


def _bins(places: NDArray[np.float64], flagged: NDArray[np.bool_]) -> tuple[NDArray[np.int64], ...]:
    """Return numbers of bins, counted from the threshold to both sides, and how many rows each holds.

    No bin holds flagged and other rows, even where rounding puts a score on the threshold's other side.
    """
    index = np.floor(places).astype(np.int64)
    index = np.where(flagged, np.maximum(index, 0), np.minimum(index, -1))
    bins, counts = np.unique(index, return_counts=True)
    return bins, counts


def _count_axis(largest: int, log: bool) -> Axis:
    """Return an axis from zero rows; never so short that a mark would stand at half a row."""
    return Axis(0.0, math.asinh(largest) * 1.03, 1.0) if log else Axis(0.0, max(5.0, largest * 1.03))


def _bar(left: float, width: float, n: int, axis: Axis, y_axis: Axis, flagged: bool) -> Bar:
    right = min(left + width, 100.0)
    left = max(left, 0.0)
    rows = f"{count(n)} {'row' if n == 1 else 'rows'}{' flagged' if flagged else ''}"
    return Bar(
        x=round(left, 3),
        width=round(right - left, 3),
        height=float(y_axis.position(n)),
        flagged=flagged,
        label=f"{rows}, score {number(axis.value(left))} to {number(axis.value(right))}",
    )


def training_curve(history: Sequence[dict[str, float]], names: Sequence[str] = ()) -> Curve | None:
    """Return the losses over the epochs, or what else is asked for.

    Parameters
    ----------
    history : sequence of dict
        One per epoch: ``"epoch"`` and one or more losses. Where any name holds "loss", only those are drawn.
    names : sequence of str
        What to draw instead, as far as it is there.

    Returns
    -------
    Curve or None
        None for fewer than two epochs or no finite value.
    """
    told = list(dict.fromkeys(name for entry in history for name in entry if name != "epoch"))
    names = [name for name in told if name in names] if names else _of_losses(told)
    losses = {name: np.array([entry.get(name, math.nan) for entry in history], float) for name in names}
    losses = {name: loss for name, loss in losses.items() if np.isfinite(loss).any()}
    losses = dict(list(losses.items())[:_MAX_LINES])
    if len(history) < 2 or not losses:
        return None
    epochs = np.array([entry.get("epoch", index + 1) for index, entry in enumerate(history)], float)
    values = np.concatenate(list(losses.values()))
    values = values[np.isfinite(values)]
    log = bool(values.min() > 0.0 and values.max() > _WIDE_RATIO * values.min())
    x_axis, y_axis = _axis(epochs), _axis(values, _log_unit(values) if log else None, padding=0.04)
    return Curve(
        lines=[_line(name, epochs, loss, x_axis, y_axis) for name, loss in losses.items()],
        x_ticks=[tick for tick in x_axis.ticks() if "." not in tick.label],
        y_ticks=y_axis.ticks(),
        epochs=len(history),
        log_losses=log,
    )


def _of_losses(names: list[str]) -> list[str]:
    return [name for name in names if "loss" in name] or names


def _line(name: str, epochs: NDArray[np.float64], loss: NDArray[np.float64], x: Axis, y: Axis) -> Line:
    known = np.flatnonzero(np.isfinite(loss))
    drawn = known[np.unique(np.linspace(0, len(known) - 1, _MAX_POINTS).round().astype(int))]
    points = zip(x.position(epochs[drawn]), 100.0 - y.position(loss[drawn]), strict=True)
    return Line(
        name=name,
        points=" ".join(f"{at:.5g},{height:.5g}" for at, height in points),
        first=number(float(loss[known[0]])),
        last=number(float(loss[known[-1]])),
    )
