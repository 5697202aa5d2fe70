"""Two convolutions and two dense layers: enough for digits and garments of 28 × 28 pixels."""

from __future__ import annotations

from torch import nn

from dross.errors import ParameterError

__all__ = ["small_conv_net"]

_CHANNELS = (32, 64)
_HIDDEN = 128
_SMALLEST_SIDE = 4
_MAP_DROPOUT, _HIDDEN_DROPOUT = 0.25, 0.5


def small_conv_net(
    input_shape: tuple[int, ...], n_outputs: int, *, norm: bool = False, dropout: bool = False
) -> nn.Sequential:
    """Return a net of two 3 × 3 convolutions, each pooled to half the side, and two dense layers.

    Parameters
    ----------
    input_shape : tuple of int
        Of one image, ``(c, h, w)``; sides of at least 4.
    n_outputs : int
    norm : bool
        Whether batch norms come before the ReLUs.
    dropout : bool
        Whether a quarter of the maps' values and half of the hidden ones are dropped in training.

    Raises
    ------
    ParameterError
        If the images are smaller.

    Examples
    --------
    >>> import torch
    >>> small_conv_net((1, 28, 28), 10)(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """
    n_channels, height, width = input_shape
    if min(height, width) < _SMALLEST_SIDE:
        raise ParameterError(
            f"Images need sides of at least {_SMALLEST_SIDE} pixels, not {height} x {width}."
        )
    layers: list[nn.Module] = []
    for n_in, n_out in zip((n_channels, *_CHANNELS), _CHANNELS, strict=False):
        layers += [nn.Conv2d(n_in, n_out, 3, padding=1, bias=not norm)]
        layers += [nn.BatchNorm2d(n_out)] if norm else []
        layers += [nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Dropout(_MAP_DROPOUT)] if dropout else []
    layers += [nn.Flatten(), nn.Linear(_CHANNELS[-1] * (height // 4) * (width // 4), _HIDDEN, bias=not norm)]
    layers += [nn.BatchNorm1d(_HIDDEN)] if norm else []
    layers += [nn.ReLU(), *([nn.Dropout(_HIDDEN_DROPOUT)] if dropout else [])]
    return nn.Sequential(*layers, nn.Linear(_HIDDEN, n_outputs))
