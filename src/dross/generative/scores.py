"""Anomaly scores from an image, its reconstruction and its code; each per row, higher = more anomalous."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["discrimination", "mean_square", "min_max", "min_max_residual", "origin_distance", "residual"]


def min_max(x: Tensor) -> Tensor:
    """Return each image ``(b, c, h, w)`` stretched to [0, 1]; one without contrast becomes 0 (equation 3).

    Examples
    --------
    >>> min_max(torch.tensor([2.0, 3.0, 4.0, 6.0]).view(1, 1, 2, 2)).flatten().tolist()
    [0.0, 0.25, 0.5, 1.0]
    """
    low, high = x.amin(dim=(1, 2, 3), keepdim=True), x.amax(dim=(1, 2, 3), keepdim=True)
    stretched: Tensor = (x - low) / (high - low).masked_fill(high == low, 1.0)
    return stretched


def residual(x: Tensor, rebuilt: Tensor) -> Tensor:
    """Return the Euclidean distance of each image from its reconstruction, L_r (equation 8)."""
    distance: Tensor = torch.linalg.vector_norm((x - rebuilt).flatten(1), dim=1)
    return distance


def min_max_residual(x: Tensor, rebuilt: Tensor) -> Tensor:
    """Return the distance of the stretched images over the number of values, L_n (equation 2).

    Examples
    --------
    >>> x = torch.tensor([0.0, 1.0, 1.0, 0.0]).view(1, 1, 2, 2)
    >>> min_max_residual(x, 5 * x).item(), min_max_residual(x, -x).item()
    (0.0, 0.5)
    """
    return residual(min_max(x), min_max(rebuilt)) / math.prod(x.shape[1:])


def origin_distance(z: Tensor) -> Tensor:
    """Return minus the length of each code over the root of its width, L_o (equation 4).

    Examples
    --------
    >>> origin_distance(torch.tensor([[2.0, 2.0, 2.0, 2.0]])).item()
    -2.0
    """
    length: Tensor = torch.linalg.vector_norm(z, dim=1)
    return -length / math.sqrt(z.shape[1])


def mean_square(x: Tensor, rebuilt: Tensor) -> Tensor:
    """Return the mean squared difference of each row."""
    return (x - rebuilt).square().flatten(1).mean(dim=1)


def discrimination(x: Tensor, rebuilt: Tensor, seen: Tensor, seen_rebuilt: Tensor, kappa: float) -> Tensor:
    """Return f-AnoGAN's A: the images' mean square, and ``kappa`` times that of the critic's features."""
    return mean_square(x, rebuilt) + kappa * mean_square(seen, seen_rebuilt)
