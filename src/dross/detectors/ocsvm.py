"""One-Class SVM (Schölkopf et al., 2001), computed by scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import KFold
from sklearn.svm import OneClassSVM

from dross.parameters import check_choice, check_number
from dross.shallow import ShallowDetector

__all__ = ["OCSVM"]

_FOLDS = 5


@dataclass(kw_only=True, eq=False, repr=False)
class OCSVM(ShallowDetector):
    """A boundary around all but a share ``nu`` of the rows, in the feature space of a Gaussian kernel.

    The score is the negative distance to the boundary. It stands contamination up to about ``nu``. In many
    dimensions the boundary winds around every row that it was fitted on, and new ones of the same kind fall
    outside; so training rows are scored by five more boundaries, each fitted without a fifth of them: then
    their scores, and the threshold, are as those of new rows, and odd rows do not excuse themselves.

    Parameters
    ----------
    nu : float in (0, 1], default 0.1
        Upper bound on the share of rows left outside *in training*; the usual choice of this field. It does
        not set the threshold: ``contamination`` does.
    held_out : bool, default True
        Whether training rows are scored so (docs/choices.md), which takes about twice the time, or by the
        boundary fitted on them, as usual.
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
    held_out: bool = True

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number(self, "nu", float, 0, 1, excluding=(0,))
        check_choice(self, "held_out", True, False)

    def _fit_estimator(self, rows: NDArray[Any]) -> Any:
        self._held_out_scores = self._scores_held_out(rows) if self.held_out else None
        return self._boundary(rows)

    def _boundary(self, rows: NDArray[Any]) -> OneClassSVM:
        estimator = OneClassSVM(nu=self.nu)
        estimator.random_state = self.seed_  # no parameter of its own: unset, it draws from numpy's state
        return estimator.fit(rows)

    def _scores_held_out(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        scores = np.empty(len(rows))
        folds = KFold(min(_FOLDS, len(rows)), shuffle=True, random_state=self.seed_)
        for others, own in folds.split(rows):
            # The weights in a distance sum to nu times the number of rows fitted on.
            grown = len(rows) / len(others)
            scores[own] = -grown * self._boundary(rows[others]).decision_function(rows[own])
        return scores

    def _left_out_scores(self) -> NDArray[np.float64] | None:
        scores, self._held_out_scores = self._held_out_scores, None
        return scores

    def _estimator_scores(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(-self.estimator_.decision_function(rows))
