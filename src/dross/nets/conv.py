"""Convolutional encoders and decoders for images ``(c, h, w)`` with sides of at least 8 pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import nn

from dross.errors import ParameterError

__all__ = ["conv_decoder", "conv_encoder", "conv_output_shape"]

_SMALLEST = 4
"""Strided layers are left out once a side is this small: below it there is no picture left to halve."""


def _sides(size: tuple[int, int], n_layers: int) -> list[tuple[int, int]]:
    """Return height and width before each strided layer and after the last."""
    if min(size) < 2 * _SMALLEST:
        raise ParameterError(
            f"Images need sides of at least {2 * _SMALLEST} pixels, not {size[0]} x {size[1]}."
        )
    sides = [size]
    for _ in range(n_layers):
        if min(sides[-1]) < 2 * _SMALLEST:
            break
        height, width = sides[-1]
        sides.append((math.ceil(height / 2), math.ceil(width / 2)))
    return sides


def conv_output_shape(input_shape: tuple[int, ...], channels: Sequence[int]) -> tuple[int, int, int]:
    """Return the shape ``(c, h, w)`` before the code of `conv_encoder`."""
    sides = _sides((input_shape[1], input_shape[2]), len(channels))
    return channels[len(sides) - 2], *sides[-1]


def conv_encoder(input_shape: tuple[int, ...], channels: Sequence[int], latent_dim: int) -> nn.Sequential:
    """Return strided 3×3 convolutions that halve each side, and a linear code."""
    layers: list[nn.Module] = []
    n_in = input_shape[0]
    for n_out, _ in zip(channels, _sides((input_shape[1], input_shape[2]), len(channels))[1:], strict=False):
        layers += [nn.Conv2d(n_in, n_out, 3, stride=2, padding=1), nn.BatchNorm2d(n_out), nn.LeakyReLU(0.1)]
        n_in = n_out
    flat = math.prod(conv_output_shape(input_shape, channels))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(flat, latent_dim))


def conv_decoder(input_shape: tuple[int, ...], channels: Sequence[int], latent_dim: int) -> nn.Sequential:
    """Return the mirror image of `conv_encoder`: a code back to ``input_shape``."""
    shape = conv_output_shape(input_shape, channels)
    sides = _sides((input_shape[1], input_shape[2]), len(channels))
    layers: list[nn.Module] = [
        nn.Linear(latent_dim, math.prod(shape)),
        nn.Unflatten(1, shape),
        nn.LeakyReLU(0.1),
    ]
    widths = [input_shape[0], *channels[: len(sides) - 1]]
    for layer in range(len(sides) - 1, 0, -1):
        # A side that was odd before halving comes back one short without the extra row.
        height, width = sides[layer - 1]
        extra = (1 - height % 2, 1 - width % 2)
        n_in, n_out = widths[layer], widths[layer - 1]
        layers.append(nn.ConvTranspose2d(n_in, n_out, 3, stride=2, padding=1, output_padding=extra))
        if layer > 1:
            layers += [nn.BatchNorm2d(n_out), nn.LeakyReLU(0.1)]
    return nn.Sequential(*layers)
