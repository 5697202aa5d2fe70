"""Isolation Forest with a guard for single wild cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dross.detectors.isolation_forest import IsolationForest
from dross.features.base import State

__all__ = ["GuardedForest"]

_ALLOWED = 2.0
"""Excess of the furthest column that adds nothing: twice what one row in twenty has. Chosen on development
draws, see docs/choices.md."""

_QUARTILES_APART = 1.349
"""Distance of a Gaussian's quartiles, in its standard deviations."""


@dataclass(kw_only=True, eq=False, repr=False)
class GuardedForest(IsolationForest):
    """An Isolation Forest that also sees a single wild cell among many columns.

    A tree of the forest looks at a few columns only, so that one slipped decimal point among fifty columns
    hardly moves its score. Here each row also has a furthest column, ``m = max |x - median| / deviation``,
    where the quartiles give the deviation unless they coincide: wild cells cannot hide behind it. The
    forest's score and ``m`` are put on one scale by their excess over the median, in units of the distance
    from there to the 95 % point of the training rows. The score is the forest's excess, plus what the excess
    of ``m`` has above 2. It stands contamination as the forest does; the guard only ever raises rows that
    lie far outside a column's usual range.

    For tables; on images a single wild pixel is noise.

    Parameters
    ----------
    n_estimators, max_samples, contamination, random_state
        See `IsolationForest`.

    Attributes
    ----------
    center_, scale_ : ndarray of shape (d,)
        Median and deviation of each column.
    usual_ : ndarray of shape (2, 2)
        Median and distance to the 95 % point; first of the forest's score, then of ``m``.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(300, 50))
    >>> X[7, 3] *= 100
    >>> int(GuardedForest(random_state=0).fit(X).anomaly_scores_.argmax())
    7
    """

    input_kinds = frozenset({"table"})

    def _fit_estimator(self, rows: NDArray[Any]) -> Any:
        rows = rows.astype(np.float64)
        low, self.center_, high = np.quantile(rows, (0.25, 0.5, 0.75), axis=0)
        with np.errstate(over="ignore"):
            deviation = np.where(high > low, (high - low) / _QUARTILES_APART, rows.std(axis=0))
        self.scale_ = np.where((deviation > 0) & np.isfinite(deviation), deviation, 1.0)
        estimator = super()._fit_estimator(rows)
        parts = (-estimator.score_samples(rows), self._furthest(rows))
        middles = [float(np.median(part)) for part in parts]
        widths = [
            float(np.quantile(part, 0.95)) - middle for part, middle in zip(parts, middles, strict=True)
        ]
        self.usual_ = np.array([middles, [width or 1.0 for width in widths]])
        return estimator

    def _furthest(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(np.abs((rows - self.center_) / self.scale_).max(axis=1))

    def _estimator_scores(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        parts = np.stack([super()._estimator_scores(rows), self._furthest(rows)])
        forest, furthest = (parts - self.usual_[0][:, None]) / self.usual_[1][:, None]
        return np.asarray(forest + np.maximum(furthest - _ALLOWED, 0))

    def _learned_state(self) -> State:
        values, arrays = super()._learned_state()
        return values, arrays | {"center": self.center_, "scale": self.scale_, "usual": self.usual_}

    def _restore(self, values: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        super()._restore(values, arrays)
        self.center_, self.scale_, self.usual_ = arrays["center"], arrays["scale"], arrays["usual"]
