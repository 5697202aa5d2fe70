"""What detectors share that score rows by how badly they are rebuilt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dross.deep import DeepDetector
from dross.features.base import State, below
from dross.parameters import check_choice, check_number
from dross.rows import Rows, sample_rows

__all__ = ["ReconstructionDetector"]

_ROWS = 10_000  # that typical errors are taken of, at most
_FLOOR = 0.01  # of the mean typical error: values that are always rebuilt well do not outweigh all others
_DEGREES = 20  # of freedom of Student's t


@dataclass(kw_only=True, eq=False, repr=False)
class ReconstructionDetector(DeepDetector):
    """Base of the detectors whose score is the squared error of the row's values, rebuilt by a net.

    A net rebuilds some values badly in every row: the pixels within a shirt, not those around it. What is
    unusual is an error larger than is usual *there*.

    The module's ``loss`` adds the squared errors of its batch, and its `scatter`, to a `Tally` named
    ``unexplained``.

    Parameters
    ----------
    stop_at : float in (0, 1) or None, default 0.5
        Training ends with the first epoch whose squared errors are below this share of the rows' variance
        about their mean: what most rows have in common is learnt first, anomalies later. None goes on for
        ``max_epochs``. A smaller share finds more of the rows whose single values are usual and only break
        with how columns hang together, and fewer of the others (docs/choices.md).
    error_scale : "typical" or "equal", default "typical"
        "equal" scores by the mean squared error, which ranks as the published sum does. "typical" divides
        each value's squared error by its mean over the half of the training rows that are rebuilt best, and
        averages ``log(1 + ratio / 20)``: how unlikely the errors are under Student's t of that scale, so that
        no single value drowns the others. It ranked better on most development draws (docs/choices.md).
        Scores follow ``set_params`` after a fit at once; the threshold and ``anomaly_scores_`` stay those of
        the fit.

    Attributes
    ----------
    history_ : list of dict
        As of `DeepDetector`, with the share of the rows' variance that was left ``unexplained``.
    typical_error_ : dict of float32 arrays of shape input_shape_
        By the way rows are rebuilt ("" where there is one): of each value the mean squared error over the
        half of the training rows (of 10 000 of them, if there are more) that are rebuilt best, and a
        hundredth of the mean of these.
    """

    rebuilds: ClassVar[tuple[str, ...]] = ("",)
    """The ways in which the detector can rebuild a row."""

    stop_at: float | None = 0.5
    error_scale: Literal["typical", "equal"] = "typical"

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number(self, "stop_at", float, 0, 1, excluding=(0, 1), optional=True)
        check_choice(self, "error_scale", "typical", "equal")

    @property
    def _way(self) -> str:
        """Which of `rebuilds` the score takes."""
        return self.rebuilds[0]

    def _squared_error(self, x: Tensor, way: str) -> Tensor:
        """Return the squared error of each value of a standardised batch, same shape."""
        module: Any = self.module_
        errors: Tensor = module.squared_error(x)
        return errors

    def _on_epoch_end(self) -> dict[str, float]:
        module: Any = self.module_
        share = module.unexplained.take()
        return {} if share is None else {"unexplained": share}

    def _has_learnt_enough(self, entry: dict[str, float]) -> bool:
        return self.stop_at is not None and entry.get("unexplained", 1.0) < self.stop_at

    def _train(self, X: Rows) -> None:
        self._set_typical_error({})  # who looks on while it trains sees plain errors
        super()._train(X)
        self.module_.eval()
        self._set_typical_error({way: self._typical(X, way) for way in self.rebuilds})

    def _typical(self, X: Rows, way: str) -> NDArray[np.float32]:
        """Return what is typical, from three passes: anomalies must not make their own errors typical."""
        rows = sample_rows(len(X), _ROWS, self.seed_)
        of_all = torch.from_numpy(self._mean_error(X, rows, way)).to(self.device_)
        ratios = self._map_rows(
            X, rows, lambda x: (self._squared_error(x, way) / of_all).flatten(1).mean(dim=1)
        )
        return self._mean_error(X, rows[ratios <= np.median(ratios)], way)

    def _mean_error(self, X: Rows, rows: NDArray[np.int64], way: str) -> NDArray[np.float32]:
        """Return the mean error of each value over some rows, none of them tiny beside the others."""
        parts = self._mapped_rows(X, rows, lambda x: self._squared_error(x, way))
        means = np.asarray(sum(errors.sum(axis=0) for errors in parts) / len(rows))
        floored = means + _FLOOR * means.mean()
        return np.where(floored > np.finfo(np.float32).tiny, floored, 1.0).astype(np.float32)

    def _set_typical_error(self, errors: dict[str, NDArray[np.float32]]) -> None:
        self.typical_error_ = errors
        self._typical_error = {way: torch.from_numpy(array).to(self.device_) for way, array in errors.items()}

    def _scaled_error(self, x: Tensor) -> Tensor:
        errors = self._squared_error(x, self._way)
        if self.error_scale == "equal" or not self._typical_error:
            return errors
        return (errors / (_DEGREES * self._typical_error[self._way])).log1p()

    def _module_score(self, x: Tensor) -> Tensor:
        return self._scaled_error(x).flatten(1).mean(dim=1)

    def _error_map(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Return the error per pixel, the mean over channels, scaled as the score's are."""
        self._check_parameters()
        return self._map_batches(X, lambda x: self._scaled_error(x).mean(dim=1))

    def _learned_state(self) -> State:
        values, arrays = super()._learned_state()
        return values, arrays | {f"typical_error.{way}": array for way, array in self.typical_error_.items()}

    def _restore(self, values: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        super()._restore(values, arrays)
        errors = below("typical_error.", arrays)
        if any(errors[way].shape != self.input_shape_ for way in self.rebuilds):
            raise ValueError(f"typical errors of rows of another shape than {self.input_shape_}")
        self._set_typical_error(errors)
