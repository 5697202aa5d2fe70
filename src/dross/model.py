"""A fitted model: what is saved, loaded, and scores raw files, frames and arrays."""

from __future__ import annotations

import platform
from dataclasses import dataclass, fields, replace
from importlib import metadata
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dross import registry
from dross.base import BaseDetector
from dross.errors import InputError, ModelFileError, ParameterError
from dross.features.base import Features, below
from dross.features.named import FEATURES, features_class, plural
from dross.model_file import read_model_file, write_model_file
from dross.sources import open_source
from dross.sources.base import ReadOptions, Source, Unreadable
from dross.sources.streams import in_brief
from dross.thresholds import threshold_for_share

__all__ = [
    "MAX_EXPLAINED",
    "Model",
    "Scored",
    "explain_rows",
    "load",
    "options_of",
    "parameters_of",
    "rank_of",
    "versions",
]

MAX_EXPLAINED = 10_000
"""Reasons cost some dozen scorings a row; beyond this many, only the most anomalous rows get them."""

_LARGEST_SIDE = 1024  # of images, as on the command line
_READ_OPTIONS = ("kind", "id_column", "text_column", "array", "image_size", "channels")


def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    packages = ("dross", "numpy", "scipy", "scikit-learn", "torch", "pyarrow")
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in packages}


