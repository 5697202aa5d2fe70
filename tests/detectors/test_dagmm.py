"""DAGMM: mixture, energy and loss by hand; degenerate rows."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dross.detectors.dagmm import DAGMM, DAGMMModule, energy, mixture


def test_mixture_by_hand() -> None:
    z = torch.tensor([[0.0], [2.0], [10.0]], dtype=torch.float64)
    membership = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    weights, means, covariances = mixture(z, membership, diagonal=0.5)
    assert weights.tolist() == pytest.approx([2 / 3, 1 / 3])
    assert means.flatten().tolist() == pytest.approx([1.0, 10.0])
    assert covariances.flatten().tolist() == pytest.approx([1.5, 0.5])


def test_energy_by_hand() -> None:
    weights = torch.tensor([0.25, 0.75], dtype=torch.float64)
    means = torch.tensor([[0.0, 0.0], [3.0, 0.0]], dtype=torch.float64)
    covariances = torch.stack([torch.eye(2), torch.tensor([[2.0, 1.0], [1.0, 2.0]])]).double()
    value = energy(torch.tensor([[1.0, 1.0]], dtype=torch.float64), weights, means, covariances)
    # (-2, 1): the inverse is ((2, -1), (-1, 2)) / 3, so 14 / 3; the determinant is 3.
    density = 0.25 * math.exp(-1) / (2 * math.pi) + 0.75 * math.exp(-7 / 3) / (2 * math.pi * math.sqrt(3))
    assert value.item() == pytest.approx(-math.log(density))


class Half(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x / 2


def test_points_are_code_relative_distance_and_cosine() -> None:
    net = DAGMMModule(Half(), Half(), 2, 1, 0.1, 0.005, 0.1)
    points, rebuilt = net.points(torch.tensor([[3.0, 4.0]]))
    # Rebuilt to a quarter: three quarters of the length are missing, the direction is the same.
    assert rebuilt.tolist() == [[0.75, 1.0]]
    assert points[0].tolist() == pytest.approx([1.5, 2.0, 0.75, 1.0])


def test_loss_by_hand() -> None:
    """One component: error + 0.1 energy + 0.005 times the inverse variances."""
    net = DAGMMModule(Half(), Half(), 1, 1, 0.1, 0.005, 0.1).eval()
    x = torch.tensor([[1.0], [3.0]])
    # Codes 0.5 and 1.5 of variance 0.25; distance 0.75 and cosine 1 of both, of variance 0.
    variances = [0.35, 0.1, 0.1]
    mahalanobis = 0.25 / 0.35
    mean_energy = mahalanobis / 2 + 0.5 * sum(math.log(2 * math.pi * v) for v in variances)
    expected = (0.75**2 + 2.25**2) / 2 + 0.1 * mean_energy + 0.005 * sum(1 / v for v in variances)
    assert net.loss(x).item() == pytest.approx(expected, rel=1e-5)


def test_mixture_is_that_of_the_training_rows() -> None:
    X = np.random.default_rng(0).normal(size=(300, 4))
    detector = DAGMM(max_epochs=2, random_state=0).fit(X)
    module = detector.module_
    z, membership = torch.from_numpy(detector._map_batches(X, module.memberships)).split([3, 4], dim=1)
    expected = mixture(z, membership, detector.diagonal)
    for value, name in zip(expected, ("weights", "means", "covariances"), strict=True):
        torch.testing.assert_close(getattr(module, name), value, rtol=1e-4, atol=1e-5)
    assert module.weights.sum().item() == pytest.approx(1)


@pytest.mark.parametrize("diagonal", [1e-9, 0.1])
def test_rows_all_alike(diagonal: float) -> None:
    X = np.full((50, 3), 7.0)
    detector = DAGMM(max_epochs=3, diagonal=diagonal, random_state=0).fit(X)
    assert np.isfinite(detector.anomaly_scores_).all()
    assert np.isfinite(detector.anomaly_score(np.array([[1e9, -1e9, 0.0]]))).all()


def test_score_is_the_energy_of_the_points() -> None:
    X = np.random.default_rng(0).normal(size=(100, 3))
    detector = DAGMM(max_epochs=2, random_state=0).fit(X)
    module = detector.module_
    points = torch.from_numpy(detector._map_batches(X, lambda x: module.points(x)[0]))
    expected = energy(points, module.weights, module.means, module.covariances)
    np.testing.assert_allclose(detector.anomaly_scores_, expected, rtol=1e-4, atol=1e-4)
