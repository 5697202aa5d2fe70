"""The growing nets against slow references."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from dross.nets.progressive_gan import (
    EqualConv2d,
    EqualLinear,
    GrowingGenerator,
    GrowingReader,
    faded,
    minibatch_deviation,
    n_levels,
    pixel_norm,
    widths_of,
)

WIDTHS = [4, 3, 2]


def generator() -> GrowingGenerator:
    torch.manual_seed(0)
    return GrowingGenerator(5, 2, WIDTHS)


def reader(*, compares: bool) -> GrowingReader:
    torch.manual_seed(1)
    return GrowingReader(2, WIDTHS, 3, compares=compares)


@pytest.mark.parametrize("side", [0, 2, 6, 48])
def test_sides_are_powers_of_two(side: int) -> None:
    with pytest.raises(ValueError, match=f"power of two from 4, got {side}"):
        n_levels(side)


def test_widths_halve_beyond_32() -> None:
    assert widths_of(16, 8) == [8, 8, 8]
    assert widths_of(256, 2) == [2, 2, 2, 2, 1, 1, 1]


class TestEqualised:
    def test_outputs_keep_the_variance_of_unit_inputs_times_the_gain(self) -> None:
        torch.manual_seed(0)
        x = torch.randn(400, 64, 6, 6)
        inner = EqualConv2d(64, 64, 3)(x)[:, :, 1:-1, 1:-1]
        assert inner.var().item() == pytest.approx(2.0, rel=0.05)
        assert EqualLinear(64, 64, gain=1)(torch.randn(2000, 64)).var().item() == pytest.approx(1, rel=0.05)

    def test_weights_are_scaled_as_they_are_used(self) -> None:
        layer = EqualLinear(8, 1, gain=2.0)
        layer.weight.data.fill_(3.0)
        layer.bias.data.fill_(1.0)
        assert layer(torch.ones(1, 8)).item() == pytest.approx(8 * 3 * 2 / 8**0.5 + 1)
        convolution = EqualConv2d(2, 1, 3, gain=1.0)
        convolution.weight.data.fill_(1.0)
        centre = convolution(torch.ones(1, 2, 3, 3))[0, 0, 1, 1].item()
        assert centre == pytest.approx(18 / 18**0.5)


def test_pixel_norm_is_over_channels() -> None:
    x = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    np.testing.assert_allclose(pixel_norm(x).square().mean(dim=1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(pixel_norm(7 * x), pixel_norm(x), rtol=1e-5)


def test_minibatch_deviation_against_numpy() -> None:
    x = torch.randn(5, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    extra = minibatch_deviation(x)[:, 3]
    np.testing.assert_allclose(extra, x.numpy().std(axis=0).mean(), rtol=1e-5)
    same = minibatch_deviation(x[:1].repeat(5, 1, 1, 1))[:, 3]
    np.testing.assert_allclose(same, 1e-4, rtol=1e-3)


def test_faded_goes_from_half_the_resolution_to_all_of_it() -> None:
    x = torch.arange(16.0).view(1, 1, 4, 4)
    coarse = torch.tensor([[2.5, 4.5], [10.5, 12.5]]).repeat_interleave(2, 0).repeat_interleave(2, 1)
    assert torch.equal(faded(x, 0.0)[0, 0], coarse)
    assert torch.equal(faded(x, 1.0), x)
    assert torch.allclose(faded(x, 0.25)[0, 0], 0.75 * coarse + 0.25 * x[0, 0])


class TestGrowth:
    @pytest.mark.parametrize("level", [0, 1, 2])
    def test_sizes(self, level: int) -> None:
        images = generator()(torch.randn(3, 5), level, 1.0)
        assert images.shape == (3, 2, 4 << level, 4 << level)
        assert reader(compares=True)(images, level, 1.0).shape == (3, 3)

    @pytest.mark.parametrize("level", [1, 2])
    def test_at_alpha_0_a_new_level_changes_nothing(self, level: int) -> None:
        z = torch.randn(3, 5, generator=torch.Generator().manual_seed(2))
        before = functional.interpolate(generator()(z, level - 1, 1.0), scale_factor=2)
        assert torch.allclose(generator()(z, level, 0.0), before)
        large = functional.interpolate(before, scale_factor=1)
        small = functional.avg_pool2d(large, 2)
        net = reader(compares=False)
        assert torch.allclose(net(large, level, 0.0), net(small, level - 1, 1.0), atol=1e-6)

    def test_alpha_mixes(self) -> None:
        z = torch.randn(3, 5, generator=torch.Generator().manual_seed(2))
        net = generator()
        mixed = 0.7 * net(z, 2, 0.0) + 0.3 * net(z, 2, 1.0)
        assert torch.allclose(net(z, 2, 0.3), mixed, atol=1e-6)

    def test_lower_layers_alone_learn_at_a_low_level(self) -> None:
        net = reader(compares=True)
        net(torch.randn(3, 2, 8, 8), 1, 1.0).sum().backward()
        without = {name for name, parameter in net.named_parameters() if parameter.grad is None}
        expected = {n for n, _ in net.named_parameters() if n.startswith(("stages.1", "from_image.2"))}
        assert without == expected | {n for n, _ in net.named_parameters() if n.startswith("from_image.0")}

    def test_the_length_of_a_code_is_lost(self) -> None:
        z = torch.randn(3, 5, generator=torch.Generator().manual_seed(2))
        assert torch.allclose(generator()(z, 1, 1.0), generator()(9 * z, 1, 1.0), atol=1e-5)

    def test_an_encoder_sees_each_image_alone_and_a_critic_the_batch(self) -> None:
        x = torch.randn(4, 2, 8, 8, generator=torch.Generator().manual_seed(2))
        for compares in (False, True):
            net = reader(compares=compares)
            alone = torch.cat([net(one[None], 1, 1.0) for one in x])
            assert torch.allclose(net(x, 1, 1.0), alone, atol=1e-6) is not compares
            seen = torch.cat([net.features(one[None], 1, 1.0) for one in x])
            assert torch.allclose(net.features(x, 1, 1.0), seen, atol=1e-6)


def test_codes_wider_than_the_channels_fill_all_their_dimensions() -> None:
    torch.manual_seed(0)
    encoder = GrowingReader(2, WIDTHS, 12, compares=False)
    codes = encoder(torch.randn(100, 2, 8, 8), 1, 1.0)
    assert torch.linalg.matrix_rank(codes - codes.mean(dim=0)) == 12
