"""OC-NN: response, objective and bias by hand; who learns from what."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from dross.detectors.ocnn import OCNN, OCNNModule
from dross.errors import ParameterError


def sigmoid(value: float) -> float:
    return 1 / (1 + float(np.exp(-value)))


def module(nu: float) -> OCNNModule:
    net = OCNNModule(nn.Identity(), nn.Identity(), 1, 2, nu)
    net.hidden.weight.data = torch.tensor([[1.0], [-2.0]])
    net.output.weight.data = torch.tensor([[3.0, 1.0]])
    return net


def test_score_is_bias_minus_response() -> None:
    net = module(0.5)
    net.bias.fill_(2.0)
    expected = 2 - 3 * sigmoid(0.5) - sigmoid(-1.0)
    assert net.score(torch.tensor([[0.5]])).item() == pytest.approx(expected)


def test_objective_by_hand() -> None:
    low, middle, high = sorted(3 * sigmoid(z) + sigmoid(-2 * z) for z in (-1.0, 0.0, 1.0))
    # The median is the bias; one of three rows lies below it.
    expected = (1 + 4 + 9 + 1) / 2 + (middle - low) / 3 / 0.5 - middle
    value = module(0.5).objective(torch.tensor([[-1.0], [0.0], [1.0]]))
    assert value.item() == pytest.approx(expected)
    assert high > middle


def test_encoder_learns_from_reconstruction_alone() -> None:
    net = OCNNModule(nn.Linear(3, 1), nn.Linear(1, 3), 1, 2, 0.1)
    x = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    net.objective(net.encoder(x).detach()).backward()
    assert net.encoder.weight.grad is None
    net.loss(x).backward()
    together = net.encoder.weight.grad.clone()
    net.zero_grad()
    (net.decoder(net.encoder(x)) - x).square().mean().backward()
    torch.testing.assert_close(together, net.encoder.weight.grad)


@pytest.mark.parametrize("nu", [0.1, 0.4])
def test_share_nu_lies_below_the_bias(nu: float) -> None:
    X = np.random.default_rng(0).random(size=(200, 1, 16, 16))
    scores = OCNN(nu=nu, max_epochs=1, random_state=0).fit(X).anomaly_scores_
    assert (scores > 0).mean() == pytest.approx(nu, abs=0.005)


@pytest.mark.parametrize("nu", [0.0, 1.0, "much"])
def test_nu_is_a_share(nu: float) -> None:
    with pytest.raises(ParameterError, match="nu"):
        OCNN(nu=nu).fit(np.zeros((4, 1, 16, 16)))
