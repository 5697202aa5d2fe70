"""Toll's theorems on linear nets, and the gradient of its loss, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dross.detectors.toll import Toll, TollModule


def rows(n: int, d: int, seed: int = 0) -> Tensor:
    """Rows with columns of different variance, not independent."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(d, d, generator=generator, dtype=torch.float64)
    return torch.randn(n, d, generator=generator, dtype=torch.float64) @ mixing


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_codes_collapse_along_eigenvectors(seed: int) -> None:
    """Theorem 1: under the code's norm alone W(t) = W(0) · sum_i exp(-lambda_i t) v_i v_i^T."""
    X = rows(50, 4, seed)
    eigenvalues, eigenvectors = torch.linalg.eigh(X.T @ X / len(X))
    start = torch.randn(2, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    encoder = nn.Linear(4, 2, bias=False, dtype=torch.float64)
    encoder.weight.data.copy_(start)
    time, n_steps = 2 / float(eigenvalues.max()), 2000
    for _ in range(n_steps):
        encoder.zero_grad()
        (encoder(X).square().sum(dim=1).mean() / 2).backward()
        encoder.weight.data -= time / n_steps * encoder.weight.grad
    expected = start @ eigenvectors @ torch.diag(torch.exp(-eigenvalues * time)) @ eigenvectors.T
    np.testing.assert_allclose(encoder.weight.detach(), expected, atol=2e-3)
    # Directions of larger variance collapse further.
    left = (encoder.weight.detach() @ eigenvectors).norm(dim=0) / (start @ eigenvectors).norm(dim=0)
    assert (left.diff() < 0).all()


def test_weights_follow_the_coupled_equations() -> None:
    """Theorem 2, for 1/(2n) · (|X - W_d W_e X|² + beta |W_e X|²): the flow against autograd."""
    X, beta = rows(40, 5), 0.7
    encoder = nn.Linear(5, 2, bias=False, dtype=torch.float64)
    decoder = nn.Linear(2, 5, bias=False, dtype=torch.float64)
    z = encoder(X)
    (((X - decoder(z)).square().sum() + beta * z.square().sum()) / (2 * len(X))).backward()
    w_e, w_d, covariance = encoder.weight.detach(), decoder.weight.detach(), X.T @ X / len(X)
    residual = torch.eye(5, dtype=torch.float64) - w_d @ w_e
    flow_e = w_d.T @ residual @ covariance - beta * w_e @ covariance
    flow_d = residual @ covariance @ w_e.T
    np.testing.assert_allclose(-encoder.weight.grad, flow_e, rtol=1e-10)
    np.testing.assert_allclose(-decoder.weight.grad, flow_d, rtol=1e-10)


def test_gradient_of_the_loss_of_linear_nets() -> None:
    """Of |x - W_d W_e x|² + beta |W_e x|, whose norm is not squared: its pull has length beta everywhere."""
    X, beta = rows(40, 5).float(), 0.7
    module = TollModule(nn.Linear(5, 2, bias=False), nn.Linear(2, 5, bias=False), beta)
    module.loss(X).backward()
    w_e, w_d = module.encoder.weight.detach(), module.decoder.weight.detach()
    z = X @ w_e.T
    error = X - z @ w_d.T
    directions = z / z.norm(dim=1, keepdim=True)
    expected_e = (-2 * w_d.T @ error.T @ X + beta * directions.T @ X) / len(X)
    expected_d = -2 * error.T @ z / len(X)
    np.testing.assert_allclose(module.encoder.weight.grad, expected_e, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(module.decoder.weight.grad, expected_d, rtol=1e-4, atol=1e-5)


def test_score_by_hand() -> None:
    module = TollModule(nn.Linear(2, 1, bias=False), nn.Linear(1, 2, bias=False), beta=10.0)
    module.encoder.weight.data.copy_(torch.tensor([[1.0, 0.0]]))
    module.decoder.weight.data.copy_(torch.tensor([[1.0], [0.0]]))
    np.testing.assert_allclose(module.score(torch.tensor([[3.0, 4.0], [0.0, 2.0]])).detach(), [46.0, 4.0])


@pytest.mark.parametrize("row", [np.zeros(4), np.ones(4)])
def test_codes_of_length_zero_train(row: np.ndarray) -> None:
    """The norm has no gradient at 0: rows that are all alike must not turn weights into NaN."""
    X = np.tile(row, (30, 1))
    detector = Toll(max_epochs=5, batch_size=8, beta=1000.0, random_state=0).fit(X)
    assert np.isfinite(detector.anomaly_scores_).all()
    assert np.ptp(detector.anomaly_scores_) == 0
