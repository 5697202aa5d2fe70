"""Families of transformations of square images, made on the fly: the views that classifiers tell apart.

A family of k transformations offers two calls: `Transformations.all` gives every view of every image, for
scoring; `Transformations.each` gives one chosen view of each image, for training. The views of a whole data
set are never held.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import permutations

import torch
from torch import Tensor
from torch.nn import functional

from dross.errors import ParameterError

__all__ = [
    "Geometric",
    "IrregularAffine",
    "PatchShuffles",
    "PixelMoves",
    "Rotations",
    "RotationsAndTranslations",
    "Transformations",
    "Union",
    "e3outlier_transformations",
    "square_side",
]


_SMALLEST_SIDE = 4


def square_side(input_shape: tuple[int, ...]) -> int:
    """Return the side of square images ``(c, side, side)``.

    Raises
    ------
    ParameterError
        If they are not square: a quarter turn would change their shape. If they are smaller than 4 pixels: a
        quarter of the side would be none.
    """
    _, height, width = input_shape
    if height != width:
        raise ParameterError(f"Images are turned, and have to be square for that; got {height} x {width}.")
    if height < _SMALLEST_SIDE:
        raise ParameterError(f"Images need sides of at least {_SMALLEST_SIDE} pixels here; got {height}.")
    return height


class Transformations(ABC):
    """A family of transformations of square images.

    Parameters
    ----------
    side : int
        Height and width of the images.
    """

    def __init__(self, side: int) -> None:
        self.side = side

    @abstractmethod
    def __len__(self) -> int:
        """Return how many transformations there are."""

    @abstractmethod
    def all(self, x: Tensor) -> Tensor:
        """Return every view of images ``(b, c, side, side)``, shape (b, k, c, side, side)."""

    @abstractmethod
    def each(self, x: Tensor, which: Tensor) -> Tensor:
        """Return the view number ``which[i]`` of image i, same shape as ``x``; ``which`` is (b,), int64."""


class PixelMoves(Transformations):
    """Transformations whose every pixel is a pixel of the image.

    A subclass says where pixels come from by giving the views of one image of pixel numbers.
    """

    _sources: Tensor | None = None

    @abstractmethod
    def _views(self, x: Tensor) -> Tensor:
        """Return every view ``(b, k, c, side, side)`` of images of any type; called once, on one image."""

    def sources(self, device: torch.device | str = "cpu") -> Tensor:
        """Return for each pixel of each view the number of the pixel it shows, shape (k, side * side)."""
        device = torch.device(device)
        if self._sources is None or self._sources.device != device:
            with torch.inference_mode(False):
                numbers = torch.arange(self.side**2, device=device).view(1, 1, self.side, self.side)
                self._sources = self._views(numbers).reshape(-1, self.side**2)
        return self._sources

    def all(self, x: Tensor) -> Tensor:
        """Return every view of each image, by one gather."""
        b, c = x.shape[:2]
        sources = self.sources(x.device)[None, :, None].expand(b, -1, c, -1)
        pixels = x.flatten(2)[:, None].expand(-1, len(self), -1, -1)
        return pixels.gather(3, sources).view(b, len(self), *x.shape[1:])

    def each(self, x: Tensor, which: Tensor) -> Tensor:
        """Return one view of each image, by one gather."""
        sources = self.sources(x.device)[which][:, None].expand(-1, x.shape[1], -1)
        return x.flatten(2).gather(2, sources).view_as(x)


class Rotations(PixelMoves):
    """The four quarter turns, anticlockwise, the first being none.

    Examples
    --------
    >>> x = torch.arange(4.0).view(1, 1, 2, 2)
    >>> Rotations(2).all(x)[0, :, 0].tolist()
    [[[0.0, 1.0], [2.0, 3.0]], [[1.0, 3.0], [0.0, 2.0]], [[3.0, 2.0], [1.0, 0.0]], [[2.0, 0.0], [3.0, 1.0]]]
    """

    def __len__(self) -> int:
        return 4

    def _views(self, x: Tensor) -> Tensor:
        return torch.stack([x.rot90(turns, (-2, -1)) for turns in range(4)], dim=1)


class Geometric(PixelMoves):
    """GEOM's 72: mirrored or not, four turns, moved by a quarter of the side along both axes, or not.

    What comes in at an edge is the image mirrored in that edge. Number ``((t * 2 + v) * 2 + h) * 9 + d``
    transposes (t), mirrors vertically (v) and horizontally (h) and then moves by d, from ``d = 0`` (down and
    to the right) over 4 (not) to 8: the eight ways to lay a square down are GEOM's flip and four turns.

    Parameters
    ----------
    side : int
        At least 4.

    References
    ----------
    Golan, El-Yaniv: Deep anomaly detection using geometric transformations. NeurIPS 2018, arXiv 1805.10917.
    """

    def __len__(self) -> int:
        return 72

    def all(self, x: Tensor) -> Tensor:
        """Return every view of each image, ``(b, 72, c, side, side)``.

        Mirrored in all its edges, an image becomes a plane of which views are windows; one copy makes all 72,
        at more than half the speed of a plain copy (a gather would be slower).
        """
        windows = _windows(x)
        out = x.new_empty(len(x), len(self), *x.shape[1:])
        out.view(windows.shape).copy_(windows)
        return out

    def _views(self, x: Tensor) -> Tensor:
        return Geometric.all(self, x)


def _windows(x: Tensor) -> Tensor:
    """Return the 72 views as windows of two mirrored planes, shape (b, 2, 2, 2, 3, 3, c, side, side)."""
    side = x.shape[-1]
    step = side // 4
    plane = torch.stack([x, x.transpose(-1, -2)], dim=1)
    for axis in (-1, -2):
        mirrored = plane.flip(axis)
        before, after = mirrored.narrow(axis, side - step, step), plane.narrow(axis, 0, step)
        plane = torch.cat([before, plane, mirrored, after], dim=axis)
    # b, t, c, then vertically and horizontally: two mirrorings, three moves, the pixels.
    windows = plane.unfold(3, side + 2 * step, side).unfold(4, side + 2 * step, side)
    windows = windows.unfold(5, side, step).unfold(6, side, step)
    return windows.permute(0, 1, 3, 4, 5, 6, 2, 7, 8)


class RotationsAndTranslations(PixelMoves):
    """The 36 of GEOM's views that mirror nothing: four turns, three vertical and three horizontal moves.

    Number ``(turn * 3 + vertical) * 3 + horizontal``; move 1 is none.

    Parameters
    ----------
    side : int
        At least 4.

    References
    ----------
    Hendrycks, Mazeika, Kadavath, Song: Using self-supervised learning can improve model robustness and
    uncertainty. NeurIPS 2019, arXiv 1906.12340.
    """

    HEADS = (4, 3, 3)

    def __len__(self) -> int:
        return 36

    @staticmethod
    def heads(which: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return turn, vertical and horizontal move of transformation numbers, each of their shape."""
        return which // 9, which // 3 % 3, which % 3

    def _views(self, x: Tensor) -> Tensor:
        windows = _windows(x)
        turns = [windows[:, t, v, h] for t, v, h in ((0, 0, 0), (1, 1, 0), (0, 1, 1), (1, 0, 1))]
        return torch.stack(turns, dim=1).flatten(1, 3)


