"""The geometry of scores over the time of a video; the template draws it as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dross.report.charts import Axis, Tick
from dross.report.wording import number

__all__ = ["Span", "Timeline", "timelines"]

_MOST_VIDEOS = 12
_MOST_POINTS = 600


@dataclass(frozen=True)
class Span:
    """Flagged clips that follow each other: position and width in per cent, and the time in words."""

    x: float
    width: float
    label: str


@dataclass(frozen=True)
class Timeline:
    """One video: a line of scores, the flagged spans, and the threshold where it lies within the axis."""

    name: str
    points: str
    spans: list[Span]
    threshold: float | None
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    highest: str


def timelines(
    videos: Sequence[str],
    spans: NDArray[np.float64],
    scores: NDArray[np.float64],
    flagged: NDArray[np.bool_],
    threshold: float,
) -> tuple[list[Timeline], int]:
    """Return the videos with the highest scores as curves on one scale, and how many others there are.

    Parameters
    ----------
    videos : sequence of str
        The video of each clip.
    spans : (n, 2)
        Seconds at which each clip begins and ends.
    scores, flagged : (n,)
    threshold : float

    Examples
    --------
    >>> spans = np.array([[0.0, 1.0], [1.0, 2.0], [2.0, 3.0], [3.0, 4.0]])
    >>> scores = np.array([0.0, 4.0, 4.0, 1.0])
    >>> drawn, others = timelines(["a"] * 4, spans, scores, scores > 2, 2.0)
    >>> drawn[0].spans, others
    ([Span(x=25.0, width=50.0, label='1 to 3')], 0)
    """
    names = np.array(videos, dtype=object)
    order = list(dict.fromkeys(names[np.argsort(-scores, kind="stable")].tolist()))
    low, high = float(min(scores.min(), threshold)), float(max(scores.max(), threshold))
    margin = 0.05 * (high - low) or 1.0
    axis = Axis(low - margin, high + margin)
    drawn = []
    for name in order[:_MOST_VIDEOS]:
        rows = np.flatnonzero(names == name)
        rows = rows[np.argsort(spans[rows, 0], kind="stable")]
        drawn.append(_timeline(name, spans[rows], scores[rows], flagged[rows], threshold, axis))
    return drawn, max(0, len(order) - _MOST_VIDEOS)


def _timeline(
    name: str,
    spans: NDArray[np.float64],
    scores: NDArray[np.float64],
    flagged: NDArray[np.bool_],
    threshold: float,
    y: Axis,
) -> Timeline:
    x = Axis(float(spans[0, 0]), max(float(spans[-1, 1]), float(spans[0, 0]) + 1e-3))
    kept = _highest_of_each(scores)
    points = zip(x.position(spans[kept].mean(axis=1)), 100 - y.position(scores[kept]), strict=True)
    at = float(y.position(threshold))
    return Timeline(
        name=name,
        points=" ".join(f"{across:.5g},{down:.5g}" for across, down in points),
        spans=[_span(x, float(spans[a, 0]), float(spans[b, 1])) for a, b in _runs(flagged)],
        threshold=at if 0 <= at <= 100 else None,
        x_ticks=x.ticks(),
        y_ticks=y.ticks(),
        highest=number(float(scores.max())),
    )


def _span(x: Axis, start: float, end: float) -> Span:
    left, right = x.position([start, end]).tolist()
    return Span(left, round(right - left, 3), f"{number(start)} to {number(end)}")


def _runs(flagged: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the first and last row of each run of flagged ones."""
    edges = np.diff(np.concatenate([[0], flagged.astype(np.int8), [0]]))
    return list(
        zip(np.flatnonzero(edges == 1).tolist(), (np.flatnonzero(edges == -1) - 1).tolist(), strict=True)
    )


def _highest_of_each(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return at most 600 rows, of neighbouring ones that with the highest score, so that no peak is lost."""
    if len(scores) <= _MOST_POINTS:
        return np.arange(len(scores))
    edges = np.linspace(0, len(scores), _MOST_POINTS + 1).astype(int)
    return np.array([a + int(scores[a:b].argmax()) for a, b in pairwise(edges)])
