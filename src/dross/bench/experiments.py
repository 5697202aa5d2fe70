"""From a table's setting to rows: which data, which draw, which preparation.

Each experiment is a function ``(data, seed, **setting) -> Plan``. What a method gets is a `Task`: numbers and
nothing else. Known answers stay in `Answers`, which the metrics read after scoring.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dross.bench import preparations, protocols
from dross.bench.datasets import Data, TextRows
from dross.bench.protocols import Draw
from dross.errors import InputError, ParameterError
from dross.features.at_hand import text_encoder

__all__ = ["EXPERIMENTS", "Answers", "NotPresentError", "Plan", "Task", "data_of", "plan"]

_VALIDATION_OF_IMAGES = 10_000
_ANOMALOUS_ARRHYTHMIA_SHARE = 0.15


class NotPresentError(InputError):
    """The data set is here, but not the part of it that a setting asks for."""


@dataclass(frozen=True)
class Task:
    """What a method gets: rows to fit and rows to score, without labels."""

    train: NDArray[np.float32]
    scored: NDArray[np.float32]

    @property
    def is_transductive(self) -> bool:
        """Whether the training rows are the scored ones."""
        return self.scored is self.train


@dataclass(frozen=True)
class Answers:
    """What only metrics may see, and methods whose own protocol looks at labels.

    Attributes
    ----------
    is_anomaly : bool array
        Of the scored rows.
    is_anomaly_trained : bool array
        Of the training rows.
    flagged_share : float or None
        The share of rows that F1 calls anomalous, where the protocol states one.
    validation : tuple of rows and bool array, or None
        Labelled rows, prepared as the others.
    sub_classes : array or None
        Of each training row, where the experiment knows classes of normal rows.
    """

    is_anomaly: NDArray[np.bool_]
    is_anomaly_trained: NDArray[np.bool_]
    flagged_share: float | None = None
    validation: tuple[NDArray[np.float32], NDArray[np.bool_]] | None = None
    sub_classes: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Plan:
    """A draw from a data set, and how its rows are prepared.

    Attributes
    ----------
    sub_classes : int array or None
        Of all rows of the data, a number for each group of normal classes; see `Answers`.
    """

    data: Data
    draw: Draw
    is_anomaly: NDArray[np.bool_]
    prepare: Callable[[Any, Any], preparations.Pair]
    flagged_share: float | None = None
    sub_classes: NDArray[np.int64] | None = None

    def carry_out(self, at_most: int | None = None) -> tuple[Task, Answers, str]:
        """Take the rows and prepare them; return them with the answers and the draw as a sentence.

        Parameters
        ----------
        at_most : int, optional
            Thin every part of the draw to so many rows.
        """
        draw = self.draw if at_most is None else self.draw.thinned(at_most)
        train = self.data.rows.take(draw.train)
        scored = train if draw.is_transductive else self.data.rows.take(draw.scored)
        task = Task(*self.prepare(train, scored))
        validation = None
        if draw.validation is not None:
            _, rows = self.prepare(train, self.data.rows.take(draw.validation))
            validation = rows, self.is_anomaly[draw.validation]
        sub_classes = None if self.sub_classes is None else self.sub_classes[draw.train]
        answers = Answers(
            self.is_anomaly[draw.scored],
            self.is_anomaly[draw.train],
            self.flagged_share,
            validation,
            sub_classes,
        )
        return task, answers, draw.sentence


def kdd(data: Data, seed: int, *, share: float, n_train: int | None = None) -> Plan:
    """Half of the rows to test; the other half's attacks and a share of its normal traffic, the anomaly."""
    is_anomaly = data.labels == "normal"
    draw = protocols.inductive(
        np.flatnonzero(~is_anomaly),
        np.flatnonzero(is_anomaly),
        protocols.random_test_rows(len(is_anomaly), 0.5, seed),
        share=share,
        seed=seed,
        n_train=n_train,
    )
    return Plan(data, draw, is_anomaly, preparations.one_hot)


