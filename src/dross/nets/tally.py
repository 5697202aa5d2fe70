"""A mean that is taken over the steps of an epoch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Tally", "scatter"]


def scatter(x: Tensor) -> Tensor:
    """Return the summed squares of a batch's values about the mean of all rows, as the batch tells it.

    What a net would leave that always answers this mean. One row tells nothing: 0.

    Examples
    --------
    >>> scatter(torch.tensor([[1.0, 5.0], [3.0, 5.0]])).item()
    4.0
    """
    return x.detach().var(dim=0, correction=min(1, len(x) - 1)).sum() * len(x)


class Tally(nn.Module):
    """A ratio of two sums since it was last taken, in a buffer: an interrupted epoch tells the same.

    Examples
    --------
    >>> tally = Tally()
    >>> tally.add(torch.tensor(6.0), 3)
    >>> tally.add(torch.tensor(6.0), 1)
    >>> tally.take(), tally.take()
    (3.0, None)
    """

    sums: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("sums", torch.zeros(2, dtype=torch.float64))

    def add(self, total: Tensor, weight: Tensor | float = 1.0) -> None:
        """Add to the sum, a scalar, and to what it is divided by."""
        if not isinstance(weight, Tensor):
            weight = total.new_full((), weight)  # made where the total lies: a copy would wait for it
        self.sums += torch.stack([total.detach(), weight.detach()])

    def take(self, at_least: float = 0) -> float | None:
        """Return the ratio, and begin anew; None, and go on, where there is less to divide by, or nothing."""
        total, weight = self.sums.tolist()
        if weight == 0 or weight < at_least:
            return None
        self.sums.zero_()
        return float(total / weight)