class PatchShuffles(PixelMoves):
    """Images cut into a square of patches, which are laid down in other orders.

    A side that the patches do not divide keeps what is left over, at the right and at the bottom.

    Parameters
    ----------
    side : int
        At least one pixel for each patch of a row.
    orders : sequence of tuples of int
        Each the numbers of n² patches in reading order, row by row.

    Examples
    --------
    >>> PatchShuffles(2, [(1, 0, 2, 3)]).all(torch.arange(4.0).view(1, 1, 2, 2)).flatten().tolist()
    [1.0, 0.0, 2.0, 3.0]
    """

    def __init__(self, side: int, orders: Sequence[tuple[int, ...]]) -> None:
        super().__init__(side)
        self.orders = list(orders)
        self.grid = math.isqrt(len(self.orders[0]))
        if any(sorted(order) != list(range(self.grid**2)) for order in self.orders):
            raise ValueError("An order names each of n² patches once.")
        if side < self.grid:
            raise ValueError(f"A side of {side} pixels cannot be cut into {self.grid} patches.")

    def __len__(self) -> int:
        return len(self.orders)

    def _views(self, x: Tensor) -> Tensor:
        size, views = self.side // self.grid, []
        places = [
            (..., slice(row * size, (row + 1) * size), slice(column * size, (column + 1) * size))
            for row in range(self.grid)
            for column in range(self.grid)
        ]
        for order in self.orders:
            view = x.clone()
            for place, patch in zip(places, order, strict=True):
                view[place] = x[places[patch]]
            views.append(view)
        return torch.stack(views, dim=1)


