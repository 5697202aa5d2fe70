"""What a column of a table runs: a detector of dross, or one of PyOD, with its parameters."""

from __future__ import annotations

import json
import math
import time
import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, fields
from importlib import import_module
from importlib.util import find_spec
from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dross import registry
from dross.bench.experiments import Answers, Task
from dross.bench.watch import BestOnValidation, Trace
from dross.errors import ParameterError
from dross.monitor import Monitor

__all__ = ["AS_PUBLISHED", "BASELINES", "COMMON", "PYOD", "Fit", "Method", "Outcome", "named"]

PYOD: Mapping[str, str] = {
    "pyod_autoencoder": "pyod.models.auto_encoder:AutoEncoder",
    "pyod_deep_svdd": "pyod.models.deep_svdd:DeepSVDD",
    "pyod_ecod": "pyod.models.ecod:ECOD",
    "pyod_vae": "pyod.models.vae:VAE",
}
"""PyOD's detectors, run with its defaults on flattened rows; they need the extra ``pyod``."""

_OF_SCORES = ("scoring", "error_scale")  # parameters that no fit hangs on


@dataclass(frozen=True)
class Outcome:
    """Scores of one run, and what it cost."""

    scores: NDArray[np.float64]
    seconds: float
    trace: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Fit:
    """A fitted detector, what watched it train, how long that took, and how it scored its training rows.

    ``resumed_from`` is the epoch that an earlier run had come to; the seconds are those since.
    """

    detector: Any
    watch: Trace | None
    seconds: float
    scoring: Mapping[str, Any]
    resumed_from: int | None = None


