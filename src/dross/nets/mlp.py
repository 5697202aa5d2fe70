"""Multilayer perceptrons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import nn

__all__ = ["mlp"]


def mlp(
    sizes: Sequence[int], activation: Callable[[], nn.Module] = nn.ReLU, *, batch_norm: bool = False
) -> nn.Sequential:
    """Return linear layers with an activation (and batch norm before it) between them, none after the last.

    Parameters
    ----------
    sizes : sequence of int
        Widths from input to output; ``(5, 3, 2)`` gives 5 → 3 → 2.

    Examples
    --------
    >>> mlp((5, 3, 2))
    Sequential(
      (0): Linear(in_features=5, out_features=3, bias=True)
      (1): ReLU()
      (2): Linear(in_features=3, out_features=2, bias=True)
    )
    """
    layers: list[nn.Module] = []
    steps = list(pairwise(sizes))
    for n_in, n_out in steps[:-1]:
        layers.append(nn.Linear(n_in, n_out))
        if batch_norm:
            layers.append(nn.BatchNorm1d(n_out))
        layers.append(activation())
    layers.append(nn.Linear(*steps[-1]))
    return nn.Sequential(*layers)
