"""Sub-clusters: given or found, their classifier and its scores."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

import dross
from dross.checkpoint import Checkpoint
from dross.clustering.sub_clusters import SubClusters
from dross.detectors.isif import ISIF
from dross.detectors.sub_clusters import SubClusterClassifier
from dross.errors import ParameterError
from dross.monitor import Monitor
from dross.nets.resnet import ResNet18
from dross.nets.sub_clusters import SubClusterModule, classifier_net
from dross.nets.wide_resnet import WideResNet
from dross.pretext.random_views import RandomViews
from dross.scoring import energy, max_softmax, odin


def kinds(n: int = 120, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Rows of three kinds, in turn."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    centers = np.array([[-3.0, 0.0], [3.0, 0.0], [0.0, 5.0]])
    return (centers[y] + 0.3 * rng.normal(size=(n, 2))).astype(np.float32), y


def pictures(n: int = 60, side: int = 16) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    """Bars across or upright, at any height and brightness."""
    rng = np.random.default_rng(0)
    X = 0.05 * rng.normal(size=(n, 1, side, side))
    for number, place in enumerate(rng.integers(2, side - 4, n)):
        bar = X[number, 0] if number % 2 else X[number, 0].T
        bar[place : place + 2] += rng.uniform(0.5, 1)
    return X.astype(np.float32), np.where(np.arange(n) % 2, "across", "upright")


def test_what_lies_between_the_kinds_is_unusual() -> None:
    X, y = kinds()
    detector = SubClusterClassifier(max_epochs=30, batch_size=30, random_state=0).fit(X, y)
    for scoring, least in (("max", 0.3), ("energy", -6.0), ("odin", 0.6)):
        detector.set_params(scoring=scoring)
        between, within = detector.anomaly_score([[0.0, 1.7], [0.0, 5.0]])
        assert between > within
        assert between > least


def test_given_sub_clusters_may_have_any_names() -> None:
    X, y = kinds()
    names = np.array(["b", "a", "c"])[y]
    detector = SubClusterClassifier(max_epochs=2, random_state=0).fit(X, names)
    assert detector.labels_.shape == (120, 1)
    assert np.array(["a", "b", "c"])[detector.labels_[:, 0]].tolist() == names.tolist()


def test_found_sub_clusters_are_the_kinds_and_parts_of_them() -> None:
    X, y = kinds()
    detector = SubClusterClassifier(max_epochs=1, random_state=0).fit(X)
    assert (detector.labels_.max(axis=0) + 1).tolist() == [3, 6]  # 20 rows for each: 12 and 24 are too many
    assert len(set(zip(y.tolist(), detector.labels_[:, 0].tolist(), strict=True))) == 3


def test_number_of_sub_clusters_can_be_asked_for() -> None:
    X, _ = kinds()
    for asked, expected in ((5, [5]), ((2, 7), [2, 7])):
        detector = SubClusterClassifier(n_sub_clusters=asked, max_epochs=1, random_state=0).fit(X)
        assert (detector.labels_.max(axis=0) + 1).tolist() == expected


def test_images_are_clustered_in_an_embedding() -> None:
    X, _ = pictures()
    detector = SubClusterClassifier(n_sub_clusters=3, embedding_epochs=2, max_epochs=1, random_state=0).fit(X)
    isif = ISIF(max_epochs=2, contamination=0.1, random_state=detector.seed_).fit(X)
    clusters = SubClusters(n_clusters=3, random_state=detector.seed_).fit(isif.embed(X))
    assert detector.labels_[:, 0].tolist() == clusters.predict(isif.embed(X)).tolist()


@pytest.mark.parametrize(
    ("y", "words"),
    [
        ([0, 1], r"each of the 120 rows; got shape \(2,\)"),
        (np.zeros(120), "at least two of them"),
        (np.where(np.arange(120) % 9, 1.0, np.nan), "some names are missing"),
        (["a", None] * 60, "some names are missing"),
        (pd.array(["a", pd.NA] * 60, dtype="string"), "some names are missing"),
        (np.arange(120), "a name of its own"),
    ],
)
def test_bad_sub_clusters_are_refused(y: object, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        SubClusterClassifier(max_epochs=1).fit(kinds()[0], y)


def test_scores_are_means_over_the_heads() -> None:
    X, _ = pictures()
    detector = SubClusterClassifier(n_sub_clusters=(2, 3), embedding="raw", max_epochs=2, random_state=0).fit(
        X
    )
    net, x = detector.module_.net, detector._standardised(torch.from_numpy(X))
    with torch.inference_mode():
        logits = net(x)
    for scoring, score in (("max", max_softmax), ("energy", energy)):
        expected = (score(logits[:, :2]) + score(logits[:, 2:])) / 2
        found = detector.set_params(scoring=scoring).anomaly_score(X)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    detector.set_params(scoring="odin", temperature=10.0, eps=0.1)
    step = 0.1 * torch.from_numpy(detector.scale_).view(-1, 1, 1)
    first, second = (
        odin(lambda x, part=part: net(x)[:, part], x, temperature=10.0, eps=step)
        for part in (slice(2), slice(2, None))
    )
    np.testing.assert_allclose(detector.anomaly_score(X), (first + second) / 2, atol=1e-6)


def test_loss_is_the_mean_over_the_heads() -> None:
    module = SubClusterModule(nn.Identity(), (2, 3))
    logits = torch.tensor([[1.0, 0.0, 0.0, 2.0, 0.0], [0.0, 3.0, 1.0, 0.0, 0.0]])
    labels = torch.tensor([[0, 1], [1, 2]])
    rights = [(1.0, [1, 0]), (3.0, [0, 3]), (2.0, [0, 2, 0]), (0.0, [1, 0, 0])]
    errors = [math.log(sum(math.exp(v) for v in values)) - right for right, values in rights]
    assert module.loss(logits, labels).item() == pytest.approx(sum(errors) / 4)


def test_rate_falls_as_a_cosine() -> None:
    detector = SubClusterClassifier()
    detector.module_ = SubClusterModule(nn.Identity(), (2,))
    assert [detector._lr_factor(epoch, 4) for epoch in range(4)] == pytest.approx(
        [1.0, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2]
    )


def test_resnet_learns_parts_of_images_at_a_rate_that_falls_by_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []
    monkeypatch.setattr(RandomViews, "part", lambda views, x: 0 * x + 7)
    loss = SubClusterModule.loss
    monkeypatch.setattr(SubClusterModule, "loss", lambda *a: seen.append(float(a[1].mean())) or loss(*a))
    X = np.random.default_rng(0).random((4, 3, 16, 16)).astype(np.float32)
    detector = SubClusterClassifier(net="resnet18", max_epochs=2, random_state=0, contamination=0.25)
    detector.fit(X, [0, 0, 1, 1])
    assert seen == [7.0] * 2
    assert [detector._lr_factor(epoch, 200) for epoch in (0, 9, 10, 25)] == pytest.approx([1, 1, 0.8, 0.64])


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((1, 28, 28), nn.Sequential), ((3, 32, 32), WideResNet), ((3, 65, 40), ResNet18), ((7,), nn.Sequential)],
)
def test_nets_by_kind_of_rows(shape: tuple[int, ...], expected: type) -> None:
    net = classifier_net("auto", shape, 4, 10, 1)
    assert isinstance(net, expected)
    assert net.eval()(torch.zeros(2, *shape)).shape == (2, 4)


def test_heads_travel_with_the_model() -> None:
    X, _ = pictures()
    detector = SubClusterClassifier(n_sub_clusters=(2, 4), embedding="raw", max_epochs=1, random_state=0)
    values, arrays = detector.fit(X).get_state()
    again = SubClusterClassifier(max_epochs=1).set_state(values, arrays)
    assert again.anomaly_score(X).tolist() == detector.anomaly_score(X).tolist()


class _Stopping(Monitor):
    """Asks for a stop after so many reports."""

    def __init__(self, checkpoint: Checkpoint, after: float, *, resume: bool) -> None:
        super().__init__(checkpoint, resume)
        self.left = after

    def progress(self, epoch: int, n_epochs: int, fraction: float, loss: float) -> None:
        self.left -= 1
        if self.left <= 0:
            self.stop_requested = True


@pytest.mark.parametrize("after", [2, 7])  # while the embedding is learnt, and while the classifier is
def test_both_trainings_are_taken_up_again(
    after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dross.training, "_CHECKPOINT_SECONDS", -1.0)
    monkeypatch.setattr(dross.training, "_PROGRESS_SECONDS", 1e9)
    X, _ = pictures()
    steps: list[str] = []
    step = dross.training.Training._step

    def counted(self: dross.training.Training, rows: torch.Tensor) -> torch.Tensor:
        steps.append(type(self.detector).__name__)
        return step(self, rows)

    monkeypatch.setattr(dross.training.Training, "_step", counted)

    def detector() -> SubClusterClassifier:
        return SubClusterClassifier(
            n_sub_clusters=2, embedding_epochs=4, max_epochs=4, batch_size=30, random_state=0
        )

    whole = detector().fit(X)
    taken = steps.copy()
    assert set(taken) == {"ISIF", "SubClusterClassifier"}
    checkpoint = Checkpoint(tmp_path, "key")
    steps.clear()
    with pytest.raises(KeyboardInterrupt):
        detector().set_monitor(_Stopping(checkpoint, after, resume=False)).fit(X)
    before = len(steps)
    resumed = detector().set_monitor(_Stopping(checkpoint, math.inf, resume=True)).fit(X)
    np.testing.assert_array_equal(resumed.anomaly_scores_, whole.anomaly_scores_)
    assert steps == taken, "no step is taken twice"
    assert 0 < before < len(taken)


def test_the_clusters_of_a_table_are_sought_as_it_is_trained_on() -> None:
    """One absurd cell does no harm to the others' clusters."""
    X, _ = kinds()
    wild = X.astype(np.float64)
    wild[7, 0] = 1e200
    detector = SubClusterClassifier(n_sub_clusters=3, max_epochs=1, random_state=0).fit(wild)
    assert np.isfinite(detector.anomaly_scores_).all()


