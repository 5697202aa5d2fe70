"""RotNet, rotation and translation heads, E3Outlier and Jigsaw: scores written out view by view."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from dross.detectors.e3outlier import E3Outlier
from dross.detectors.jigsaw import Jigsaw
from dross.detectors.rotation_translation import RotationTranslation
from dross.detectors.rotnet import RotNet
from dross.errors import ParameterError
from dross.pretext.classifier import TransformationDetector

X = np.random.default_rng(0).uniform(size=(6, 2, 8, 8)).astype(np.float32)


def fit(cls: type[TransformationDetector], X: NDArray[np.float32] = X, **options: Any) -> Any:
    return cls(**{"depth": 4, "max_epochs": 2, "batch_size": 32, "random_state": 0} | options).fit(X)


def softmaxes(detector: Any) -> Tensor:
    """Of every view of each image, shape (n, k, n_classes), from views made and classified one by one."""
    module = detector.module_
    x = (torch.from_numpy(X) - detector._center) * detector._inverse_scale
    with torch.no_grad():
        every = range(len(module.transformations))
        return torch.stack(
            [module.net(module.transformations.each(x, torch.full((6,), i))).double() for i in every], dim=1
        ).softmax(dim=2)


class TestRotNet:
    def test_max(self) -> None:
        detector = fit(RotNet)
        expected = 1 - softmaxes(detector).amax(dim=2).mean(dim=1)
        np.testing.assert_allclose(detector.anomaly_scores_, expected, rtol=1e-4)

    def test_odin_is_max_where_nothing_is_changed(self) -> None:
        detector = fit(RotNet)
        changed = detector.set_params(scoring="odin", eps=0.0, temperature=1.0).anomaly_score(X)
        np.testing.assert_allclose(changed, detector.anomaly_scores_, rtol=1e-6)

    def test_a_step_makes_surer(self) -> None:
        detector = fit(RotNet, scoring="odin", eps=0.0, temperature=1.0)
        stepped = detector.set_params(eps=0.001).anomaly_score(X)
        assert (stepped < detector.anomaly_scores_).all()

    def test_the_step_is_in_the_images_unit(self) -> None:
        pixels = fit(RotNet, scoring="odin", eps=0.01, temperature=1.0)
        in_bytes = fit(RotNet, 255 * X, scoring="odin", eps=2.55, temperature=1.0)
        np.testing.assert_allclose(in_bytes.anomaly_scores_, pixels.anomaly_scores_, rtol=1e-3)
        assert not np.allclose(pixels.set_params(eps=2.55).anomaly_score(X), pixels.anomaly_scores_)

    @pytest.mark.parametrize("options", [{"scoring": "kl"}, {"temperature": 0.0}, {"eps": -1.0}])
    def test_refused(self, options: dict[str, Any]) -> None:
        with pytest.raises(ParameterError, match=next(iter(options))):
            fit(RotNet, **options)


class TestRotationTranslation:
    def test_score(self) -> None:
        detector = fit(RotationTranslation)
        module = detector.module_
        x = (torch.from_numpy(X) - detector._center) * detector._inverse_scale
        with torch.no_grad():
            views = module.transformations.all(x)
            logits = torch.stack([module.net(view) for view in views]).double()
        divergence = torch.zeros(6, 36, dtype=torch.float64)
        for first, last in ((0, 4), (4, 7), (7, 10)):
            p, n = logits[:, :, first:last].softmax(dim=2), last - first
            divergence += (1 / n * ((1 / n) / p).log()).sum(dim=2)
        np.testing.assert_allclose(detector.anomaly_scores_, -divergence.mean(dim=1), rtol=1e-4)

    def test_loss_adds_the_heads(self) -> None:
        module = fit(RotationTranslation).module_
        x = torch.from_numpy(X)
        torch.manual_seed(7)
        loss = module.loss(x).item()
        torch.manual_seed(7)
        views, which = module.draw(x)
        expected = 0.0
        for logits, number in zip(module.net(views).detach(), which.tolist(), strict=True):
            answers = (number // 9, 4 + number // 3 % 3, 7 + number % 3)
            for answer, (first, last) in zip(answers, ((0, 4), (4, 7), (7, 10)), strict=True):
                expected += math.log(logits[first:last].exp().sum()) - logits[answer].item()
        assert loss == pytest.approx(expected / 6, rel=1e-5)


def test_e3outlier() -> None:
    detector = fit(E3Outlier)
    p = softmaxes(detector)
    assert p.shape == (6, 111, 111)
    np.testing.assert_allclose(detector.anomaly_scores_, -(p * p.log()).sum(dim=2).mean(dim=1), rtol=1e-4)


@pytest.mark.parametrize(("options", "n"), [({}, 24), ({"grid": 3, "n_orders": 10}, 10)])
def test_jigsaw(options: dict[str, Any], n: int) -> None:
    detector = fit(Jigsaw, **options)
    p = softmaxes(detector)
    assert p.shape == (6, n, n)
    np.testing.assert_allclose(detector.anomaly_scores_, 1 - p.amax(dim=2).mean(dim=1), rtol=1e-4)
    right = p.diagonal(dim1=1, dim2=2).mean(dim=1)
    np.testing.assert_allclose(detector.set_params(scoring="softmax").anomaly_score(X), 1 - right, rtol=1e-4)


def test_jigsaw_refused() -> None:
    with pytest.raises(ParameterError, match="grid"):
        fit(Jigsaw, grid=4)
    with pytest.raises(ParameterError, match="n_orders"):
        fit(Jigsaw, n_orders=1)


@pytest.mark.parametrize(
    ("cls", "k", "passes"),
    [(RotNet, 4, 200), (RotationTranslation, 36, 200), (E3Outlier, 111, 250), (Jigsaw, 24, 200)],
)
def test_epochs_are_geoms_rule(cls: type[TransformationDetector], k: int, passes: int) -> None:
    assert cls().max_epochs == math.ceil(passes / k) * k
    assert len(cls()._transformations(28)) == k
