"""Distance to the k-th nearest neighbour (Ramaswamy, Rastogi and Shim, 2000), computed by scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from dross.parameters import check_number
from dross.shallow import ShallowDetector

__all__ = ["KNN"]


@dataclass(kw_only=True, eq=False, repr=False)
class KNN(ShallowDetector):
    """Anomalies have no near neighbours.

    The score is the Euclidean distance to the k-th nearest of the rows kept. Training rows leave
    themselves out. It stands contamination as long as anomalies do not form groups of more than k.

    Parameters
    ----------
    n_neighbors : int, default 5
        The usual choice of this field; at most the rows kept less one are used.
    max_samples, contamination, random_state
        See `ShallowDetector`.

    References
    ----------
    Ramaswamy, Rastogi, Shim: Efficient algorithms for mining outliers from large data sets. SIGMOD 2000,
    doi:10.1145/342009.335437.

    Examples
    --------
    >>> X = np.array([[0.0], [1.0], [2.0], [10.0]])
    >>> KNN(n_neighbors=1).fit(X).anomaly_scores_.tolist()
    [1.0, 1.0, 1.0, 8.0]
    """

    _estimator_class = NearestNeighbors

    n_neighbors: int = 5

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number(self, "n_neighbors", int, 1)

    def _fit_estimator(self, rows: NDArray[Any]) -> Any:
        return NearestNeighbors(n_neighbors=min(self.n_neighbors, len(rows) - 1)).fit(rows)

    def _estimator_scores(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        distances, _ = self.estimator_.kneighbors(rows)
        return np.asarray(distances[:, -1], np.float64)

    def _left_out_scores(self) -> NDArray[np.float64]:
        distances, _ = self.estimator_.kneighbors()
        return np.asarray(distances[:, -1], np.float64)
