"""Reconstruction error of principal components (Shyu et al., 2003), computed by scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA as _PCA

from dross.parameters import check_number
from dross.shallow import ShallowDetector

__all__ = ["PCA"]


@dataclass(kw_only=True, eq=False, repr=False)
class PCA(ShallowDetector):
    """Anomalies lie off the plane of the strongest directions.

    The score is the squared error of the row's reconstruction from its leading components. It stands
    contamination badly: anomalies that are alike, or a single row far enough out, take a component for
    themselves and are then reproduced without error.

    Parameters
    ----------
    n_components : int or None, default None
        None takes 10, and at most half of the features: with all components there is no error left.
    max_samples, contamination, random_state
        See `ShallowDetector`.

    References
    ----------
    Shyu, Chen, Sarinnapakorn, Chang: A novel anomaly detection scheme based on principal component
    classifier. ICDM Foundations and New Directions of Data Mining Workshop 2003.

    Examples
    --------
    >>> t = np.linspace(-1, 1, 50)
    >>> X = np.vstack([np.column_stack([t, 2 * t]), [[1.0, -2.0]]])
    >>> int(PCA(n_components=1).fit(X).anomaly_scores_.argmax())
    50
    """

    _estimator_class = _PCA

    n_components: int | None = None

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number(self, "n_components", int, 1, optional=True)

    def _fit_estimator(self, rows: NDArray[Any]) -> Any:
        n, d = rows.shape
        wanted = self.n_components if self.n_components is not None else max(1, min(10, d // 2))
        with np.errstate(invalid="ignore", divide="ignore"):  # rows all alike have no variance to divide by
            estimator = _PCA(min(wanted, n, d), random_state=self.seed_).fit(rows)
        # A view is multiplied in another order than the copy that a model file gives back.
        estimator.components_ = np.ascontiguousarray(estimator.components_)
        return estimator

    def _errors(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        with np.errstate(invalid="ignore"):  # BLAS may flag lanes of a register that no number is in
            rebuilt = self.estimator_.inverse_transform(self.estimator_.transform(rows))
        return np.asarray(np.square(rows - rebuilt), np.float64)

    def _estimator_scores(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(self._errors(rows).sum(axis=1))

    def _error_map(self, X: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(self._errors(self._flat(X)).reshape(X.shape).sum(axis=1))
