"""Residual nets of 18 layers for images of any size, with attention if asked for."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Attention", "ResNet18"]

_CHANNELS = (64, 128, 256, 512)
_SMALL_SIDE = 64
"""Up to this side the first convolution keeps the size, as is usual for CIFAR; above it, it is ImageNet's."""


class Attention(nn.Module):
    """Weights of channels, then of places, by which features are multiplied (CBAM).

    Parameters
    ----------
    n_channels : int
    reduction : int, default 16
        How much narrower the hidden layer is that weighs the channels, as published.

    References
    ----------
    Woo, Park, Lee, Kweon: CBAM: convolutional block attention module. ECCV 2018, arXiv 1807.06521.

    Examples
    --------
    >>> Attention(32)(torch.ones(2, 32, 5, 5)).shape
    torch.Size([2, 32, 5, 5])
    """

    def __init__(self, n_channels: int, reduction: int = 16) -> None:
        super().__init__()
        n_hidden = max(1, n_channels // reduction)
        self.channels = nn.Sequential(
            nn.Linear(n_channels, n_hidden), nn.ReLU(), nn.Linear(n_hidden, n_channels)
        )
        self.places = nn.Sequential(nn.Conv2d(2, 1, 7, padding=3, bias=False), nn.BatchNorm2d(1))

    def forward(self, x: Tensor) -> Tensor:
        """Return weighted features, same shape as ``x``."""
        weights = self.channels(x.mean(dim=(2, 3))) + self.channels(x.amax(dim=(2, 3)))
        x = x * torch.sigmoid(weights)[:, :, None, None]
        maps = torch.cat([x.amax(dim=1, keepdim=True), x.mean(dim=1, keepdim=True)], dim=1)
        return x * torch.sigmoid(self.places(maps))


class _Block(nn.Module):
    """Two convolutions with batch norms, and the way around them."""

    def __init__(self, n_in: int, n_out: int, stride: int, *, attention: bool) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(),
            nn.Conv2d(n_out, n_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
            Attention(n_out) if attention else nn.Identity(),
        )
        self.around: nn.Module = nn.Identity()
        if stride != 1 or n_in != n_out:
            self.around = nn.Sequential(
                nn.Conv2d(n_in, n_out, 1, stride=stride, bias=False), nn.BatchNorm2d(n_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's images."""
        return torch.relu(self.inner(x) + self.around(x))


class ResNet18(nn.Module):
    """ResNet-18: a convolution, eight residual blocks, the mean over the pixels, a linear layer.

    Begun as its authors do: convolutions normal with variance ``2 / n_inputs``; the linear layer as
    torch does.

    Parameters
    ----------
    input_shape : tuple of int
        Of one image, ``(c, h, w)``. Up to sides of 64 pixels the first convolution is 3 × 3 and keeps the
        size; larger images meet ImageNet's, 7 × 7 and pooled, to a quarter of the side.
    n_outputs : int
    attention : bool
        Whether each block weighs its channels and places, see `Attention`.

    References
    ----------
    He, Zhang, Ren, Sun: Deep residual learning for image recognition. CVPR 2016, arXiv 1512.03385.

    Examples
    --------
    >>> ResNet18((3, 32, 32), 128)(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 128])
    """

    def __init__(self, input_shape: tuple[int, ...], n_outputs: int, *, attention: bool = False) -> None:
        super().__init__()
        n_channels, *sides = input_shape
        is_small = max(sides) <= _SMALL_SIDE
        stem: list[nn.Module] = [
            nn.Conv2d(n_channels, 64, 3, padding=1, bias=False)
            if is_small
            else nn.Conv2d(n_channels, 64, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(),
        ]
        if not is_small:
            stem.append(nn.MaxPool2d(3, stride=2, padding=1))
        blocks: list[nn.Module] = []
        n_in = 64
        for stage, n_out in enumerate(_CHANNELS):
            blocks.append(_Block(n_in, n_out, 1 if stage == 0 else 2, attention=attention))
            blocks.append(_Block(n_out, n_out, 1, attention=attention))
            n_in = n_out
        self.body = nn.Sequential(*stem, *blocks)
        self.head = nn.Linear(n_in, n_outputs)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs of images ``(b, c, h, w)``, shape (b, n_outputs)."""
        outputs: Tensor = self.head(self.body(x).mean(dim=(2, 3)))
        return outputs
