"""What looks at a detector while it trains: a trace of its scores, and Toll's choice by labelled rows."""

from __future__ import annotations

import copy
import time
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dross.bench.judge import judge
from dross.errors import ParameterError
from dross.monitor import Monitor

__all__ = ["BestOnValidation", "Trace"]


class Trace(Monitor):
    """Scores of some rows after every epoch, at most about fifty times in a run.

    Attributes
    ----------
    history : list of dict
        ``epoch``, ``auroc``, ``aupr``, ``f1`` (as large a share flagged as is anomalous), and the mean scores
        ``normal`` and ``anomalous``; where the detector selects its training rows, the share of them it has
        ``selected`` and their ``contamination``.
    seconds : float
        What looking took; it is no part of the training.
    """

    def __init__(
        self,
        detector: Any,
        rows: NDArray[Any],
        is_anomaly: NDArray[np.bool_],
        is_anomaly_trained: NDArray[np.bool_] | None = None,
    ) -> None:
        super().__init__()
        if is_anomaly.all() or not is_anomaly.any():
            raise ParameterError("The rows to watch are all normal, or all anomalies.")
        self.detector, self.rows, self.is_anomaly = detector, rows, is_anomaly
        self.is_anomaly_trained = is_anomaly_trained
        self.history: list[dict[str, float]] = []
        self.seconds = 0.0
        self._epoch_seen = 0

    def progress(self, epoch: int, n_epochs: int, fraction: float, loss: float) -> None:
        """Look at the end of an epoch; in between there is nothing to see."""
        at_end = round(fraction * n_epochs, 6) == epoch
        if not at_end or epoch == self._epoch_seen or (epoch % max(1, n_epochs // 50) and epoch < n_epochs):
            return
        self._epoch_seen = epoch
        start = time.perf_counter()
        module = self.detector.module_
        module.eval()
        scores = self.detector._score_all(self.rows)
        module.train()
        self._seen(epoch, scores)
        self.seconds += time.perf_counter() - start

    def _seen(self, epoch: int, scores: NDArray[np.float64]) -> None:
        self.history.append(
            {
                "epoch": epoch,
                **judge(scores, self.is_anomaly, float(self.is_anomaly.mean())),
                "normal": float(scores[~self.is_anomaly].mean()),
                "anomalous": float(scores[self.is_anomaly].mean()),
                **self._selection(),
            }
        )

    def _selection(self) -> dict[str, float]:
        rows, answers = self.detector.training_rows_, self.is_anomaly_trained
        if rows is None or answers is None:
            return {}
        return {"selected": len(rows) / len(answers), "contamination": float(answers[rows].mean())}


class BestOnValidation(Trace):
    """Keeps the weights of the epoch with the best AUROC on labelled rows."""

    def __init__(self, detector: Any, validation: tuple[NDArray[Any], NDArray[np.bool_]] | None) -> None:
        if validation is None:
            raise ParameterError("This draw keeps no validation rows.")
        super().__init__(detector, *validation)
        self._best = -1.0
        self._weights: dict[str, dict[str, Any]] = {}

    def _seen(self, epoch: int, scores: NDArray[np.float64]) -> None:
        super()._seen(epoch, scores)
        value = self.history[-1]["auroc"]
        if value > self._best:
            self._best = value
            self._weights["best"] = copy.deepcopy(self.detector.module_.state_dict())

    def take(self, which: Literal["best", "last"]) -> None:
        """Put the best epoch's weights into the fitted detector, or the last one's back."""
        if "last" not in self._weights:
            self._weights["last"] = copy.deepcopy(self.detector.module_.state_dict())
        self.detector.module_.load_state_dict(self._weights[which])
