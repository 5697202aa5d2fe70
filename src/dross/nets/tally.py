"""A mean that is taken over the steps of an epoch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Tally"]


class Tally(nn.Module):
    """Sum and number of values since they were last taken, in a buffer: an interrupted epoch tells the same.

    Examples
    --------
    >>> tally = Tally()
    >>> tally.add(torch.tensor(2.0), 3)
    >>> tally.add(torch.tensor(6.0))
    >>> tally.take(), tally.take()
    (3.0, None)
    """

    sums: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("sums", torch.zeros(2, dtype=torch.float64))

    @torch.no_grad()
    def add(self, mean: Tensor, n: int = 1) -> None:
        """Add n values of this mean, a scalar."""
        self.sums += torch.stack([mean.double() * n, self.sums.new_tensor(n)])

    def take(self, at_least: int = 1) -> float | None:
        """Return the mean, and begin anew; None, and go on, of fewer values than this."""
        total, n = self.sums.tolist()
        if n < at_least:
            return None
        self.sums.zero_()
        return float(total / n)
