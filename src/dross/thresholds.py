"""Share of anomalies and threshold, estimated from the training scores alone.

Nothing is known but one number per row: no labels, no clean data. `estimate_share` looks for a *gap*: a
stretch of scores above the bulk, far emptier than the tail of normal rows can explain, with rows beyond it.

1. *Scale.* Detectors score on any scale (distances, squares, logarithms), so the distinct scores are
   unfolded: linear up to the lower quartile, above it a power of the excess over it, in units of the lower
   quarter's spread. The power is the largest of 1, 3/4, 1/2, 1/4 and 0 (0 = logarithm) with which the upper
   half falls faster than exponentially. On the logarithm even a Pareto tail falls exponentially, so a heavy
   tail alone shows no gap.
2. *Gap.* In a tail of one piece, the share of the rows that reach a score and end there (the hazard) does not
   fall as the score grows. Every window above the median is compared with the rows just before it, by the
   log-likelihood ratio of two Poisson rates. This sees one far row as well as a valley with stragglers.
3. *Valley.* The threshold goes to the emptiest place of the window with the most evidence.
4. *Again* with the rows below, until there is no further gap.
5. *Interval.* The rows in the thin part of the valley may belong to either side, and as many again may hide
   on either side of it; to that comes the sampling error of a share. Where there is no gap, where most rows
   share their score, or where the scores below the gap run out in a long tail, scores alone cannot exclude
   further anomalies, and the interval goes up to one half.

It stands and falls with the detector: anomalies that score like normal rows cannot be counted. See
docs/contamination.md for what was measured.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta

from dross.errors import ParameterError

__all__ = ["ShareEstimate", "estimate_share", "threshold_for_share"]

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

# Chosen on development draws, see docs/contamination.md.
_MAX_SHARE = 0.5  # anomalies are the minority: without this nothing tells them from normal rows
_BASELINE = 32  # distinct scores just before a window that say how fast normal rows end there, at least
_BASELINE_SHARE = 0.25  # ... and at least this many per row beyond the window's start
_POWERS = (1.0, 0.75, 0.5, 0.25, 0.0)
_LIGHT = 0.9  # a tail is light if it advances at most by this multiple of what an exponential tail would
_RATE_RATIO = 0.25  # a gap ends rows at most at this multiple of the rate before it
_EVIDENCE = 7.0  # log-likelihood ratio that makes a gap, with one row beyond it ...
_EVIDENCE_MORE = 1.2  # ... and so much more for every unit of log(rows beyond), as more windows are tried
_DISTINCT = 0.5  # distinct scores per row below the gap, at least; with fewer, gaps come from duplicate rows
_SHARP = 1.6  # normal rows end in a sharp edge if the rate at 90-97 % is this multiple of that at 50-75 %
_UNSURE = "the share of anomalies is uncertain."


@dataclass(frozen=True)
class ShareEstimate:
    """The estimated share of anomalies, how sure it is, and the threshold that goes with it.

    Attributes
    ----------
    share
        Share of anomalies of all rows, 0 to 0.5: exactly the share of rows above `threshold`.
    interval
        Lower and upper end; contains `share`.
    threshold
        Rows with a score above it are anomalies.
    separated
        Whether the scores show a gap between normal rows and anomalies, with nothing below it that would
        make the share uncertain. If not, the interval goes up to 0.5.
    message
        One sentence for the user.
    """

    share: float
    interval: tuple[float, float]
    threshold: float
    separated: bool
    message: str


@dataclass(frozen=True)
class _Gap:
    """A gap in sorted distinct scores; positions count from 0."""

    last: int  # the last score below the threshold
    low: int  # last score before the thin part of the valley
    high: int  # last score of the thin part: what follows is beyond doubt


def estimate_share(scores: ArrayLike, *, level: float = 0.9) -> ShareEstimate:
    """Estimate from the scores alone which share of the rows are anomalies.

    Deterministic, O(n log n). The answer does not change when the scores are shifted, or multiplied by a
    positive number, and little under other rising transforms.

    Parameters
    ----------
    scores
        ``(n,)`` finite anomaly scores of the rows the detector was fitted on, n at least 1; higher is more
        anomalous.
    level
        Coverage the interval aims at where the scores show a gap, between 0 and 1.

    Raises
    ------
    ParameterError
        If there is no score, one is not finite, or `level` is not between 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> found = estimate_share(np.concatenate([rng.normal(size=900), rng.normal(20, 1, size=100)]))
    >>> found.share, found.separated
    (0.1, True)
    >>> estimate_share(rng.normal(size=1000)).share
    0.0
    """
    values = _checked(scores)
    if not 0 < level < 1:
        raise ParameterError(f"level must lie between 0 and 1, got {level}")
    n = len(values)
    # Dividing first keeps differences of huge scores finite.
    distinct, counts = np.unique(values / max(float(np.abs(values).max()), 1e-300), return_counts=True)
    beyond = n - np.cumsum(counts)  # rows above each distinct score
    gap = _lowest_gap(distinct, beyond, n)
    if gap is None:
        return ShareEstimate(0.0, (0.0, _MAX_SHARE), float(values.max()), False, _no_gap(len(distinct)))
    return _judged(gap, values, distinct, beyond, level)


def threshold_for_share(scores: ArrayLike, share: float) -> float:
    """Return the threshold above which that share of the scores lies.

    ``round(share * n)`` rows lie above it; fewer where equal scores straddle the border, never more. It lies
    midway between the two neighbouring scores. A share of 0 gives the largest score.

    Parameters
    ----------
    scores
        ``(n,)`` finite scores, n at least 1.
    share
        Between 0 and 1.

    Raises
    ------
    ParameterError
        If there is no score, one is not finite, or `share` is out of range.

    Examples
    --------
    >>> threshold_for_share([1.0, 2.0, 3.0, 10.0], 0.25)
    6.5
    """
    values = _checked(scores)
    if not 0 <= share <= 1:
        raise ParameterError(f"a share of anomalies lies between 0 and 1, got {share}")
    n = len(values)
    k = round(share * n)
    if k == 0:
        return float(values.max())
    if k == n:
        return float(np.nextafter(values.min(), -np.inf))
    parted = np.partition(values, (n - k - 1, n - k))
    below, above = float(parted[n - k - 1]), float(parted[n - k])
    middle = below / 2 + above / 2
    return middle if below <= middle < above else below


def _checked(scores: ArrayLike) -> Floats:
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or len(values) == 0:
        raise ParameterError(f"scores need one dimension and at least one row, got shape {values.shape}")
    if not np.isfinite(values).all():
        raise ParameterError(f"{np.sum(~np.isfinite(values))} of {len(values)} scores are NaN or infinite")
    return values


def _no_gap(n_distinct: int) -> str:
    if n_distinct < _BASELINE + 2:
        return f"{n_distinct} distinct scores are too few to estimate a share of anomalies; none is flagged."
    return (
        "The scores show no gap between normal rows and anomalies: nothing is flagged, "
        "and the share of anomalies cannot be told from the scores."
    )


def _judged(gap: _Gap, values: Floats, distinct: Floats, beyond: Counts, level: float) -> ShareEstimate:
    n, k = len(values), int(beyond[gap.last])
    share, threshold = k / n, threshold_for_share(values, k / n)
    # As many rows as lie in the valley may hide on either side of it.
    most, least = int(beyond[gap.low]), int(beyond[gap.high])
    lower = min(share, _share_bound(2 * least - most, n, (1 - level) / 2))
    upper = max(share, _share_bound(2 * most - least, n, (1 + level) / 2))
    body = distinct[: gap.last + 1]
    if len(body) < _DISTINCT * (n - k):
        message = f"{k} of {n} rows score apart, but most of the others share their score: {_UNSURE}"
        return ShareEstimate(share, (0.0, _MAX_SHARE), threshold, False, message)
    if not _sharp_edge(body):
        message = f"{k} of {n} rows score apart, but the others run out in a long tail: {_UNSURE}"
        return ShareEstimate(share, (lower, _MAX_SHARE), threshold, False, message)
    message = f"The scores show a gap: {k} of {n} rows lie beyond it."
    return ShareEstimate(share, (lower, min(upper, _MAX_SHARE)), threshold, True, message)


def _lowest_gap(distinct: Floats, beyond: Counts, n: int) -> _Gap | None:
    found = None
    stop = len(distinct)
    while (gap := _find_gap(distinct[:stop], beyond[:stop], n)) is not None:
        found, stop = gap, gap.last + 1
    return found


def _find_gap(distinct: Floats, beyond: Counts, n: int) -> _Gap | None:
    size = len(distinct)
    first = int(np.searchsorted(-beyond, -_MAX_SHARE * n))  # nothing below may be a threshold
    if size < _BASELINE + 2 or first >= size - 1:
        return None
    unfolded = _unfold(distinct)
    exposure = _exposure(unfolded)
    ends = size - 1 - _ranks(size - 1 - first)
    start, end = ends[:, None], ends[None, :]
    n_before = np.maximum(_BASELINE, (_BASELINE_SHARE * (size - 1 - start)).astype(np.int64))
    base = start - n_before
    possible = (end > start) & (base >= 0)
    before = exposure[start] - exposure[np.maximum(base, 0)]
    inside = exposure[end] - exposure[start]
    evidence = _evidence(n_before, before, end - start - 1, inside)
    evidence -= _EVIDENCE + _EVIDENCE_MORE * np.log(np.maximum(size - 1 - start, 1))
    evidence[~possible] = -np.inf
    i, j = np.unravel_index(int(np.argmax(evidence)), evidence.shape)
    if evidence[i, j] <= 0:
        return None
    return _valley(unfolded, int(ends[i]), int(ends[j]))


def _unfold(distinct: Floats) -> Floats:
    tails = np.array([1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 64])
    half, fourth, eighth, sixteenth, last = np.searchsorted(distinct, np.quantile(distinct, 1 - tails))
    for power in _POWERS:
        x = _bend(distinct, power)
        # An exponential tail takes equal steps from one halving to the next.
        inner = (x[sixteenth] - x[fourth]) / 2 <= _LIGHT * (x[fourth] - x[half])
        if inner and (x[last] - x[eighth]) / 3 <= _LIGHT * (x[eighth] - x[half]) / 2:
            break
    return x


def _bend(distinct: Floats, power: float) -> Floats:
    low, quarter = np.quantile(distinct, [0.05, 0.25])
    excess = np.clip((distinct - quarter) / max(quarter - low, 1e-300), -1e100, 1e100)
    above = np.maximum(excess, 0.0)
    bent = np.log1p(above) if power == 0 else ((1 + above) ** power - 1) / power
    unfolded: Floats = np.where(excess > 0, bent, excess)
    return unfolded


def _ranks(largest: int) -> Counts:
    """Return the ranks from the top at which windows may begin and end: all small ones, then 3 % apart."""
    ranks = np.arange(min(largest, 64) + 1)
    if largest > 64:
        steps = int(np.log(largest / 64) / np.log(1.03)) + 2
        ranks = np.union1d(ranks, np.geomspace(64, largest, steps).astype(np.int64))
    return ranks.astype(np.int64)[::-1]


def _exposure(x: Floats) -> Floats:
    """Return how much range all rows pass through on their way up to each value: the hazard's denominator."""
    return np.append(0.0, np.cumsum(np.diff(x) * np.arange(len(x) - 1, 0, -1)))


