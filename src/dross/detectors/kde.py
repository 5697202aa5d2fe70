"""Kernel density estimate (Parzen, 1962)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from sklearn.metrics.pairwise import euclidean_distances

from dross.features.base import State
from dross.parameters import check_number
from dross.rows import batches
from dross.shallow import ShallowDetector

__all__ = ["KDE"]

_CHUNK_VALUES = 8_000_000


@dataclass(kw_only=True, eq=False, repr=False)
class KDE(ShallowDetector):
    """Anomalies lie where few rows are.

    The score is the negative logarithm of a Gaussian kernel density, up to a constant. Training rows leave
    themselves out. It stands contamination as long as anomalies are thinner on the ground than normal rows.

    Deviations: scikit-learn's KernelDensity walks a tree, which at 30 columns costs minutes for what one
    matrix product gives in seconds, and cannot leave a row out; so the sum over kernels is written here.

    Parameters
    ----------
    bandwidth : float or None, default None
        Standard deviation of the kernel in the unit of the columns; None takes Scott's factor
        ``n ** (-1 / (d + 4))`` times the columns' root mean square deviation.
    max_samples : int, default 5 000
        Rows kept; each scored row is compared with all of them.
    contamination, random_state
        See `BaseDetector`.

    References
    ----------
    Parzen: On estimation of a probability density function and mode. Annals of Mathematical Statistics
    33(3), 1962, doi:10.1214/aoms/1177704472.

    Examples
    --------
    >>> X = np.vstack([np.random.default_rng(0).normal(size=(100, 2)), [[9.0, 9.0]]])
    >>> int(KDE().fit(X).anomaly_scores_.argmax())
    100
    """

    max_samples: int = 5_000
    bandwidth: float | None = None

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number(self, "bandwidth", float, 0, excluding=(0,), optional=True)

    def _fit_estimator(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        n, d = rows.shape
        kept = rows.astype(np.float64)
        spread = float(np.sqrt(kept.var(axis=0).mean()))
        scott = n ** (-1 / (d + 4)) * spread
        self.bandwidth_ = float(self.bandwidth) if self.bandwidth is not None else scott or 1.0
        return kept

    def _estimator_scores(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        scores = np.empty(len(rows))
        for part in batches(len(rows), max(1, _CHUNK_VALUES // len(self.estimator_))):
            scores[part] = self._negative_log_density(rows[part])
        return scores

    def _left_out_scores(self) -> NDArray[np.float64]:
        kept = self.estimator_
        scores = np.empty(len(kept))
        for part in batches(len(kept), max(1, _CHUNK_VALUES // len(kept))):
            scores[part] = self._negative_log_density(kept[part], np.arange(len(kept))[part])
        return scores

    def _negative_log_density(
        self, rows: NDArray[Any], own: NDArray[np.int64] | None = None
    ) -> NDArray[np.float64]:
        kept = self.estimator_
        exponents = euclidean_distances(rows, kept, squared=True)
        exponents *= -0.5 / self.bandwidth_**2
        n_kernels = len(kept)
        if own is not None:
            exponents[np.arange(len(own)), own] = -np.inf
            n_kernels -= 1
        return np.asarray(np.log(n_kernels) - logsumexp(exponents, axis=1))

    def _learned_state(self) -> State:
        return {"bandwidth": self.bandwidth_}, {"kept": self.estimator_, "kept_rows": self.kept_rows_}

    def _restore(self, values: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        self.bandwidth_ = values["bandwidth"]
        self.estimator_, self.kept_rows_ = arrays["kept"], arrays["kept_rows"]
