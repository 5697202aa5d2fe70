"""ResNet-18: size, stem, attention by hand; the small net's shapes."""

from __future__ import annotations

import pytest
import torch

from dross.errors import ParameterError
from dross.nets.resnet import Attention, ResNet18
from dross.nets.small_conv import small_conv_net


def n_weights(net: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def test_large_images_meet_the_published_net() -> None:
    net = ResNet18((3, 224, 224), 1000)
    assert n_weights(net) == 11_689_512  # ResNet-18 as everybody counts it
    assert net(torch.zeros(1, 3, 224, 224)).shape == (1, 1000)


def test_stem_shrinks_large_images_alone() -> None:
    sizes = []
    for side in (32, 64, 128):
        net = ResNet18((1, side, side), 2).eval()
        sizes.append(net.body(torch.zeros(1, 1, side, side)).shape[2:])
    assert sizes == [(4, 4), (8, 8), (4, 4)]


def test_attention_by_hand() -> None:
    attention = Attention(2, reduction=2).eval()
    for parameter in attention.parameters():
        parameter.data.zero_()
    x = torch.arange(16.0).view(1, 2, 2, 4)
    # Weights of 0 give a half twice; batch norm's factor is 0 here too.
    torch.testing.assert_close(attention(x), x / 4)
    attention.channels[2].bias.data.copy_(torch.tensor([50.0, -50.0]))
    weighted = attention(x)
    torch.testing.assert_close(weighted[:, 0], x[:, 0] / 2)
    assert weighted[:, 1].abs().max() < 1e-6


def test_attention_is_in_every_block() -> None:
    plain, with_attention = ResNet18((3, 32, 32), 5), ResNet18((3, 32, 32), 5, attention=True)
    count = [sum(isinstance(m, Attention) for m in net.modules()) for net in (plain, with_attention)]
    assert count == [0, 8]


@pytest.mark.parametrize("norm", [False, True])
def test_small_net_takes_odd_sides(norm: bool) -> None:
    net = small_conv_net((3, 13, 30), 7, norm=norm)
    assert net(torch.zeros(2, 3, 13, 30)).shape == (2, 7)
    with pytest.raises(ParameterError, match="sides of at least 4 pixels, not 3 x 30"):
        small_conv_net((1, 3, 30), 7)
