"""Generator, critic and encoder that grow together from 4×4, as those of the progressive GAN.

Level 0 is 4×4, each further level doubles the side. A net holds the layers of all its levels; ``level`` and
``alpha`` of a call say how far it has grown: ``alpha`` below 1 mixes the newest layers with the level before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = [
    "EqualConv2d",
    "EqualLinear",
    "GrowingGenerator",
    "GrowingReader",
    "faded",
    "minibatch_deviation",
    "n_levels",
    "pixel_norm",
    "widths_of",
]

_SMALLEST = 4
_FULL_WIDTH_UP_TO = 32
_SLOPE = 0.2  # of leaky ReLU, as published
_GAIN = math.sqrt(2)  # He's, after a rectifier


def n_levels(side: int) -> int:
    """Return how many sizes there are from 4×4 to a side, a power of two.

    Examples
    --------
    >>> n_levels(4), n_levels(32), n_levels(64)
    (1, 4, 5)
    """
    levels = side.bit_length() - _SMALLEST.bit_length() + 1
    if levels < 1 or side != _SMALLEST << (levels - 1):
        raise ValueError(f"The side must be a power of two from {_SMALLEST}, got {side}.")
    return levels


def widths_of(side: int, channels: int) -> list[int]:
    """Return the channels at each level: all of them up to 32×32, half as many with each doubling after.

    Examples
    --------
    >>> widths_of(128, 512)
    [512, 512, 512, 512, 256, 128]
    """
    sides = [_SMALLEST << level for level in range(n_levels(side))]
    return [max(1, channels * _FULL_WIDTH_UP_TO // max(side, _FULL_WIDTH_UP_TO)) for side in sides]


def pixel_norm(x: Tensor) -> Tensor:
    """Divide by the root of the mean square over channels (dimension 1).

    Examples
    --------
    >>> pixel_norm(torch.tensor([[3.0, 4.0]])).tolist()
    [[0.848528..., 1.131370...]]
    """
    return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-8)


def minibatch_deviation(x: Tensor) -> Tensor:
    """Append a channel that holds the mean deviation of all values over the batch ``(b, c, h, w)``.

    A generator that draws one image again and again gives itself away by it.

    Examples
    --------
    >>> x = torch.tensor([1.0, 3.0]).view(2, 1, 1, 1)
    >>> minibatch_deviation(x).flatten(1).tolist()
    [[1.0, 1.0], [3.0, 1.0]]
    """
    deviation = (x.var(dim=0, correction=0) + 1e-8).sqrt().mean()
    return torch.cat([x, deviation.expand(len(x), 1, *x.shape[2:])], dim=1)


def faded(x: Tensor, alpha: float) -> Tensor:
    """Return images ``alpha`` of the way from half their resolution to their own.

    Real images are faded as generated ones are, or the critic would tell them by their sharpness.
    """
    if alpha >= 1:
        return x
    coarse = functional.interpolate(functional.avg_pool2d(x, 2), scale_factor=2)
    return torch.lerp(coarse, x, alpha)


class EqualLinear(nn.Linear):
    """A dense layer with equalised learning rate: unit weights, scaled by He's constant as they are used.

    Parameters
    ----------
    n_in, n_out : int
    gain : float
        1 for an output, √2 before a rectifier.
    """

    def __init__(self, n_in: int, n_out: int, gain: float = _GAIN) -> None:
        super().__init__(n_in, n_out)
        self.scale = gain / math.sqrt(n_in)
        nn.init.normal_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x W^T · scale + b``."""
        return functional.linear(x, self.weight * self.scale, self.bias)


