"""One-Class SVM (Schölkopf et al., 2001), computed by scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.svm import OneClassSVM

from dross.parameters import check_number
from dross.shallow import ShallowDetector

__all__ = ["OCSVM"]


@dataclass(kw_only=True, eq=False, repr=False)
class OCSVM(ShallowDetector):
    """A boundary around all but a share ``nu`` of the rows, in the feature space of a Gaussian kernel.

    The score is the negative distance to the boundary. It stands contamination up to about ``nu``.

    Parameters
    ----------
    nu : float in (0, 1], default 0.1
        Upper bound on the share of rows left outside *in training*; the usual choice of this field. It does
        not set the threshold: ``contamination`` does.
    max_samples : int, default 5 000
        Rows kept; training grows with their square.
    contamination, random_state
        See `BaseDetector`.

    References
    ----------
    Schölkopf, Platt, Shawe-Taylor, Smola, Williamson: Estimating the support of a high-dimensional
    distribution. Neural Computation 13(7), 2001, doi:10.1162/089976601750264965.

    Examples
    --------
    >>> X = np.vstack([np.random.default_rng(0).normal(size=(100, 2)), [[9.0, 9.0]]])
    >>> int(OCSVM().fit(X).anomaly_scores_.argmax())
    100
    """

    _estimator_class = OneClassSVM

    max_samples: int = 5_000
    nu: float = 0.1

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number(self, "nu", float, 0, 1, excluding=(0,))

    def _fit_estimator(self, rows: NDArray[Any]) -> Any:
        estimator = OneClassSVM(nu=self.nu)
        estimator.random_state = self.seed_  # no parameter of its own: unset, it draws from numpy's state
        return estimator.fit(rows)

    def _estimator_scores(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(-self.estimator_.decision_function(rows))
