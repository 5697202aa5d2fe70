"""GT-LFR: loss and scores against values written out view by view."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dross.detectors.gt_lfr import GTLFR, GTLFRModule
from dross.errors import ParameterError
from dross.nets.lfr import LFRLayer, LFRLayers
from dross.nets.wide_resnet import WideResNet
from dross.pretext.transformations import Geometric

D, K = 5, 2


class Stub(WideResNet):
    """Features are linear in the pixels."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, D))
        self.head = nn.Linear(D, 72)

    def features(self, x: Tensor) -> Tensor:
        z: Tensor = self.body(x)
        return z


def module(reduction: str = "sum") -> GTLFRModule:
    torch.manual_seed(0)
    layers = LFRLayers(72, D, K, 0.3, 0.01, reduction=reduction)  # type: ignore[arg-type]
    layers.weight.data += 0.1 * torch.randn(72, K, D)
    return GTLFRModule(Stub(), Geometric(8), layers)


X = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(1))


class TestLayers:
    @pytest.mark.parametrize("reduction", ["sum", "mean"])
    def test_are_single_layers(self, reduction: str) -> None:
        layers = module(reduction).layers
        z, kind = torch.randn(6, D), torch.tensor([0, 3, 3, 71, 5, 0])
        single = []
        for weight in layers.weight:
            layer = LFRLayer(D, K, 0.3, 0.01, reduction=reduction)  # type: ignore[arg-type]
            layer.weight.data = weight.data
            single.append(layer)
        rebuilt = torch.cat([single[k].reconstruct(row[None]) for row, k in zip(z, kind, strict=True)])
        torch.testing.assert_close(layers.reconstruct(z, kind), rebuilt)
        residuals = torch.cat([single[k].residual(row[None]) for row, k in zip(z, kind, strict=True)])
        departure = torch.stack([layer.departure() for layer in single]).sum()
        reduced = residuals.sum() if reduction == "sum" else residuals.mean()
        torch.testing.assert_close(layers.loss(z, kind), 0.3 * reduced + 0.01 * departure)

    def test_begin_orthonormal(self) -> None:
        layers = LFRLayers(72, 6, 3, 1.0, 1.0)
        assert layers.departure().item() < 1e-9
        assert not torch.equal(layers.weight[0], layers.weight[1])

    def test_small_residuals_survive_autocast(self) -> None:
        layers = LFRLayers(1, 2, 1, 1.0, 0.0)
        layers.weight.data = torch.tensor([[[1.0, 0.0]]])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = layers.loss(torch.tensor([[100.0, 0.01]]), torch.tensor([0]))
        assert loss.item() == pytest.approx(0.01)


@torch.no_grad()
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_loss(reduction: str) -> None:
    """Equation 10, of the views drawn."""
    gt = module(reduction)
    torch.manual_seed(5)
    loss = gt.loss(X)
    torch.manual_seed(5)
    views, which = gt.draw(X)
    total = 0.0
    for view, m in zip(views, which.tolist(), strict=True):
        z, A = gt.net.features(view[None])[0], gt.layers.weight[m]
        total += float(-gt.net.head(z).softmax(dim=0)[m].log() + 0.3 * (z - A.T @ A @ z).norm())
    departure = sum(float(((A @ A.T - torch.eye(K)) ** 2).sum()) for A in gt.layers.weight)
    expected = (total if reduction == "sum" else total / 4) + 0.01 * departure
    assert loss.item() == pytest.approx(expected, rel=1e-4)


@torch.no_grad()
def test_scores() -> None:
    """Equations 8 and 11, taken from 1."""
    gt = module()
    views = Geometric(8).all(X)
    for variant in ("A", "B"):
        expected = []
        for image in views:
            right = 0.0
            for m, view in enumerate(image):
                z, A = gt.net.features(view[None])[0], gt.layers.weight[m]
                z = z if variant == "A" else A.T @ A @ z
                right += float(gt.net.head(z).softmax(dim=0)[m])
            expected.append(1 - right / 72)
        assert gt.score(X, variant).tolist() == pytest.approx(expected, rel=1e-5)  # type: ignore[arg-type]


def test_scores_follow_the_variant_after_a_fit() -> None:
    images = X.numpy()
    fitted = {
        scoring: GTLFR(
            scoring=scoring, depth=4, n_components=2, max_epochs=1, batch_size=64, random_state=0
        ).fit(images)  # type: ignore[arg-type]
        for scoring in ("A", "B")
    }
    assert not np.array_equal(fitted["A"].anomaly_scores_, fitted["B"].anomaly_scores_)
    changed = fitted["A"].set_params(scoring="B").anomaly_score(images)
    np.testing.assert_array_equal(changed, fitted["B"].anomaly_scores_)
    with pytest.raises(ParameterError, match="scoring"):
        fitted["A"].set_params(scoring="C").anomaly_score(images)


def test_more_components_than_features() -> None:
    with pytest.raises(ParameterError, match=r"20.*16"):
        GTLFR(depth=4).fit(X.numpy())


def test_defaults_are_published() -> None:
    detector = GTLFR()
    assert (detector.n_components, detector.lambda1, detector.lambda2) == (20, 2e-4, 1e-5)
    assert (detector.depth, detector.batch_size) == (10, 128)
