"""What detectors share that score rows by how badly they are rebuilt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dross.base import Rows
from dross.deep import DeepDetector
from dross.features.base import State
from dross.parameters import check_choice

__all__ = ["ReconstructionDetector"]

_FLOOR = 0.01  # of the mean typical error: values that are always rebuilt well do not outweigh all others
_DEGREES = 20  # of freedom of Student's t


@dataclass(kw_only=True, eq=False, repr=False)
class ReconstructionDetector(DeepDetector):
    """Base of the detectors whose score is the squared error of the row's values, rebuilt by a net.

    A net rebuilds some values badly in every row: the pixels within a shirt, not those around it. What is
    unusual is an error larger than is usual *there*.

    Parameters
    ----------
    error_scale : "typical" or "equal", default "typical"
        "equal" scores by the mean squared error, as published. "typical" divides each value's squared error
        by its mean over the half of the training rows that are rebuilt best, and averages
        ``log(1 + ratio / 20)``: how unlikely the errors are under Student's t of that scale, so that no
        single value drowns the others. It ranked better on most development draws (docs/choices.md). Scores
        follow ``set_params`` after a fit at once; the threshold and ``anomaly_scores_`` stay those of the
        fit.

    Attributes
    ----------
    typical_error_ : float32 array of shape input_shape_
        Of each value the mean squared error over the half of the training rows (of some of them, if there
        are many) that are rebuilt best, and a hundredth of the mean of these.
    """

    error_scale: Literal["typical", "equal"] = "typical"

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_choice(self, "error_scale", "typical", "equal")

    def _train(self, X: Rows) -> None:
        self._set_typical_error(np.ones(self.input_shape_, np.float32))  # for who looks on while it trains
        super()._train(X)
        self.module_.eval()
        errors = self._map_rows(X, self._sampled(len(X)), self._squared_error)
        # Anomalies must not make their own errors typical: what all rows tell finds the half without them.
        scores = (errors / _scale(errors)).reshape(len(errors), -1).mean(axis=1)
        self._set_typical_error(_scale(errors[scores <= np.median(scores)]).astype(np.float32))

    def _set_typical_error(self, errors: NDArray[np.float32]) -> None:
        self.typical_error_ = errors
        self._typical_error = torch.from_numpy(errors).to(self.device_)

    def _squared_error(self, x: Tensor) -> Tensor:
        """Return the squared error of each value of a standardised batch, same shape."""
        module: Any = self.module_
        errors: Tensor = module.squared_error(x)
        return errors

    def _scaled_error(self, x: Tensor) -> Tensor:
        errors = self._squared_error(x)
        if self.error_scale == "equal":
            return errors
        return (errors / (_DEGREES * self._typical_error)).log1p()

    def _module_score(self, x: Tensor) -> Tensor:
        return self._scaled_error(x).flatten(1).mean(dim=1)

    def _error_map(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Return the error per pixel, the mean over channels, scaled as the score's are."""
        return self._map_batches(X, lambda x: self._scaled_error(x).mean(dim=1))

    def _learned_state(self) -> State:
        values, arrays = super()._learned_state()
        return values, arrays | {"typical_error": self.typical_error_}

    def _restore(self, values: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        super()._restore(values, arrays)
        self._set_typical_error(arrays["typical_error"])


def _scale(errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean error of each value, none of them tiny beside the others."""
    means = errors.mean(axis=0)
    floored: NDArray[np.float64] = means + _FLOOR * means.mean()
    return np.where(floored > np.finfo(np.float32).tiny, floored, 1.0)
