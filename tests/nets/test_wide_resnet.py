"""The wide residual net: its layers, its start, its sizes."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from dross.nets.wide_resnet import WideResNet


def test_layers_of_wrn_10_4() -> None:
    net = WideResNet(3, 72, depth=10, width=4)
    shapes = [tuple(m.weight.shape) for m in net.modules() if isinstance(m, nn.Conv2d)]
    assert shapes == [
        (16, 3, 3, 3),
        (64, 16, 3, 3), (64, 64, 3, 3), (64, 16, 1, 1),
        (128, 64, 3, 3), (128, 128, 3, 3), (128, 64, 1, 1),
        (256, 128, 3, 3), (256, 256, 3, 3), (256, 128, 1, 1),
    ]  # fmt: skip
    assert net.head.weight.shape == (72, 256)


def test_weights_of_wrn_28_10() -> None:
    """The number that its authors give: 36.5 million."""
    with torch.device("meta"):
        net = WideResNet(3, 10, depth=28, width=10)
    assert sum(p.numel() for p in net.parameters()) == pytest.approx(36.5e6, rel=2e-3)


def test_start() -> None:
    torch.manual_seed(0)
    net = WideResNet(1, 1000)
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 10_000:
            n_inputs = module.in_channels * module.kernel_size[0] * module.kernel_size[1]
            assert module.weight.std().item() == pytest.approx(math.sqrt(2 / n_inputs), rel=0.03)
    assert net.head.bias.eq(0).all()
    assert net.head.weight.abs().max().item() == pytest.approx(1 / 16, rel=1e-3)


@pytest.mark.parametrize("side", [8, 27, 28, 32])
def test_any_side(side: int) -> None:
    net = WideResNet(1, 5, width=1)
    x = torch.randn(3, 1, side, side)
    assert net.features(x).shape == (3, 64)
    assert torch.equal(net(x), net.head(net.features(x)))


def test_one_convolution() -> None:
    net = WideResNet(1, 5, depth=4)
    assert net(torch.randn(2, 1, 8, 8)).shape == (2, 5)
    assert sum(isinstance(m, nn.Conv2d) for m in net.modules()) == 1


@pytest.mark.parametrize("depth", [3, 12, -2])
def test_depths_that_there_are_not(depth: int) -> None:
    with pytest.raises(ValueError, match=str(depth)):
        WideResNet(1, 5, depth=depth)