class IrregularAffine(Transformations):
    """E3Outlier's 16: mirrored or not, turned by the multiples of 30° that are no quarter turns.

    About the middle, anticlockwise, between pixels linearly; what comes in from outside is 0.

    References
    ----------
    Wang et al.: Effective end-to-end unsupervised outlier detection via inlier priority of discriminative
    network. NeurIPS 2019.
    """

    def __init__(self, side: int) -> None:
        super().__init__(side)
        turns = [math.radians(degrees) for degrees in range(0, 360, 30) if degrees % 90]
        self._matrices = [
            [[sign * math.cos(turn), -math.sin(turn) * sign, 0.0], [math.sin(turn), math.cos(turn), 0.0]]
            for sign in (1, -1)
            for turn in turns
        ]

    def __len__(self) -> int:
        return len(self._matrices)

    def all(self, x: Tensor) -> Tensor:
        """Return every view of each image."""
        b, k = len(x), len(self)
        which = torch.arange(k, device=x.device).repeat(b)
        return self.each(x.repeat_interleave(k, dim=0), which).view(b, k, *x.shape[1:])

    def each(self, x: Tensor, which: Tensor) -> Tensor:
        """Return one view of each image, in its type."""
        with torch.autocast(x.device.type, enabled=False):
            matrices = torch.tensor(self._matrices, dtype=x.dtype, device=x.device)[which]
            grid = functional.affine_grid(matrices, list(x.shape), align_corners=False)
            return functional.grid_sample(x, grid, align_corners=False)


class Union(Transformations):
    """Several families, one after the other.

    Parameters
    ----------
    *families : Transformations
        Of one side.
    """

    def __init__(self, *families: Transformations) -> None:
        super().__init__(families[0].side)
        self.families = families

    def __len__(self) -> int:
        return sum(map(len, self.families))

    def all(self, x: Tensor) -> Tensor:
        """Return every view of each image, family by family."""
        return torch.cat([family.all(x) for family in self.families], dim=1)

    def each(self, x: Tensor, which: Tensor) -> Tensor:
        """Return one view of each image."""
        views, first = torch.empty_like(x), 0
        for family in self.families:
            own = ((which >= first) & (which < first + len(family))).nonzero().squeeze(1)
            if len(own):
                views[own] = family.each(x[own], which[own] - first)
            first += len(family)
        return views


def e3outlier_transformations(side: int) -> Union:
    """Return E3Outlier's 111: GEOM's 72, 16 turns by multiples of 30°, and 23 shuffles of four patches.

    Examples
    --------
    >>> len(e3outlier_transformations(28))
    111
    """
    orders = list(permutations(range(4)))[1:]
    return Union(Geometric(side), IrregularAffine(side), PatchShuffles(side, orders))