def counts(
    data: Data,
    seed: int,
    *,
    normal: Any,
    n_normal: int,
    n_anomalies: int,
    anomalous: Sequence[Any] | None = None,
    features: str = "raw",
) -> Plan:
    """Stated numbers of a normal class and of the others, evenly from these; pixels or NetVLAD."""
    if features not in ("raw", "netvlad"):
        raise ParameterError(f"The features are {features!r}; they must be raw or netvlad.")
    normal_rows, anomalies, is_anomaly = _classes(data, normal, anomalous)
    draw = protocols.transductive_by_counts(
        normal_rows,
        anomalies,
        n_normal=n_normal,
        n_anomalies=n_anomalies,
        seed=seed,
        classes=data.labels[anomalies],
    )
    prepare = preparations.unit_pixels if features == "raw" else partial(preparations.netvlad, seed=seed)
    return Plan(data, draw, is_anomaly, prepare)


def ucf_crime(data: Data, seed: int, *, category: str, n_videos: int | None = None) -> Plan:
    """All segments of a category's videos, or of so many of them, as they are."""
    if data.groups is None:
        raise InputError("These video features do not say which video a segment is of.")
    rng = np.random.default_rng(seed)
    videos = [video for video in np.unique(data.groups) if str(video).startswith(category.replace(" ", ""))]
    if not videos:
        raise NotPresentError(f"data not present: videos of {category}")
    videos = list(rng.permutation(videos)[:n_videos])
    rows = rng.permutation(np.flatnonzero(np.isin(data.groups, videos)))
    is_anomaly = data.labels == "anomalous"
    sentence = (
        f"{len(rows)} segments of {len(videos)} videos, {is_anomaly[rows].mean():.1%} of them anomalous."
    )
    return Plan(data, Draw(rows, rows, sentence), is_anomaly, preparations.plain)


def video(data: Data, seed: int, *, video: str) -> Plan:
    """All segments of one video in their order, as they are; nothing is drawn."""
    del seed
    rows = np.flatnonzero(data.groups == video) if data.groups is not None else np.zeros(0, np.int64)
    if not len(rows):
        raise NotPresentError(f"data not present: the video {video}")
    is_anomaly = data.labels == "anomalous"
    sentence = f"The {len(rows)} segments of {video}, {is_anomaly[rows].mean():.1%} of them anomalous."
    return Plan(data, Draw(rows, rows, sentence), is_anomaly, preparations.plain)


def one_class(
    data: Data,
    seed: int,
    *,
    normal: Any,
    anomalous: Sequence[Any] | None = None,
    n_train: int | None = None,
    n_clusters: int | None = None,
    level: int | None = None,
) -> Plan:
    """The normal classes' training rows, clean; their test rows and those of the others are scored.

    The sub-classes are the normal classes, or ``n_clusters`` groups of them, neighbours in ``normal``
    together. ``level`` names the groups of a hierarchy of classes, which is not at hand.
    """
    draw, is_anomaly = _own_split(data, seed, normal, anomalous, share=0.0, n_train=n_train)
    classes = list(np.atleast_1d(normal))
    sub_classes = np.full(len(data.labels), -1)
    for place, name in enumerate(classes):
        sub_classes[data.labels == name] = place * (n_clusters or len(classes)) // len(classes)
    return Plan(data, draw, is_anomaly, preparations.unit_pixels, sub_classes=sub_classes)


def gan(data: Data, seed: int, *, normal: Any, share: float, n_test: int, n_train: int | None = None) -> Plan:
    """A contaminated training part, and as many normal as anomalous rows to score; pixels from -1 to 1.

    The paper's training cells are also turned by three random angles each; here they are not.
    """
    draw, is_anomaly = _own_split(data, seed, normal, None, share=share, n_train=n_train, n_test=n_test)
    return Plan(data, draw, is_anomaly, preparations.signed_pixels)


def toll_images(data: Data, seed: int, *, normal: Any, n_validation: int = _VALIDATION_OF_IMAGES) -> Plan:
    """The normal class's training rows but for the validation rows, clean; the whole test part is scored."""
    draw, is_anomaly = _own_split(data, seed, normal, None, share=0.0, n_validation=n_validation)
    is_grey = data.rows.take(draw.train[:1]).shape[1] == 1
    prepare = preparations.standardised_pixels if is_grey else preparations.contrast_normalised
    return Plan(data, draw, is_anomaly, prepare)


