"""The autoencoder of RSRAE's code, which the LFR paper takes for all that it compares."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

__all__ = ["Activation", "Norm", "ScaleAndShift", "rsrae_nets"]

Activation = Literal["tanh", "relu", "leaky_relu"]
Norm = Literal["none", "affine", "batch"]

_WIDTHS = (32, 64, 128)
_KERNELS = (5, 5, 3)
_SLOPE = 0.2  # of a leaky ReLU: TensorFlow's default


class ScaleAndShift(nn.Module):
    """A learnt factor and offset per channel: batch norm whose statistics stay at mean 0 and variance 1.

    Parameters
    ----------
    n_channels : int
        Length of the second axis of what comes in.
    """

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n_channels))
        self.bias = nn.Parameter(torch.zeros(n_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``weight * x + bias``, along the second axis."""
        per_channel = (-1,) + (1,) * (x.dim() - 2)
        return x * self.weight.view(per_channel) + self.bias.view(per_channel)


def rsrae_nets(
    input_shape: tuple[int, ...],
    latent_dim: int | None = None,
    n_decoded: int | None = None,
    *,
    activation: Activation = "tanh",
    norm: Norm = "none",
    activate_output: bool = False,
) -> tuple[nn.Sequential, nn.Sequential, int]:
    """Return an encoder, a decoder, and the width of the code.

    Rows of a table pass dense layers of 32, 64 and 128, images convolutions of 5×5, 5×5 and 3×3, of stride 2,
    to 32, 64 and 128 channels and then, if ``latent_dim`` is given, a dense layer. All are followed by the
    activation, the code too. The decoder mirrors them.

    Parameters
    ----------
    input_shape : tuple of int
        ``(d,)`` or ``(c, h, w)``, of any size.
    latent_dim : int, optional
        Width of the code; by default 128 for tables, and for images what the convolutions give.
    n_decoded : int, optional
        Width of what the decoder takes, if that is not the code: it then begins with a dense layer to the
        width of the code.
    activation : "tanh", "relu" or "leaky_relu"
    norm : "none", "affine" or "batch"
        What follows an activation: nothing, `ScaleAndShift`, or batch norm.
    activate_output : bool
        Whether the output is activated too.
    """
    if len(input_shape) == 1:
        encoder, decoder, width = _dense(input_shape[0], latent_dim or _WIDTHS[-1], activation, norm)
    else:
        encoder, decoder, width = _convolutional(input_shape, latent_dim, activation, norm)
    if n_decoded is not None:
        decoder = [nn.Linear(n_decoded, width), *_after(width, activation, norm), *decoder]
    if activate_output:
        decoder.append(_activation(activation))
    return nn.Sequential(*encoder), nn.Sequential(*decoder), width


def _dense(
    n_features: int, latent_dim: int, activation: Activation, norm: Norm
) -> tuple[list[nn.Module], list[nn.Module], int]:
    sizes = (n_features, *_WIDTHS[:-1], latent_dim)
    encoder: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        encoder += [nn.Linear(n_in, n_out), *_after(n_out, activation, norm)]
    decoder: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes[:0:-1]):
        decoder += [nn.Linear(n_in, n_out), *_after(n_out, activation, norm)]
    return encoder, [*decoder, nn.Linear(sizes[1], n_features)], latent_dim


def _convolutional(
    input_shape: tuple[int, ...], latent_dim: int | None, activation: Activation, norm: Norm
) -> tuple[list[nn.Module], list[nn.Module], int]:
    channels = (input_shape[0], *_WIDTHS)
    sides = [input_shape[1:]]
    encoder: list[nn.Module] = []
    decoder: list[nn.Module] = []
    for (n_in, n_out), kernel in zip(pairwise(channels), _KERNELS, strict=True):
        height, width = sides[-1]
        sides.append((math.ceil(height / 2), math.ceil(width / 2)))
        # A side that was odd before halving comes back one short without the extra row.
        extra = (1 - height % 2, 1 - width % 2)
        down = nn.Conv2d(n_in, n_out, kernel, stride=2, padding=kernel // 2)
        up = nn.ConvTranspose2d(n_out, n_in, kernel, stride=2, padding=kernel // 2, output_padding=extra)
        encoder += [down, *_after(n_out, activation, norm, is_image=True)]
        decoder = [up, *(_after(n_in, activation, norm, is_image=True) if decoder else []), *decoder]
    shape = (channels[-1], *sides[-1])
    flat = math.prod(shape)
    encoder.append(nn.Flatten())
    decoder = [nn.Unflatten(1, shape), *decoder]
    if latent_dim is None:
        return encoder, decoder, flat
    encoder += [nn.Linear(flat, latent_dim), *_after(latent_dim, activation, norm)]
    decoder = [nn.Linear(latent_dim, flat), *_after(flat, activation, norm), *decoder]
    return encoder, decoder, latent_dim


def _after(n_channels: int, activation: Activation, norm: Norm, *, is_image: bool = False) -> list[nn.Module]:
    layers = [_activation(activation)]
    if norm == "affine":
        layers.append(ScaleAndShift(n_channels))
    elif norm == "batch":
        layers.append(nn.BatchNorm2d(n_channels) if is_image else nn.BatchNorm1d(n_channels))
    return layers


def _activation(name: Activation) -> nn.Module:
    return {"tanh": nn.Tanh(), "relu": nn.ReLU(), "leaky_relu": nn.LeakyReLU(_SLOPE)}[name]
