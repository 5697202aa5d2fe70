"""What detectors share that tell transformations apart."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from dross import registry
from dross.detectors.e3outlier import E3Outlier
from dross.detectors.geom import GEOM
from dross.detectors.gt_lfr import GTLFR, GTLFRModule
from dross.detectors.jigsaw import Jigsaw
from dross.detectors.rotation_translation import RotationTranslation, RotationTranslationModule
from dross.detectors.rotnet import RotNet
from dross.errors import ParameterError
from dross.nets.lfr import LFRLayers
from dross.nets.wide_resnet import WideResNet
from dross.pretext import classifier
from dross.pretext.classifier import TransformationClassifier
from dross.pretext.transformations import Geometric, Rotations, RotationsAndTranslations
from quick import VIEW_NAMES, quick


@pytest.fixture
def module() -> TransformationClassifier:
    torch.manual_seed(0)
    return TransformationClassifier(WideResNet(2, 4, depth=4), Rotations(8)).eval()


def images(n: int) -> Tensor:
    return torch.randn(n, 2, 8, 8, generator=torch.Generator().manual_seed(1))


def test_drawn_views_are_those_named(module: TransformationClassifier) -> None:
    x = images(200)
    views, which = module.draw(x)
    assert torch.bincount(which).min() > 30
    for turns in range(4):
        assert torch.equal(views[which == turns], x[which == turns].rot90(turns, (2, 3)))


def test_loss_is_the_cross_entropy_of_a_draw(module: TransformationClassifier) -> None:
    x = images(5)
    torch.manual_seed(3)
    loss = module.loss(x)
    torch.manual_seed(3)
    views, which = module.draw(x)
    expected = -functional.log_softmax(module.net(views), dim=1)[range(5), which].mean()
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize("at_once", [1, 600, 10**6])
def test_views_in_parts(
    module: TransformationClassifier, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classifier, "_PIXELS_AT_ONCE", at_once)
    x = images(5)
    expected = torch.stack([module.net(x.rot90(turns, (2, 3))) for turns in range(4)], dim=1)
    torch.testing.assert_close(module.logits(x), expected)


@pytest.mark.parametrize("name", VIEW_NAMES)
def test_the_views_of_all_images_are_never_there_at_once(name: str) -> None:
    """Neither in training nor in scoring: those of a batch at most, or of the pixels taken at once."""
    X = np.random.default_rng(0).random((40, 1, 16, 16))
    sizes: list[int] = []
    detector = registry.get(name)(**quick(name) | {"batch_size": 16, "random_state": 0, "contamination": 0.1})
    with pytest.MonkeyPatch.context() as patch:
        forward = nn.Conv2d.forward
        patch.setattr(classifier, "_PIXELS_AT_ONCE", 20 * 16**2)
        patch.setattr(nn.Conv2d, "forward", lambda layer, x: sizes.append(len(x)) or forward(layer, x))
        detector.fit(X)
    n_views = len(detector.module_.transformations)
    assert max(sizes) <= max(20, n_views)


def test_cross_entropy_as_a_share_of_guessing(
    module: TransformationClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classifier, "_VIEWS_TO_TELL", 6)
    flat, which = torch.zeros(6, 4), torch.tensor([0, 1, 2, 3, 0, 1])
    assert module.tallied_errors(flat, which).tolist() == pytest.approx([math.log(4)] * 6)
    certain = torch.full((2, 4), -99.0).fill_diagonal_(99.0)
    module.tallied_errors(certain, torch.tensor([0, 1]))
    assert module.take_share_of_guessing() == pytest.approx(6 / 8)
    module.tallied_errors(flat, which)
    assert module.take_share_of_guessing() == pytest.approx(1)
    module.tallied_errors(flat[:5], which[:5])
    assert module.take_share_of_guessing() is None
    module.tallied_errors(flat[:1], which[:1])
    assert module.take_share_of_guessing() == pytest.approx(1)  # of all six


def test_heads_that_know_nothing_guess() -> None:
    transformations = RotationsAndTranslations(8)
    heads = RotationTranslationModule(WideResNet(1, 10, depth=4), transformations)
    heads.tallied_errors(torch.zeros(1_000, 10), torch.arange(1_000) % 36)
    assert heads.take_share_of_guessing() == pytest.approx(1)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_the_share_leaves_out_the_loss_of_subspaces(reduction: Literal["sum", "mean"]) -> None:
    torch.manual_seed(0)
    net, transformations = WideResNet(1, 72, depth=4), Geometric(8)
    nn.init.zeros_(net.head.weight)
    nn.init.zeros_(net.head.bias)
    layers = LFRLayers(72, net.n_features, 2, 1.0, 1.0, reduction=reduction)
    module = GTLFRModule(net, transformations, layers)
    module.loss(torch.randn(1_000, 1, 8, 8))
    assert module.take_share_of_guessing() == pytest.approx(1)


X = np.random.default_rng(0).normal(size=(40, 1, 8, 8)).astype(np.float32)


def test_an_epoch_meets_every_image_once(monkeypatch: pytest.MonkeyPatch) -> None:
    met: list[Tensor] = []
    draw = TransformationClassifier.draw

    def noted(self: TransformationClassifier, x: Tensor) -> tuple[Tensor, Tensor]:
        met.append(x)
        return draw(self, x)

    monkeypatch.setattr(TransformationClassifier, "draw", noted)
    RotNet(depth=4, max_epochs=2, batch_size=16, standardize=False, random_state=0).fit(X)
    assert [len(x) for x in met] == [14, 14, 12] * 2  # 16 at most, and alike
    for epoch in (met[:3], met[3:]):
        seen = torch.cat(epoch).flatten(1)
        assert (seen[:, None] == torch.from_numpy(X).flatten(1)).all(dim=2).sum(dim=0).tolist() == [1] * 40


def lit(n: int = 40) -> NDArray[np.float32]:
    """Images lit from above: it is easily learnt by how much one was turned."""
    noise = 0.05 * np.random.default_rng(0).normal(size=(n, 1, 8, 8))
    return (np.linspace(0, 1, 8)[:, None] + noise).astype(np.float32)


def test_training_ends_once_transformations_are_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifier, "_VIEWS_TO_TELL", 40)

    def fit(stop_at: float | None) -> RotNet:
        return RotNet(depth=4, max_epochs=30, batch_size=16, lr=0.01, stop_at=stop_at, random_state=0).fit(
            lit()
        )

    whole, half = fit(None), fit(0.5)
    assert len(whole.history_) == 30
    assert not whole.converged_
    shares = [entry["share_of_guessing"] for entry in half.history_]
    assert half.converged_
    assert half.training_end_.endswith(f"{len(half.history_)} of 30 epochs: enough was learnt.")
    assert shares[-1] < 0.5 <= min(shares[:-1])
    assert shares == [entry["share_of_guessing"] for entry in whole.history_[: len(shares)]]


def test_which_stop_early() -> None:
    early = [(one.stop_at, one.width, one.max_epochs) for one in (GEOM(), GTLFR())]
    assert early == [(0.5, 1, 72)] * 2
    as_published = (E3Outlier(), Jigsaw(), RotNet(), RotationTranslation())
    assert {(one.stop_at, one.width) for one in as_published} == {(None, 4)}


@pytest.mark.parametrize("stop_at", [0.0, 1.0, "half"])
def test_shares_that_there_are_not(stop_at: Any) -> None:
    with pytest.raises(ParameterError, match="stop_at"):
        RotNet(depth=4, stop_at=stop_at).fit(X)


@pytest.mark.parametrize("depth", [5, 12])
def test_depths_that_there_are_not(depth: int) -> None:
    with pytest.raises(ParameterError, match=rf"depth.*{depth}"):
        RotNet(depth=depth).fit(np.zeros((4, 1, 8, 8)))


def test_images_that_are_not_square() -> None:
    with pytest.raises(ParameterError, match="8 x 9"):
        RotNet(depth=4).fit(np.zeros((4, 1, 8, 9)))
