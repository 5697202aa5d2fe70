"""Isolation Forest (Liu, Ting and Zhou, 2008), computed by scikit-learn."""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest as _IsolationForest

from dross.parameters import check_number
from dross.rows import batches
from dross.shallow import ShallowDetector

__all__ = ["IsolationForest"]

_FEWEST_ROWS_A_THREAD = 1_000


@dataclass(kw_only=True, eq=False, repr=False)
class IsolationForest(ShallowDetector):
    """Random trees isolate anomalies in few splits.

    The score is ``2 ** (-mean depth / expected depth)``, in (0, 1]. It stands contamination well: each tree
    sees 256 rows, so that few anomalies mask each other.

    Parameters
    ----------
    n_estimators : int, default 100
        Number of trees (the paper's choice).
    max_samples, contamination, random_state
        See `ShallowDetector`; each tree draws its 256 rows (the paper's choice) from the rows kept.

    References
    ----------
    Liu, Ting, Zhou: Isolation Forest. ICDM 2008, doi:10.1109/ICDM.2008.17.

    Examples
    --------
    >>> X = np.vstack([np.random.default_rng(0).normal(size=(200, 2)), [[9.0, 9.0]]])
    >>> int(IsolationForest(random_state=0).fit(X).anomaly_scores_.argmax())
    200
    """

    _estimator_class = _IsolationForest

    n_estimators: int = 100

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number(self, "n_estimators", int, 1)

    def _fit_estimator(self, rows: NDArray[Any]) -> Any:
        return _IsolationForest(n_estimators=self.n_estimators, random_state=self.seed_).fit(rows)

    def _estimator_scores(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        # The trees let go of the interpreter's lock. Parts of the rows, not of the trees: no sum of depths
        # then depends on which thread comes first.
        size = max(_FEWEST_ROWS_A_THREAD, math.ceil(len(rows) / (os.cpu_count() or 1)))
        with ThreadPoolExecutor() as pool:
            parts = pool.map(self.estimator_.score_samples, (rows[part] for part in batches(len(rows), size)))
            return -np.concatenate(list(parts))
