"""Where in an image a score comes from, for features that are computed from whole images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["occlusion_map"]

_PATCHES_PER_SIDE = 6


def occlusion_map(
    score: Callable[[Tensor], NDArray[np.float64]], x: Tensor, fill: Tensor, per_side: int = _PATCHES_PER_SIDE
) -> NDArray[np.float32]:
    """Return how much the score of an image falls where a patch of it is covered, shape (h, w).

    Patches of two steps a side overlap by one; a pixel takes the sum over those that cover it.

    Parameters
    ----------
    score : callable
        Scores of a batch ``(b, c, h, w)``.
    x : Tensor (c, h, w)
    fill : Tensor (c,)
        What covers: the colour of each channel.
    per_side : int
        Steps a side; one image costs ``(per_side - 1) ** 2 + 1`` scorings.

    Examples
    --------
    >>> import torch
    >>> x = torch.zeros(1, 4, 4)
    >>> x[0, 0, 0] = 1
    >>> occlusion_map(lambda b: b.sum(dim=(1, 2, 3)).numpy(), x, torch.zeros(1), per_side=4).argmax().item()
    0
    """
    height, width = x.shape[1:]
    rows = np.linspace(0, height, per_side + 1).astype(int)
    columns = np.linspace(0, width, per_side + 1).astype(int)
    boxes = [
        (slice(top, bottom), slice(left, right))
        for top, bottom in zip(rows[:-2], rows[2:], strict=True)
        for left, right in zip(columns[:-2], columns[2:], strict=True)
    ]
    variants = x.expand(1 + len(boxes), *x.shape).clone()
    for number, box in enumerate(boxes, 1):
        variants[(number, slice(None), *box)] = fill.view(-1, 1, 1)
    scores = score(variants)
    heat = np.zeros((height, width), np.float32)
    for box, without in zip(boxes, scores[1:], strict=True):
        heat[box] += scores[0] - without
    return np.asarray(heat / 4, np.float32)
