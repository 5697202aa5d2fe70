"""Local outlier factor (Breunig, Kriegel, Ng and Sander, 2000), computed by scikit-learn."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import LocalOutlierFactor

from dross.parameters import check_number
from dross.shallow import ShallowDetector

__all__ = ["LOF"]


@dataclass(kw_only=True, eq=False, repr=False)
class LOF(ShallowDetector):
    """Anomalies are less dense than their neighbours.

    The score is the local outlier factor, about 1 for normal rows. Training rows leave themselves out. It
    stands contamination as long as anomalies do not form groups of more than k; many exact duplicates make
    densities infinite, so that other rows near them get very high factors.

    Parameters
    ----------
    n_neighbors : int, default 20
        The paper's lower bound for k and scikit-learn's default; at most the rows kept less one are used.
    max_samples, contamination, random_state
        See `ShallowDetector`.

    References
    ----------
    Breunig, Kriegel, Ng, Sander: LOF: identifying density-based local outliers. SIGMOD 2000,
    doi:10.1145/342009.335388.

    Examples
    --------
    >>> X = np.vstack([np.random.default_rng(0).normal(size=(100, 2)), [[9.0, 9.0]]])
    >>> int(LOF().fit(X).anomaly_scores_.argmax())
    100
    """

    _estimator_class = LocalOutlierFactor

    n_neighbors: int = 20

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number(self, "n_neighbors", int, 1)

    def _fit_estimator(self, rows: NDArray[Any]) -> Any:
        with warnings.catch_warnings():
            # The class tells what duplicates do; a warning would reach users who cannot act.
            warnings.filterwarnings("ignore", message="Duplicate values", category=UserWarning)
            return LocalOutlierFactor(n_neighbors=min(self.n_neighbors, len(rows) - 1), novelty=True).fit(
                rows
            )

    def _estimator_scores(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(-self.estimator_.score_samples(rows), np.float64)

    def _left_out_scores(self) -> NDArray[np.float64]:
        return np.asarray(-self.estimator_.negative_outlier_factor_, np.float64)