def test_rows_beyond_those_clustered_take_the_nearests_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = kinds()
    monkeypatch.setattr("dross.detectors.sub_clusters._CLUSTERED_ROWS", 60)
    detector = SubClusterClassifier(n_sub_clusters=3, max_epochs=1, random_state=0).fit(X)
    assert len(set(zip(y.tolist(), detector.labels_[:, 0].tolist(), strict=True))) == 3


def test_names_of_several_types() -> None:
    X, _ = kinds()
    names = np.array([1, "a", 2.5] * 40, dtype=object)
    detector = SubClusterClassifier(max_epochs=1, random_state=0).fit(X, names)
    assert detector.labels_[:6, 0].tolist() == [0, 2, 1, 0, 2, 1]
    numbers = np.array([10, 2, 3] * 40, dtype=object)
    assert detector.fit(X, numbers).labels_[:3, 0].tolist() == [2, 0, 1]


def test_isif_embeds_images_alone() -> None:
    with pytest.raises(ParameterError, match="takes images only"):
        SubClusterClassifier(embedding="isif").fit(np.random.default_rng(0).normal(size=(60, 3)))


def test_the_embedding_takes_no_more_epochs_than_were_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int | None] = []
    fit = ISIF._fit
    monkeypatch.setattr(ISIF, "_fit", lambda isif, X: asked.append(isif.max_epochs) or fit(isif, X))
    X = np.random.default_rng(0).random((60, 1, 8, 8))
    for embedding_epochs, expected in ((None, 2), (3, 3)):
        SubClusterClassifier(
            n_sub_clusters=2, max_epochs=2, embedding_epochs=embedding_epochs, random_state=0
        ).fit(X)
        assert asked.pop() == expected


@pytest.mark.parametrize(("name", "value"), [("depth", 12), ("n_sub_clusters", (1,)), ("n_sub_clusters", 1)])
def test_bad_parameters_are_refused_before_anything_is_learnt(name: str, value: object) -> None:
    with pytest.raises(ParameterError, match=name):
        SubClusterClassifier(**{name: value}).check_parameters()