class EqualConv2d(nn.Conv2d):
    """A convolution with equalised learning rate that keeps the size; see `EqualLinear`.

    Parameters
    ----------
    n_in, n_out : int
        Channels.
    side : int
        Of the kernel, odd.
    gain : float
        1 for an output, √2 before a rectifier.
    """

    def __init__(self, n_in: int, n_out: int, side: int, gain: float = _GAIN) -> None:
        super().__init__(n_in, n_out, side, padding=side // 2)
        self.scale = gain / math.sqrt(n_in * side**2)
        nn.init.normal_(self.weight)
        nn.init.zeros_(self.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution by the scaled weights."""
        out: Tensor = self._conv_forward(x, self.weight * self.scale, self.bias)
        return out


class GrowingGenerator(nn.Module):
    """Codes to images.

    Parameters
    ----------
    latent_dim : int
        Width of the codes.
    n_colours : int
        Channels of the images.
    widths : sequence of int
        Channels at each level, 4×4 first.
    """

    def __init__(self, latent_dim: int, n_colours: int, widths: Sequence[int]) -> None:
        super().__init__()
        # The published gain of the first layer is a quarter: its input has no zeros.
        self.dense = EqualLinear(latent_dim, widths[0] * _SMALLEST**2, _GAIN / 4)
        self.first = EqualConv2d(widths[0], widths[0], 3)
        self.stages = nn.ModuleList(
            nn.ModuleList([EqualConv2d(n_in, n_out, 3), EqualConv2d(n_out, n_out, 3)])
            for n_in, n_out in pairwise(widths)
        )
        self.to_image = nn.ModuleList(EqualConv2d(width, n_colours, 1, gain=1) for width in widths)

    def forward(self, z: Tensor, level: int, alpha: float) -> Tensor:
        """Return images ``(b, n_colours, s, s)`` of side ``4 · 2**level``, float32.

        A code's length is lost here: it is brought to the root of its width.
        """
        x = _rectified(self.dense(pixel_norm(z)).unflatten(1, (-1, _SMALLEST, _SMALLEST)))
        before = x = pixel_norm(_rectified(self.first(pixel_norm(x))))
        for stage in list(self.stages)[:level]:
            before, x = x, functional.interpolate(x, scale_factor=2)
            for convolution in stage:  # type: ignore[attr-defined]
                x = pixel_norm(_rectified(convolution(x)))
        image: Tensor = self.to_image[level](x).float()
        if level and alpha < 1:
            coarse = functional.interpolate(self.to_image[level - 1](before).float(), scale_factor=2)
            image = torch.lerp(coarse, image, alpha)
        return image


class GrowingReader(nn.Module):
    """Images to a few numbers: the critic, and the encoder.

    Parameters
    ----------
    n_colours : int
        Channels of the images.
    widths : sequence of int
        Channels at each level, 4×4 first.
    n_outputs : int
        1 for the critic, the width of the code for the encoder.
    compares : bool
        Whether `minibatch_deviation` is looked at: the critic does; an encoder must not, as a row's code is
        its own.
    """

    def __init__(self, n_colours: int, widths: Sequence[int], n_outputs: int, *, compares: bool) -> None:
        super().__init__()
        self.compares = compares
        self.from_image = nn.ModuleList(EqualConv2d(n_colours, width, 1) for width in widths)
        self.stages = nn.ModuleList(
            nn.ModuleList([EqualConv2d(n_in, n_in, 3), EqualConv2d(n_in, n_out, 3)])
            for n_out, n_in in pairwise(widths)
        )
        self.last = EqualConv2d(widths[0] + compares, widths[0], 3)
        n_hidden = max(widths[0], n_outputs)  # narrower, the codes of an encoder would lie in a subspace
        self.dense = EqualLinear(widths[0] * _SMALLEST**2, n_hidden)
        self.out = EqualLinear(n_hidden, n_outputs, gain=1)

    def features(self, x: Tensor, level: int, alpha: float) -> Tensor:
        """Return what is seen of images of side ``4 · 2**level``: ``(b, c, 4, 4)``, of each image alone."""
        small = functional.avg_pool2d(x, 2) if level and alpha < 1 else None
        x = _rectified(self.from_image[level](x))
        for depth in range(level, 0, -1):
            for convolution in self.stages[depth - 1]:  # type: ignore[attr-defined]
                x = _rectified(convolution(x))
            x = functional.avg_pool2d(x, 2)
            if depth == level and small is not None:
                x = torch.lerp(_rectified(self.from_image[level - 1](small)), x, alpha)
        return x

    def forward(self, x: Tensor, level: int, alpha: float) -> Tensor:
        """Return numbers ``(b, n_outputs)``, float32."""
        x = self.features(x, level, alpha)
        x = minibatch_deviation(x) if self.compares else x
        x = _rectified(self.dense(_rectified(self.last(x)).flatten(1)))
        out: Tensor = self.out(x).float()
        return out


def _rectified(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, _SLOPE)
