"""Wide residual nets for small images, as most work on transformations of images takes them."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from dross.errors import ParameterError

__all__ = ["WideResNet", "check_depth"]


def check_depth(depth: int) -> None:
    """Raise a `ParameterError` unless a wide residual net may have this depth."""
    if depth < 4 or depth % 6 != 4:
        raise ParameterError(f"depth of a wide residual net must be 4, 10, 16, ...; got {depth}.")


class _Block(nn.Module):
    """Two convolutions, each after batch norm and ReLU, and the way around them."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(n_in)
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.around = None if n_in == n_out else nn.Conv2d(n_in, n_out, 1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's images."""
        active = torch.relu(self.norm1(x))
        around = x if self.around is None else self.around(active)
        inner: Tensor = self.conv2(torch.relu(self.norm2(self.conv1(active))))
        return inner + around


class WideResNet(nn.Module):
    """WRN-d-k: a convolution, three groups of residual blocks of ``16 k``, ``32 k`` and ``64 k`` channels.

    The second and third group halve the sides, for any size of images; the mean over the pixels is the
    feature, a linear layer classifies it. Begun as its authors do: convolutions normal with variance
    ``2 / n_inputs``, batch norms at 1 and 0, the linear layer uniform within ``1 / sqrt(n_features)``, with
    offsets 0.

    Parameters
    ----------
    n_channels : int
        Of the images.
    n_classes : int
    depth : int, default 10
        ``6 n + 4`` for n blocks a group; 4 leaves the first convolution alone.
    width : int, default 4
        The factor k.

    Attributes
    ----------
    n_features : int
        Width of the features: ``64 k``, or 16 without blocks.

    References
    ----------
    Zagoruyko, Komodakis: Wide residual networks. BMVC 2016, arXiv 1605.07146.

    Examples
    --------
    >>> net = WideResNet(1, 72)
    >>> net.features(torch.zeros(2, 1, 28, 28)).shape, net(torch.zeros(2, 1, 28, 28)).shape
    (torch.Size([2, 256]), torch.Size([2, 72]))
    """

    def __init__(self, n_channels: int, n_classes: int, depth: int = 10, width: int = 4) -> None:
        super().__init__()
        check_depth(depth)
        n_blocks = (depth - 4) // 6
        channels = (16, 16 * width, 32 * width, 64 * width) if n_blocks else (16,)
        layers: list[nn.Module] = [nn.Conv2d(n_channels, channels[0], 3, padding=1, bias=False)]
        for group, (n_in, n_out) in enumerate(pairwise(channels)):
            layers.append(_Block(n_in, n_out, stride=1 if group == 0 else 2))
            layers += [_Block(n_out, n_out, stride=1) for _ in range(n_blocks - 1)]
        self.body = nn.Sequential(*layers, nn.BatchNorm2d(channels[-1]))
        self.n_features = channels[-1]
        self.head = nn.Linear(self.n_features, n_classes)
        self.apply(_begin)

    def features(self, x: Tensor) -> Tensor:
        """Return the features of images ``(b, c, h, w)``, shape (b, n_features)."""
        return torch.relu(self.body(x)).mean(dim=(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of images ``(b, c, h, w)``, shape (b, n_classes)."""
        logits: Tensor = self.head(self.features(x))
        return logits


def _begin(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        bound = 1 / math.sqrt(module.in_features)
        nn.init.uniform_(module.weight, -bound, bound)
        nn.init.zeros_(module.bias)