def arrhythmia(data: Data, seed: int) -> Plan:
    """A fifth to test, three tenths to validate, the normal rest to train; F1 with 15 % flagged."""
    is_anomaly = data.labels == "anomalous"
    n = len(is_anomaly)
    draw = protocols.inductive(
        np.flatnonzero(~is_anomaly),
        np.flatnonzero(is_anomaly),
        protocols.random_test_rows(n, 0.2, seed),
        share=0.0,
        seed=seed,
        n_validation=round(0.3 * n),
    )
    return Plan(data, draw, is_anomaly, preparations.standardised, _ANOMALOUS_ARRHYTHMIA_SHARE)


def rsrae(
    data: Data,
    seed: int,
    *,
    normal: Any,
    ratio: float,
    n_normal: int,
    part: str = "",
    n_terms: int | None = None,
    features: str = "",
) -> Plan:
    """One class and ``ratio`` times as many others (drawn; RSRAE's code takes the first ones of the file).

    ``part = "test"`` draws from the data set's own test part. Texts are TF-IDF with ``n_terms`` terms, whose
    weights come from the whole data set, before the draw, or with ``features = "text_encoder"`` its vectors.
    """
    normal_rows, anomalies, is_anomaly = _classes(data, normal, None)
    if part == "test" and data.is_test is not None:
        normal_rows, anomalies = normal_rows[data.is_test[normal_rows]], anomalies[data.is_test[anomalies]]
    draw = protocols.transductive_by_ratio(
        normal_rows, anomalies, ratio=ratio, seed=seed, n_normal=min(n_normal, len(normal_rows))
    )
    if features == "text_encoder":
        encoder = text_encoder()
        if encoder is None:
            raise NotPresentError("text encoder not present")
        return Plan(data, draw, is_anomaly, partial(preparations.text_vectors, encoder=encoder))
    if isinstance(data.rows, TextRows) and n_terms is not None:
        return Plan(replace(data, rows=data.rows.tfidf(n_terms)), draw, is_anomaly, preparations.plain)
    return Plan(data, draw, is_anomaly, preparations.unit_sphere_pixels)


EXPERIMENTS: dict[str, Callable[..., Plan]] = {
    "arrhythmia": arrhythmia,
    "counts": counts,
    "gan": gan,
    "kdd": kdd,
    "one_class": one_class,
    "rsrae": rsrae,
    "toll_images": toll_images,
    "ucf_crime": ucf_crime,
    "video": video,
}


def data_of(experiment: str, setting: dict[str, Any]) -> str:
    """Return the name of the data set that an experiment reads.

    Examples
    --------
    >>> data_of("rsrae", {"data": "reuters"}), data_of("kdd", {"share": 0.1})
    ('reuters', 'kdd')
    """
    return str(setting.get("data", "ucf_crime" if experiment == "video" else experiment))


def plan(experiment: str, setting: dict[str, Any], data: Data, seed: int) -> Plan:
    """Return the plan of one setting with one seed."""
    return EXPERIMENTS[experiment](data, seed, **{k: v for k, v in setting.items() if k != "data"})


def _classes(
    data: Data, normal: Any, anomalous: Sequence[Any] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    absent = sorted(
        {str(one) for one in [*np.atleast_1d(normal), *(anomalous or ())]}
        - set(map(str, np.unique(data.labels)))
    )
    if absent:
        raise NotPresentError(f"data not present: {', '.join(absent)}")
    is_normal = np.isin(data.labels, normal)
    is_other = ~is_normal if anomalous is None else np.isin(data.labels, anomalous)
    return np.flatnonzero(is_normal), np.flatnonzero(is_other), ~is_normal


def _own_split(
    data: Data,
    seed: int,
    normal: Any,
    anomalous: Sequence[Any] | None,
    *,
    share: float,
    n_train: int | None = None,
    n_test: int | None = None,
    n_validation: int = 0,
) -> tuple[Draw, NDArray[np.bool_]]:
    normal_rows, anomalies, is_anomaly = _classes(data, normal, anomalous)
    is_test = data.is_test
    if is_test is None:
        is_test = protocols.random_test_rows(len(data.labels), 0.2, seed)
    draw = protocols.inductive(
        normal_rows,
        anomalies,
        is_test,
        share=share,
        seed=seed,
        n_train=n_train,
        n_test=n_test,
        n_validation=n_validation,
    )
    return draw, is_anomaly