def _evidence(n_before: Counts, before: Floats, n_inside: Counts, inside: Floats) -> Floats:
    """Return the log-likelihood ratio of two rates against one; -inf where the second is not far smaller."""
    with np.errstate(divide="ignore", invalid="ignore"):
        pooled = (n_before + n_inside) / (before + inside)
        ratio = (n_inside / inside) / (n_before / before)
        gain = n_before * np.log(n_before / (before * pooled))
        gain += np.where(n_inside > 0, n_inside * np.log(n_inside / (inside * pooled)), 0.0)
    evidence: Floats = np.where((ratio < _RATE_RATIO) & (before > 0), gain, -np.inf)
    return evidence


def _valley(unfolded: Floats, start: int, end: int) -> _Gap:
    """Find the emptiest place between two positions, and how far the thin part around it reaches."""
    span = max(1, round(np.sqrt(end - start) / 2))
    width = unfolded[span:] - unfolded[:-span]
    within = width[start : end - span + 1]
    emptiest = start + int(np.argmax(within))
    thin = width[start:] >= width[emptiest] / 3
    full = np.flatnonzero(~thin) + start
    low = int(full[full < emptiest].max(initial=start - 1)) + 1
    after = full[full > emptiest]
    high = int(after.min()) - 1 if len(after) else len(unfolded) - 2
    last = emptiest + int(np.argmax(np.diff(unfolded[emptiest : emptiest + span + 1])))
    return _Gap(last, min(low, last), max(high, last))


def _sharp_edge(body: Floats) -> bool:
    """Tell whether normal rows end sharply on the logarithmic scale: then few anomalies hide among them."""
    exposure = _exposure(_bend(body, 0.0))
    a, b, c, d = (int(part * (len(body) - 1)) for part in (0.5, 0.75, 0.9, 0.97))
    return bool((d - c) * (exposure[b] - exposure[a]) >= _SHARP * (b - a) * (exposure[d] - exposure[c]))


def _share_bound(k: int, n: int, probability: float) -> float:
    """Return a quantile of the share, k of n rows seen (Jeffreys)."""
    return float(beta.ppf(probability, max(k, 0) + 0.5, max(n - k, 0) + 0.5))
