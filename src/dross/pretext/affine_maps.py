"""Random affine maps of table rows: what turning is to images."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["RandomAffineMaps"]


class RandomAffineMaps(nn.Module):
    """Maps ``x -> W x + b`` with numbers drawn once, to be told apart by a classifier.

    Parameters
    ----------
    n_maps : int
    n_features : int
        Width of the rows.
    n_outputs : int
        Width of what they are mapped to.

    Attributes
    ----------
    weight, offset : Tensor of shape (n_maps, n_outputs, n_features) and (n_maps, n_outputs)
        Standard normal, from torch's generator; buffers, so that a model file keeps them.

    References
    ----------
    Bergman, Hoshen: Classification-based anomaly detection for general data. ICLR 2020, arXiv 2005.02359.

    Examples
    --------
    >>> maps = RandomAffineMaps(4, 3, 2)
    >>> maps.all(torch.zeros(5, 3)).shape, len(maps)
    (torch.Size([5, 4, 2]), 4)
    """

    weight: Tensor
    offset: Tensor

    def __init__(self, n_maps: int, n_features: int, n_outputs: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.randn(n_maps, n_outputs, n_features))
        self.register_buffer("offset", torch.randn(n_maps, n_outputs))

    def __len__(self) -> int:
        return len(self.weight)

    def all(self, x: Tensor) -> Tensor:
        """Return rows ``(b, d)`` under every map, shape (b, n_maps, n_outputs)."""
        flat = nn.functional.linear(x, self.weight.flatten(0, 1), self.offset.flatten())
        return flat.view(len(x), *self.offset.shape)