def rank_of(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return 1 for the highest score, 2 for the next; ties in input order."""
    rank = np.empty(len(scores), np.int64)
    rank[np.argsort(-scores, kind="stable")] = np.arange(1, len(scores) + 1)
    return rank


@dataclass(frozen=True)
class Scored:
    """Scores of new rows, in input order; unreadable items are not among them.

    ``labels``: 1 = anomaly. ``reasons``: None for rows not flagged.
    ``source``: what was read.
    """

    ids: NDArray[Any]
    anomaly_scores: NDArray[np.float64]
    labels: NDArray[np.int8]
    rank: NDArray[np.int64]
    reasons: list[str | None]
    unreadable: list[Unreadable]
    notes: list[str]
    source: Source | None = None


@dataclass
class Model:
    """Features, detector and threshold that were fitted together.

    Parameters
    ----------
    family
        What it takes: "table", "image", "text", "video" or "vectors".
    detector_name
        The detector's name in the registry.
    features, detector
        The fitted objects.
    options
        How its data was read: columns left out, size of images.
    score_quantiles
        The training scores in rising order, or 10 001 evenly spaced quantiles if they are more; for new
        thresholds.
    about
        JSON-able facts for `dross inspect`: versions, when and from what it was made.
    features_name
        The features' name in `dross.features.named`.
    """

    family: str
    detector_name: str
    features: Features
    detector: BaseDetector
    options: ReadOptions
    score_quantiles: NDArray[np.float64]
    about: dict[str, Any]
    features_name: str = "raw"

    @property
    def threshold(self) -> float:
        """Rows with a higher score are anomalies."""
        return -float(self.detector.offset_)

    def threshold_for(self, contamination: float | None) -> float:
        """Return the threshold above which the given share of the training rows lies (to 1 in 10 000)."""
        if contamination is None:
            return self.threshold
        if not 0 < contamination <= 0.5:
            raise ParameterError(f"contamination is {contamination}; a share must lie in (0, 0.5].")
        return threshold_for_share(self.score_quantiles, contamination)

    def anomaly_score(self, data: Any) -> NDArray[np.float64]:
        """Return the scores of a path, frame or array, one per readable row, higher = more anomalous."""
        return self._scores_of(self.open(data))[1]

    def score(self, data: Any, *, contamination: float | None = None) -> Scored:
        """Score new data with ids, flags and reasons.

        Parameters
        ----------
        data
            A path, frame or array like the one the model was fitted on; one row or one image is enough.
        contamination
            Move the threshold to this share of the *training* rows; None keeps the fitted one.
        """
        threshold = self.threshold_for(contamination)
        source = self.open(data)
        X, scores = self._scores_of(source)
        labels = (scores > threshold).astype(np.int8)
        rank = rank_of(scores)
        rows = np.flatnonzero(labels)
        rows = rows[np.argsort(rank[rows])][:MAX_EXPLAINED]
        reasons, _ = explain_rows(self.features, self.detector, source, X, rows)
        return Scored(
            source.ids,
            scores,
            labels,
            rank,
            reasons,
            source.unreadable,
            [*source.notes, *self.features.notes],
            source,
        )

    def open(self, data: Any) -> Source:
        """Open new data the way the training data was read."""
        source = open_source(data, self.options)
        if source.family != self.family:
            raise ModelFileError(
                f"The model was fitted on {plural(self.family)}, {source.name} is {source.kind}."
            )
        return source

    def save(self, path: str | Path) -> None:
        """Write a model file (see `dross.model_file`)."""
        feature_values, feature_arrays = self.features.get_state()
        detector_values, detector_arrays = self.detector.get_state()
        options = {name: getattr(self.options, name) for name in _READ_OPTIONS}
        values = {
            "family": self.family,
            "detector": {
                "name": self.detector_name,
                "parameters": parameters_of(self.detector),
                **detector_values,
            },
            "features": feature_values,
            "features_name": self.features_name,
            "options": options,
            "about": self.about,
        }
        arrays = {"score_quantiles": self.score_quantiles}
        arrays |= {f"features/{name}": array for name, array in feature_arrays.items()}
        arrays |= {f"detector/{name}": array for name, array in detector_arrays.items()}
        write_model_file(Path(path), values, arrays)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a model file; nothing in it is executed.

        Raises
        ------
        ModelFileError, InputError
            See `dross.model_file.read_model_file`.
        """
        values, arrays = read_model_file(Path(path))
        is_whole = False
        try:
            model = cls._from_file(values, arrays)
            is_whole = True
            model._try_out()
        except ModelFileError as error:
            raise ModelFileError(f"{path}: {error}") from None
        except Exception as error:  # whatever the parts of a damaged file make go wrong
            if isinstance(error, InputError) and not is_whole:  # an encoder that it names is not at hand
                raise InputError(f"{path}: {error}") from None
            what = f"{type(error).__name__}: {in_brief(error)}"
            raise ModelFileError(f"{path} is damaged: its parts do not fit ({what}).") from None
        return model

    @classmethod
    def _from_file(cls, values: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Self:
        family, about = values["family"], values["detector"]
        features_name = values.get("features_name", "raw")
        known = about["name"] in registry.DETECTORS and family in FEATURES.get(features_name, {})
        if not known:
            parts = f"{family!r}, {features_name!r}, {about['name']!r}"
            raise ModelFileError(f"it names parts unknown here: {parts}.")
        features = features_class(features_name, family)
        parameters = {k: tuple(v) if isinstance(v, list) else v for k, v in about["parameters"].items()}
        if parameters.get("device") == "cuda":
            parameters["device"] = "auto"  # trained on a GPU, it still scores without one
        build: Any = registry.get(about["name"])
        detector = build(**parameters)
        detector.check_parameters()
        detector.set_state(about, below("detector/", arrays))
        return cls(
            family=family,
            detector_name=about["name"],
            features=features.from_state(values["features"], below("features/", arrays)),
            detector=detector,
            options=ReadOptions(**_read_options(values["options"])),
            score_quantiles=arrays["score_quantiles"],
            about=values["about"],
            features_name=features_name,
        )

    def _try_out(self) -> None:
        """Score one made-up row, so that parts that do not fit each other show up when they are loaded."""
        shape = self.detector.input_shape_
        options = replace(self.options, id_column=None, text_column=None)
        if self.family == "image":
            source = open_source(np.zeros((1, *self.features.image_form.shape), np.uint8), options)
        elif self.family == "video":
            source = _made_up_clip(self.features.image_form.shape)
        elif self.family == "vectors":
            source = open_source(np.zeros((1, *shape)), options)
        elif self.family == "text":
            source = open_source(pa.table({"text": ["some words"]}), replace(options, text_column="text"))
        else:
            source = open_source(pa.table({name: [0.0] for name in self.features.feature_owner}), options)
        X, scores = self._scores_of(source)
        if X.shape != (1, *shape) or not np.isfinite([*scores, *self.score_quantiles, self.threshold]).all():
            raise ValueError(f"a row of shape {shape} has no score")

    def _scores_of(self, source: Source) -> tuple[Any, NDArray[np.float64]]:
        X = self.features.transform(source)
        return X, self.detector.anomaly_score(X)


def load(path: str | Path) -> Model:
    """Load a model that `dross find` or `Model.save` wrote; see `Model.load`."""
    return Model.load(path)


def explain_rows(
    features: Features, detector: BaseDetector, source: Source, X: Any, rows: NDArray[np.int64]
) -> tuple[list[str | None], dict[int, NDArray[np.float32]]]:
    """Return a reason for each row asked for, None for the others, and heat maps by row (images)."""
    reasons: list[str | None] = [None] * len(source)
    if not len(rows):
        return reasons, {}
    explained = features.explain(detector, source, X, rows)
    for row, reason in zip(rows, explained.reasons, strict=True):
        reasons[row] = reason
    if explained.heatmaps is None:
        return reasons, {}
    return reasons, dict(zip(rows.tolist(), explained.heatmaps, strict=False))  # the first rows have one


def options_of(source_options: ReadOptions, features: Features, family: str) -> ReadOptions:
    """Return how new data is read: as the family fitted on, at the fitted image size.

    Labels and ignored columns need not be there again; where they are, the features pass over them.
    """
    form = features.image_form
    return replace(
        source_options,
        kind="features" if family == "vectors" else family,  # type: ignore[arg-type]
        label_column=None,
        anomaly_value=None,
        ignore_columns=(),
        cache_dir=None,
        image_size=form.size,
        channels=form.channels,
    )


def parameters_of(detector: BaseDetector) -> dict[str, Any]:
    """Return a fitted detector's parameters as JSON-able values, with the seed that was drawn in its fit."""
    parameters = {field.name: getattr(detector, field.name) for field in fields(detector)}
    plain = {k: v.item() if isinstance(v, np.generic) else v for k, v in parameters.items()}
    seed = detector.random_state
    if seed is None or isinstance(seed, np.random.RandomState):
        seed = detector.seed_
    return plain | {"random_state": int(seed)}


def _read_options(values: dict[str, Any]) -> dict[str, Any]:
    """Return what a model file may say of reading: these names, plain values, images of a sane size."""
    options = {name: values.get(name) for name in _READ_OPTIONS}
    if not all(isinstance(value, (str, int, type(None))) for value in options.values()):
        raise ModelFileError("its options for reading are not plain values.")
    if options["kind"] not in ("auto", "table", "image", "text", "array", "video", "features"):
        raise ModelFileError(f"it wants to read data of the kind {options['kind']!r}.")
    if not 0 <= (options["image_size"] or 0) <= _LARGEST_SIDE:
        raise ModelFileError(f"it wants images of {options['image_size']} pixels a side.")
    return options


def _made_up_clip(shape: tuple[int, ...]) -> Source:
    from dross.sources.video import VideoSource

    black = np.zeros((1, *shape), np.uint8)
    about: dict[str, Any] = {"videos": np.array([""]), "spans": np.zeros((1, 2)), "numbers": np.zeros(1, int)}
    return VideoSource(name="a clip", ids=np.array(["clip"]), kind="video", rows=black, **about)
