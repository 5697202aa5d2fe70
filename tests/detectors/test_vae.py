"""VAE: the bound by hand, and scores without noise."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from dross.detectors.vae import VAE, VAEModule
from dross.errors import ParameterError


def linear(weights: list[list[float]]) -> nn.Linear:
    layer = nn.Linear(len(weights[0]), len(weights), bias=False)
    layer.weight.data = torch.tensor(weights)
    return layer


def module(beta: float) -> VAEModule:
    """Mean ``x_1``, log variance ``x_2``; a code ``z`` is decoded to ``(z, 0)``."""
    return VAEModule(linear([[1.0, 0.0], [0.0, 1.0]]), linear([[1.0], [0.0]]), beta)


def test_score_is_the_negative_bound_at_the_mean() -> None:
    # Rebuilt (3, 0): error (0 + log(2)²); divergence 3² + 2 - log(2) - 1, both halved.
    log2 = math.log(2)
    score = module(beta=4.0).score(torch.tensor([[3.0, log2]]))
    assert score.item() == pytest.approx((log2**2 + 4 * (9 + 2 - log2 - 1)) / 2)


def test_loss_draws_the_code() -> None:
    # Mean 0, variance 1: no divergence, and an error of the drawn z alone, of mean 1.
    torch.manual_seed(0)
    loss = module(beta=1.0).loss(torch.zeros(100_000, 2))
    assert loss.item() == pytest.approx(0.5, abs=0.01)


def test_far_rows_have_finite_scores() -> None:
    assert torch.isfinite(module(beta=1.0).score(torch.full((2, 2), 1e6))).all()


def test_beta_reaches_the_score() -> None:
    X = np.random.default_rng(0).normal(size=(60, 4))
    low, high = (
        VAE(beta=beta, max_epochs=1, random_state=0).fit(X).anomaly_scores_.mean() for beta in (0.0, 100.0)
    )
    assert high > low


def test_negative_beta_is_refused() -> None:
    with pytest.raises(ParameterError, match="beta"):
        VAE(beta=-1.0).fit(np.eye(4))
