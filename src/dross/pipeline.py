"""The main job as one function: data in, findings out."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dross import registry
from dross.account import fitted_model, found_with
from dross.auto import choose_detector, choose_features
from dross.base import BaseDetector, check_share
from dross.checkpoint import Checkpoint
from dross.errors import InputError, ParameterError
from dross.features.base import Features
from dross.features.named import build_features, check_spec, name_of_features
from dross.findings import Findings
from dross.model import versions
from dross.monitor import Monitor
from dross.rows import batches
from dross.sources import open_source
from dross.sources.base import Kind, ReadOptions, Source

__all__ = ["find"]

_HASH_VALUES = 4_000_000
_MOST_SEED = 2**32 - 1  # that NumPy takes


def find(
    data: Any,
    *,
    features: str | Features = "auto",
    detector: str | BaseDetector = "auto",
    parameters: Mapping[str, Any] | None = None,
    contamination: float | Literal["auto"] = "auto",
    id_column: str | None = None,
    text_column: str | None = None,
    ignore_columns: Sequence[str] = (),
    label_column: str | None = None,
    anomaly_value: str | None = None,
    kind: Kind | Literal["auto"] = "auto",
    array: str | None = None,
    image_size: int | None = None,
    epochs: int | None = None,
    random_state: int = 0,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    precision: Literal["auto", "32", "bf16"] = "auto",
    top: int = 20,
    checkpoint_folder: str | Path | None = None,
    resume: bool = False,
    expected_key: str | None = None,
    monitor: Monitor | None = None,
) -> Findings:
    """Find what does not belong in unlabelled, uncleaned data.

    Parameters
    ----------
    data : str, Path, array or frame
        A table, a folder or archive of images or texts, a video or a folder of them, features computed
        elsewhere, an array ``(n, d)`` or ``(n, c, h, w)``, or a pandas, polars or Arrow frame.
    features : str or Features, default "auto"
        How rows become numbers: "raw" (columns, pixels, TF-IDF), "netvlad", "pretrained:ENCODER",
        "c3d:WEIGHTS", or features to fit, as ``NetVLAD(n_centres=16)``. "auto" chooses by kind; for texts it
        takes an encoder that was found here or named, see `dross.features.at_hand.text_encoder`.
    detector : str or BaseDetector, default "auto"
        A registered name, a detector to fit, or "auto": chosen by kind and features.
    parameters : mapping, optional
        The detector's own parameters by name.
    contamination : "auto" or float in (0, 0.5], default "auto"
        Share of anomalies of the total; "auto" estimates it, with an interval.
    id_column, text_column, ignore_columns, label_column, anomaly_value, kind, array, image_size
        How to read; see `dross.sources.base.ReadOptions`. Labels are taken out before anything is fitted
        and only add metrics.
    epochs : int, optional
        Passes of a trained detector over the rows.
    random_state : int, default 0
        The seed; equal seeds give equal scores. A detector that brings its own keeps it.
    device, precision
        Of trained detectors; see `dross.deep.DeepDetector`.
    top : int, default 20
        How many of the most anomalous rows are explained and shown, flagged or not.
    checkpoint_folder : path, optional
        Where training keeps its state, None to keep none. It is there until the caller removes it; saving
        the findings into the folder above does.
    resume : bool, default False
        Go on from the state in ``checkpoint_folder``.
    expected_key : str, optional
        Hash of data and parameters that the run must have; another raises before anything is fitted.
    monitor : Monitor, optional
        Told of stages and progress.

    Returns
    -------
    Findings

    Raises
    ------
    InputError, ParameterError
        With one sentence that says what was got and what is needed.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(500, 3))
    >>> X[7] = [0.0, 9.0, 0.0]
    >>> findings = find(X)
    >>> findings.top[0].id, findings.top[0].reason.split(" = ")[0]
    (7, '1')
    """
    monitor = monitor or Monitor()
    clock = _Clock(monitor)
    options = ReadOptions(
        kind=kind,
        id_column=id_column,
        text_column=text_column,
        ignore_columns=tuple(ignore_columns),
        label_column=label_column,
        anomaly_value=anomaly_value,
        array=array,
        image_size=image_size,
    )
    _check(options, contamination, top, random_state, device, precision)
    if isinstance(features, str) and features != "auto":
        check_spec(features)
    build = partial(
        _build_detector,
        parameters=dict(parameters or {}),
        shared={"contamination": contamination, "random_state": int(random_state)},
        deep={"max_epochs": epochs, "device": device, "precision": precision},
    )
    fitted = None if isinstance(detector, str) and detector == "auto" else build(detector)
    clock.start("reading")
    source = open_source(data, options)
    _check_use(options, source)
    clock.start("encoding")
    encoder, features_name, why = _features(features, source, random_state, device)
    X = encoder.fit(source).transform(source)
    fitted = fitted or build(choose_detector(source.family, features_name))
    name = _name_of(fitted)
    _check_kind(fitted, name, X, source, features_name)
    key = _fingerprint(X, source, encoder, fitted)
    if expected_key is not None and expected_key != key:
        raise InputError(
            "The result folder holds a result of other data, features or parameters; replace it with "
            "--force, or name another folder with --out."
        )
    # A monitor may have served another run.
    monitor.checkpoint = Checkpoint(Path(checkpoint_folder), key) if checkpoint_folder is not None else None
    monitor.resume = resume
    if monitor.checkpoint is not None and resume:
        monitor.checkpoint.load()  # refuses another run's state even where the detector keeps none
    clock.start("fitting")
    try:
        fitted.set_monitor(monitor).fit(X)
    finally:
        fitted.set_monitor(Monitor())
    clock.start("explaining")
    model = fitted_model(source, options, encoder, fitted, name, features_name)
    findings = found_with(model, source, X, top)
    chosen = {"name": features_name} | ({"why": why} if why else {})
    findings.summary["features"] = chosen | findings.summary["features"]
    clock.stop()
    findings.summary |= {"key": key, "seed": fitted.random_state, "seconds": clock.seconds}
    if monitor.checkpoint is not None:
        findings.summary["resumed_from_epoch"] = monitor.checkpoint.resumed_from_epoch
    return findings


def _check(
    options: ReadOptions, contamination: object, top: object, seed: object, device: str, precision: str
) -> None:
    """Raise for what can be seen to be wrong before anything is read."""
    check_share(contamination)
    if not isinstance(top, int) or top < 0:
        raise ParameterError(f"top is {top!r}; it must be a whole number, at least 0.")
    if not isinstance(seed, (int, np.integer)) or not 0 <= seed <= _MOST_SEED:
        raise ParameterError(f"random_state is {seed!r}; it must be a whole number from 0 to {_MOST_SEED}.")
    if device not in ("auto", "cpu", "cuda"):
        raise ParameterError(f"device is {device!r}; it must be auto, cpu or cuda.")
    if precision not in ("auto", "32", "bf16"):
        raise ParameterError(f"precision is {precision!r}; it must be auto, 32 or bf16.")
    if options.anomaly_value is not None and options.label_column is None:
        raise ParameterError("An anomaly value needs the label column that it stands in: --label-column.")


def _check_use(options: ReadOptions, source: Source) -> None:
    """Raise for options that say nothing about this source: a user waits for what they ask for."""
    has_columns = source.family == "table" or options.text_column is not None
    columns = ("id_column", "text_column", "ignore_columns", "label_column")
    unused = [] if has_columns else [name for name in columns if getattr(options, name)]
    if options.image_size is not None and source.family not in ("image", "video"):
        unused.append("image_size")
    if options.array is not None and "array" not in source.facts:
        unused.append("array")
    if unused:
        option = "--" + unused[0].removesuffix("s").replace("_", "-")
        raise ParameterError(f"{option} is given, but {source.name} is {source.kind} and has no use for it.")


def _features(
    wanted: str | Features, source: Source, random_state: int, device: str
) -> tuple[Features, str, str]:
    """Return unfitted features, their name, and why they were chosen ("" where the user did)."""
    if isinstance(wanted, Features):
        return wanted, name_of_features(wanted), ""
    if not isinstance(wanted, str):
        raise ParameterError(f"features is {wanted!r}; it must be a name or features, as NetVLAD().")
    spec, why = choose_features(source.family, len(source)) if wanted == "auto" else (wanted, "")
    built = build_features(spec, source.family, random_state=random_state, device=device)
    return built, check_spec(spec)[0], why


def _check_kind(detector: BaseDetector, name: str, X: Any, source: Source, features: str) -> None:
    """Raise if a detector does not take the rows that the features gave."""
    if ("image" if len(X.shape) == 4 else "table") in detector.input_kinds:
        return
    kinds = " and ".join(f"{kind}s" for kind in sorted(detector.input_kinds))
    made = "" if features == "raw" else f", which {features} turns into rows of a table"
    raise ParameterError(f"{name} takes {kinds}; {source.name} is {source.kind}{made}.")


def _build_detector(
    detector: str | BaseDetector,
    *,
    parameters: dict[str, Any],
    shared: dict[str, Any],
    deep: dict[str, Any],
) -> BaseDetector:
    """Return an unfitted detector with the user's parameters; those of training only where there is one."""
    own: dict[str, Any] = {}
    if isinstance(detector, BaseDetector):
        cls, own = type(detector), detector.get_params()
        if (seed := own["random_state"]) is not None:
            if isinstance(seed, np.random.RandomState):  # drawn here, so that the run can be repeated
                seed = seed.randint(2**31 - 1)
            shared = shared | {"random_state": int(seed)}
    elif isinstance(detector, str):
        cls = registry.get(detector)
    else:
        raise ParameterError(f"detector is {detector!r}; it must be a name or a detector, as KNN().")
    known = {f.name for f in fields(cls)}
    if unknown := sorted(set(parameters) - known | set(parameters) & set(shared)):
        options = ", ".join(sorted(known - set(shared)))
        raise ParameterError(f"{cls.__name__} has no parameter {unknown[0]!r} of its own; it has {options}.")
    if deep["max_epochs"] is not None and "max_epochs" not in known:
        raise ParameterError(
            f"{cls.__name__} is not trained in epochs; leave --epochs out or choose a deep detector."
        )
    given = {k: v for k, v in (shared | deep).items() if k in known and v not in (None, "auto")}
    built = cls(**own | given | parameters)
    built.check_parameters()
    _name_of(built)
    return built


