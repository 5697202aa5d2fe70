"""scikit-learn's detectors under dross's contract: fitted on a bounded number of rows, scored in batches."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dross.base import BaseDetector
from dross.estimator_file import dump_estimator, load_estimator
from dross.features.base import State
from dross.parameters import check_number
from dross.rows import Rows, read_rows, sample_rows

__all__ = ["ShallowDetector", "flatten"]


_MAX_ABS = 1e30
"""Wide numbers are clipped here: their squares stay finite, and float32 trees can hold them."""


def flatten(x: NDArray[Any]) -> NDArray[Any]:
    """Return rows as ``(n, d)`` floats; float32 stays, small integers become float32, the rest float64."""
    x = x.reshape(len(x), -1)
    if x.dtype in (np.float32, np.float64):
        return x
    return x.astype(np.float32 if x.dtype.itemsize == 1 else np.float64)


@dataclass(kw_only=True, eq=False, repr=False)
class ShallowDetector(BaseDetector):
    """Base of the detectors that scikit-learn computes.

    Images are flattened. A fit sees at most ``max_samples`` rows (a seeded draw without replacement), so
    that time and memory stay bounded at a million rows; every row is scored.

    Parameters
    ----------
    max_samples : int, default 20 000
        Rows kept for the fit.
    contamination, random_state
        See `BaseDetector`.

    Attributes
    ----------
    kept_rows_ : int array of shape (n_kept,)
        Numbers of the training rows that the fit saw.
    """

    _estimator_class: ClassVar[type]
    """The only class that a model file may hold for it."""

    max_samples: int = 20_000

    @abstractmethod
    def _fit_estimator(self, rows: NDArray[Any]) -> Any:
        """Return the fitted scikit-learn estimator."""

    @abstractmethod
    def _estimator_scores(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        """Score flat rows with `estimator_`, higher = more anomalous."""

    def _left_out_scores(self) -> NDArray[np.float64] | None:
        """Return the kept rows' scores with the row itself left out; None if that makes no difference."""
        return None

    def _check_parameters(self) -> None:
        check_number(self, "max_samples", int, 2)

    def _fit(self, X: Rows) -> None:
        self.kept_rows_ = sample_rows(len(X), self.max_samples, self.seed_)
        self.estimator_ = self._fit_estimator(self._flat(read_rows(X, self.kept_rows_)))

    def _score(self, x: NDArray[Any]) -> NDArray[np.float64]:
        return self._estimator_scores(self._flat(x))

    def _flat(self, x: NDArray[Any]) -> NDArray[Any]:
        """Return flat rows; about the training median, if those were wide: an offset costs no digits."""
        rows = flatten(x)
        if not self._is_wide:
            return rows
        with np.errstate(over="ignore"):
            return np.asarray(np.clip(rows - self.reference_.ravel(), -_MAX_ABS, _MAX_ABS))

    def _training_scores(self, X: Rows) -> NDArray[np.float64]:
        left_out = self._left_out_scores()
        if left_out is not None and len(left_out) == len(X):
            return left_out
        scores = super()._training_scores(X)
        if left_out is not None:
            scores[self.kept_rows_] = left_out
        return scores

    def _learned_state(self) -> State:
        arrays: dict[str, NDArray[Any]] = {
            "estimator": dump_estimator(self.estimator_),
            "kept_rows": self.kept_rows_,
        }
        return {}, arrays

    def _restore(self, values: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        self.estimator_ = load_estimator(arrays["estimator"], self._estimator_class)
        self.kept_rows_ = arrays["kept_rows"]