@dataclass(frozen=True)
class Method:
    """A detector with its parameters, under the name that results and tables give it.

    Parameters
    ----------
    name : str
        ``knn_50``, ``duad``.
    detector : str
        A name of `dross.registry.DETECTORS` or of `PYOD`.
    parameters : mapping
        Parameters of the detector; ``steps`` stands for as many epochs as make so many batches, of 256 rows
        unless ``batch_size`` is given too.
    select : "", "validation" or "sub_classes"
        Which answers the method is shown, as its paper's own protocol does; the table then says so.
        "validation" keeps the weights of the epoch with the best AUROC on labelled validation rows;
        "sub_classes" tells the fit to which class each training row belongs, all of them normal.
    trace : bool
        Whether the scores are taken after every epoch.
    codes : bool
        Whether codes and reconstructions of scored rows are kept, to be drawn.
    """

    name: str
    detector: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    select: str = ""
    trace: bool = False
    codes: bool = False

    def obstacle(self, kind: str) -> str:
        """Return why the method cannot run on rows of this kind ("table" or "image"), or ""."""
        if self.detector in PYOD:
            return "" if find_spec("pyod") else "PyOD not installed"
        if kind not in registry.get(self.detector).input_kinds:
            return f"takes no {kind}s"
        return ""

    @property
    def fit_key(self) -> str:
        """What a fit hangs on: equal for methods that differ only in how they score."""
        parameters = {name: value for name, value in self.parameters.items() if name not in _OF_SCORES}
        return json.dumps([self.detector, parameters, self.trace, self._knows_classes], sort_keys=True)

    @property
    def _scoring(self) -> dict[str, Any]:
        """How the detector is to score, where it has several ways."""
        if self.detector in PYOD:
            return {}
        own = {one.name: one.default for one in fields(registry.get(self.detector)) if one.name in _OF_SCORES}
        return {name: self.parameters.get(name, default) for name, default in own.items()}

    @property
    def _knows_classes(self) -> bool:
        return self.select == "sub_classes"

    def fit(
        self,
        task: Task,
        seed: int,
        device: str,
        answers: Answers | None = None,
        monitor: Monitor | None = None,
    ) -> Fit:
        """Fit the training rows.

        ``answers`` are only looked at where `select` or `trace` ask for it. ``monitor`` keeps the state of
        training where nothing else watches it.
        """
        if self.detector in PYOD:
            detector, watch = self._pyod(task, seed), None
        else:
            detector = self._detector(task, seed, device)
            watch = self._watch(detector, task, answers)
            if watch is None and monitor is not None:
                detector.set_monitor(monitor)
        classes = self._seen(answers).sub_classes if self._knows_classes else None
        start = time.perf_counter()
        with self._quietly():
            detector.fit(self._rows(task.train), classes)
        watching = watch.seconds if watch is not None else 0.0
        seconds = time.perf_counter() - start - watching
        resumed_from = None
        if monitor is not None and monitor.checkpoint is not None:
            resumed_from = monitor.checkpoint.resumed_from_epoch
        return Fit(detector, watch, seconds, self._scoring, resumed_from)

    def score(self, fitted: Fit, task: Task) -> Outcome:
        """Score with a fit of this method, or of one with the same `fit_key`."""
        detector, watch = fitted.detector, fitted.watch
        start = time.perf_counter()
        if self.detector in PYOD:
            with self._quietly():
                rows = self._rows(task.scored)
                scores = (
                    detector.decision_scores_ if task.is_transductive else detector.decision_function(rows)
                )
        else:
            if isinstance(watch, BestOnValidation):
                watch.take("best" if self.select == "validation" else "last")
            as_fitted = task.is_transductive and not self.select and fitted.scoring == self._scoring
            detector.set_params(**self._scoring)  # another method may have scored with this fit before
            scores = detector.anomaly_scores_ if as_fitted else detector.anomaly_score(task.scored)
        seconds = fitted.seconds + time.perf_counter() - start
        return Outcome(np.asarray(scores, np.float64), seconds, watch.history if watch is not None else [])

    @property
    def trains(self) -> bool:
        """Whether the detector is trained on a device of choice."""
        return self.detector in registry.DETECTORS and "device" in {
            one.name for one in fields(registry.get(self.detector))
        }

    def _rows(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        return x.reshape(len(x), -1) if self.detector in PYOD else x

    def _quietly(self) -> AbstractContextManager[Any]:
        """Keep what others' detectors warn of from the reader: it is not his to mend."""
        return warnings.catch_warnings(action="ignore") if self.detector in PYOD else nullcontext()

    def _watch(self, detector: Any, task: Task, answers: Answers | None) -> Trace | None:
        watch: Trace
        if self.select == "validation":
            watch = BestOnValidation(detector, self._seen(answers).validation)
        elif self.trace:
            seen = self._seen(answers)
            watch = Trace(detector, task.scored, seen.is_anomaly, seen.is_anomaly_trained)
        else:
            return None
        detector.set_monitor(watch)
        return watch

    def _seen(self, answers: Answers | None) -> Answers:
        if answers is None:
            raise ParameterError(f"{self.name} looks at known answers, and none were given.")
        return answers

    def _detector(self, task: Task, seed: int, device: str) -> Any:
        cls = registry.get(self.detector)
        accepted = {parameter.name for parameter in fields(cls)}
        parameters = dict(self.parameters)
        if "steps" in parameters:
            n_batches = math.ceil(len(task.train) / int(parameters.get("batch_size", 256)))
            parameters["max_epochs"] = max(1, round(parameters.pop("steps") / n_batches))
        if "device" in accepted:
            parameters["device"] = device
        unknown = sorted(set(parameters) - accepted)
        if unknown:
            raise ParameterError(f"{cls.__name__} has no parameter {', '.join(unknown)}.")
        # The threshold is no part of the tables; a fixed share spares the estimate.
        return cls(**parameters, contamination=0.1, random_state=seed)

    def _pyod(self, task: Task, seed: int) -> Any:
        module, _, attribute = PYOD[self.detector].partition(":")
        cls = getattr(import_module(module), attribute)
        own = {"random_state": seed, "n_features": math.prod(task.train.shape[1:]), "verbose": 0}
        accepted = signature(cls).parameters
        return cls(**self.parameters, **{name: value for name, value in own.items() if name in accepted})


AS_PUBLISHED: Mapping[str, Mapping[str, Any]] = {
    "ocsvm": {"held_out": False},
    "rsrae": {"standardize": False},
    **{
        name: {"error_scale": "equal", "stop_at": None} for name in ("ae_lfr", "autoencoder", "drae", "memae")
    },
    **{name: {"width": 4, "max_epochs": 216, "stop_at": None} for name in ("geom", "gt_lfr")},
}
"""By detector, what the tables take unless a column says otherwise, where dross's own default is another."""

BASELINES = (
    Method("isolation_forest", "isolation_forest"),
    Method("knn_5", "knn", {"n_neighbors": 5}),
    Method("knn_50", "knn", {"n_neighbors": 50}),
    Method("lof", "lof", {"n_neighbors": 20}),
    Method("pca", "pca", {"n_components": 10}),
    Method("ocsvm", "ocsvm", {"nu": 0.1}),
    Method("kde", "kde"),
)
"""The classical opponents, in every table."""

COMMON = (*BASELINES, Method("autoencoder", "autoencoder"), *(Method(name, name) for name in PYOD))
"""What stands beside the paper's columns in every table."""


def named(name: str) -> Method:
    """Return a method by its name: one of `COMMON`, or a detector with its defaults.

    Examples
    --------
    >>> dict(named("knn_50").parameters), named("toll").detector
    ({'n_neighbors': 50}, 'toll')
    """
    for method in COMMON:
        if method.name == name:
            return method
    registry.get(name)
    return Method(name, name)
