"""Where in an image a score comes from, for features that are computed from whole images."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dross.features.base import Explanations
from dross.features.image_scaler import place_in_words
from dross.rows import patches

__all__ = ["explain_images", "occlusion_map"]

_PATCHES_PER_SIDE = 6


def occlusion_map(
    score: Callable[[Tensor], NDArray[np.float64]], x: Tensor, fill: Tensor, per_side: int = _PATCHES_PER_SIDE
) -> NDArray[np.float32]:
    """Return how much the score of an image falls where a patch of it is covered, shape (h, w).

    A pixel takes the sum over the patches that cover it (see `dross.rows.patches`).

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
    boxes = list(patches(height, width, per_side))
    variants = x.expand(1 + len(boxes), *x.shape).clone()
    for number, box in enumerate(boxes, 1):
        variants[(number, slice(None), *box)] = fill.view(-1, 1, 1)
    scores = score(variants)
    heat = np.zeros((height, width), np.float32)
    for box, without in zip(boxes, scores[1:], strict=True):
        heat[box] += scores[0] - without
    return np.asarray(heat / 4, np.float32)


def explain_images(
    score: Callable[[Tensor], NDArray[np.float64]],
    inputs: Callable[[NDArray[np.int64]], Iterable[Tensor]],
    back: Callable[[NDArray[np.float32], int], NDArray[np.float32]],
    rows: NDArray[np.int64],
    most: int,
) -> Explanations:
    """Map the scores of the first ``most`` rows by `occlusion_map`, and put them into words.

    Parameters
    ----------
    score : callable
        Scores of a batch as ``inputs`` yields it.
    inputs : callable
        Batches ``(b, c, h, w)`` of rows in rising order.
    back : callable
        The map of a row's input as one of the row as it is shown.
    rows : int array
        In any order.
    most : int
        The other rows are said to be unlike the rest as a whole.
    """
    mapped = rows[:most]
    order = np.argsort(mapped)
    images = (x for batch in inputs(mapped[order]) for x in batch)
    maps: dict[int, NDArray[np.float32]] = {}
    for place, x in zip(order.tolist(), images, strict=True):
        covered_by = x.flatten(1).median(dim=1).values
        maps[place] = back(occlusion_map(score, x, covered_by), int(mapped[place]))
    heat = [maps[place] for place in range(len(mapped))]
    others = ["unlike the other images as a whole"] * (len(rows) - len(mapped))
    return Explanations([place_in_words(one) for one in heat] + others, np.stack(heat) if heat else None)
