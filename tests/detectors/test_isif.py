"""ISIF: its loss by hand, and neighbours in its embedding."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from dross.detectors.isif import ISIF
from dross.errors import ParameterError
from dross.nets.isif import ISIFModule, instance_loss
from dross.nets.resnet import ResNet18


def images(n: int = 24, c: int = 1, side: int = 16) -> NDArray[np.float32]:
    return np.random.default_rng(0).uniform(0, 255, (n, c, side, side)).astype(np.float32)


def slow_loss(z: torch.Tensor, views: torch.Tensor, temperature: float) -> float:
    """The published sums, one probability at a time."""
    n = len(z)

    def p(i: int, f: torch.Tensor) -> float:
        weights = [math.exp(float(z[k] @ f) / temperature) for k in range(n)]
        return weights[i] / sum(weights)

    total = 0.0
    for i in range(n):
        total += math.log(p(i, views[i]))
        total += sum(math.log(1 - p(i, z[j])) for j in range(n) if j != i)
    return -total / n


def test_loss_is_the_published_one() -> None:
    generator = torch.Generator().manual_seed(0)
    z, views = nn.functional.normalize(torch.randn(2, 5, 3, generator=generator), dim=2)
    for temperature in (0.5, 1.0):
        expected = slow_loss(z, views, temperature)
        assert instance_loss(z, views, temperature).item() == pytest.approx(expected, rel=1e-5)


def test_loss_of_equal_images_is_finite() -> None:
    same = torch.tensor([[1.0, 0.0]]).expand(1, 2)
    assert instance_loss(same, same, 0.1).item() == 0.0  # one image: nothing to tell apart
    # Two equal images are taken for each other half of the time: log 2 for each, twice.
    assert instance_loss(same.expand(2, 2), same.expand(2, 2), 0.1).item() == pytest.approx(2 * math.log(2))


def test_score_is_the_mean_distance_to_the_nearest() -> None:
    module = ISIFModule(nn.Flatten(), lambda x: x, 0.1, n_known=3, n_outputs=2)
    module.known.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]))
    x = torch.tensor([[5.0, 0.0]]).view(1, 1, 1, 2)
    assert module.score(x, 2, "cosine").item() == pytest.approx((0 + 1) / 2)
    assert module.score(x, 3, "euclidean").item() == pytest.approx((0 + math.sqrt(2) + 2) / 3)


def test_training_images_leave_themselves_out() -> None:
    X = images()
    detector = ISIF(n_neighbors=2, max_epochs=1, batch_size=8, random_state=0).fit(X)
    z = detector.embed(X)
    distances = 1 - z @ z.T
    np.fill_diagonal(distances, np.inf)
    expected = np.sort(distances, axis=1)[:, :2].mean(axis=1)
    np.testing.assert_allclose(detector.anomaly_scores_, expected, atol=1e-5)


def test_a_draw_of_the_images_is_remembered() -> None:
    X = images(40)
    detector = ISIF(max_samples=10, max_epochs=1, batch_size=8, random_state=0).fit(X)
    np.testing.assert_allclose(
        detector.module_.known.numpy(), detector.embed(X[detector.known_rows_]), atol=1e-6
    )
    others = np.setdiff1d(np.arange(40), detector.known_rows_)
    np.testing.assert_allclose(detector.anomaly_scores_[others], detector.anomaly_score(X[others]), atol=1e-6)


def test_more_neighbours_than_images_are_all_images() -> None:
    X = images(4)
    few, many = (ISIF(n_neighbors=k, max_epochs=1, random_state=0).fit(X) for k in (3, 50))
    assert few.anomaly_scores_.tolist() == many.anomaly_scores_.tolist()


def test_scoring_follows_the_parameter() -> None:
    X = images()
    detector = ISIF(max_epochs=1, batch_size=8, random_state=0).fit(X)
    cosine = detector.anomaly_score(X)
    euclidean = detector.set_params(scoring="euclidean").anomaly_score(X)
    assert (cosine != euclidean).all()
    with pytest.raises(ParameterError, match="scoring of ISIF must be one of cosine, euclidean"):
        detector.set_params(scoring="manhattan").anomaly_score(X)


@pytest.mark.parametrize(("channels", "expected"), [(1, nn.Sequential), (3, ResNet18)])
def test_net_by_channels(channels: int, expected: type) -> None:
    X = images(4, channels)
    detector = ISIF(max_epochs=1, random_state=0).fit(X)
    assert isinstance(detector.module_.net, expected)


def test_rates_fall_twice() -> None:
    detector = ISIF()
    factors = [detector._lr_factor(epoch, 200) for epoch in (0, 119, 120, 159, 160, 199)]
    assert factors == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_views_lie_where_pixels_do() -> None:
    """Bytes, shares and shifted pixels make the same views, hence the same scores."""
    X = images()
    shifted = [X, X / 255, X * 3 - 100]
    scores = [ISIF(max_epochs=1, batch_size=8, random_state=0).fit(x).anomaly_scores_ for x in shifted]
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-3)
    np.testing.assert_allclose(scores[0], scores[2], rtol=1e-3)