def _name_of(detector: BaseDetector) -> str:
    """Return a detector's registered name."""
    place = f"{type(detector).__module__}:{type(detector).__name__}"
    for name, registered in registry.DETECTORS.items():
        if registered == place:
            return name
    raise ParameterError(
        f"{type(detector).__name__} is not registered in dross.registry, so it cannot be saved."
    )


def _fingerprint(X: Any, source: Source, features: Features, detector: BaseDetector) -> str:
    """Return a hash of the data, as it was encoded, and of everything that decides the scores."""
    digest = hashlib.sha256()
    size = max(1, _HASH_VALUES // int(np.prod(X.shape[1:])))
    for part in batches(len(X), size):
        digest.update(np.asarray(X[part]).tobytes())
    digest.update("\n".join(map(str, source.ids)).encode("utf-8", "surrogatepass"))
    encoding, arrays = features.get_state()
    for name in sorted(arrays):
        digest.update(arrays[name].tobytes())
    parameters = {k: v for k, v in detector.get_params().items() if k not in ("verbose", "device")}
    about = {
        "shape": X.shape,
        "encoding": encoding,
        "detector": type(detector).__name__,
        "parameters": parameters,
        "versions": versions(),
    }
    digest.update(json.dumps(about, sort_keys=True, default=str).encode())
    return digest.hexdigest()


@dataclass
class _Clock:
    """Seconds per stage, told to a monitor as they begin."""

    monitor: Monitor
    seconds: dict[str, float] = field(default_factory=dict)
    current: str | None = None
    since: float = 0.0

    def start(self, stage: str) -> None:
        self.stop()
        self.current, self.since = stage, time.perf_counter()
        self.monitor.stage(stage)

    def stop(self) -> None:
        if self.current is not None:
            self.seconds[self.current] = round(time.perf_counter() - self.since, 3)
