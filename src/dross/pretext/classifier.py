"""What detectors share that learn to tell which transformation an image went through."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from dross.base import Rows
from dross.deep import DeepDetector
from dross.nets.wide_resnet import WideResNet, check_depth
from dross.parameters import check_number
from dross.pretext.transformations import Transformations, square_side

__all__ = ["RepeatedRows", "TransformationClassifier", "TransformationDetector"]

_PIXELS_AT_ONCE = 60_000
"""Pixels of the views classified at once, but one image's at least: their maps stay in the cache (144 views
of 28 × 28 took a fifth longer each than 76)."""
_IMAGES_AT_ONCE = 64  # whose answers are held: k views of k classes each


class TransformationClassifier(nn.Module):
    """A net that tells which of several transformations an image went through.

    Parameters
    ----------
    net : WideResNet
        Views to logits ``(b, k)`` over the transformations.
    transformations : Transformations
    """

    def __init__(self, net: WideResNet, transformations: Transformations) -> None:
        super().__init__()
        self.net = net
        self.transformations = transformations

    def draw(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return a view of each image, and the number of its transformation, drawn from torch's generator."""
        which = torch.randint(len(self.transformations), (len(x),), device=x.device)
        return self.transformations.each(x, which), which

    def loss(self, x: Tensor) -> Tensor:
        """Return the mean cross-entropy of one drawn view of each image."""
        views, which = self.draw(x)
        return functional.cross_entropy(self.net(views).float(), which)

    def map_views(self, x: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        """Apply a function to every view of each image, a few images at a time.

        Parameters
        ----------
        x : Tensor of shape (b, c, h, w)
        function : callable
            Views ``(n * k, c, h, w)`` of n images, one image after the other, to ``(n * k, ...)``.

        Returns
        -------
        Tensor of shape (b, k, ...)
        """
        k = len(self.transformations)
        n_images = max(1, _PIXELS_AT_ONCE // (k * x.shape[2] * x.shape[3]))
        parts = []
        for images in torch.split(x, n_images):
            result = function(self.transformations.all(images).flatten(0, 1))
            parts.append(result.view(len(images), k, *result.shape[1:]))
        return torch.cat(parts)

    def logits(self, x: Tensor) -> Tensor:
        """Return the logits of every view of each image, in float32, shape (b, k, n_classes)."""
        return self.map_views(x, self.net).float()


class RepeatedRows:
    """Rows of which each comes several times in a row, read where they are: a `dross.sources.base.RowSource`.

    Parameters
    ----------
    X : array or RowSource
    times : int

    Examples
    --------
    >>> rows = RepeatedRows(np.array([[1.0], [2.0]]), 3)
    >>> len(rows), rows[np.array([0, 2, 3])].tolist()
    (6, [[1.0], [1.0], [2.0]])
    """

    def __init__(self, X: Rows, times: int) -> None:
        self.X = X
        self.times = times
        self.shape = (len(X) * times, *X.shape[1:])
        self.dtype = X.dtype

    def __len__(self) -> int:
        return len(self.X) * self.times

    def __getitem__(self, rows: Any, /) -> NDArray[Any]:
        numbers = np.arange(len(self))[rows] if isinstance(rows, slice) else np.asarray(rows)
        different, places = np.unique(numbers // self.times, return_inverse=True)
        return np.asarray(self.X[different])[places]  # read once


@dataclass(kw_only=True, eq=False, repr=False)
class TransformationDetector(DeepDetector):
    """Base of the detectors that train a wide residual net to tell transformations apart.

    An epoch is one of the k-fold set, as the papers count: every image is met k times, in an order drawn over
    all, each time under a transformation drawn anew. So the views of a batch are independent, and no
    augmented set is ever held. The papers meet every pair of image and transformation once an epoch; here it
    is once on average.

    A subclass writes `_transformations` and a score.

    Parameters
    ----------
    depth, width : int, default 10 and 4
        Of the net, WRN-d-k: see `WideResNet`.
    """

    input_kinds: ClassVar[frozenset[str]] = frozenset({"image"})

    depth: int = 10
    width: int = 4
    batch_size: int = 128

    @abstractmethod
    def _transformations(self, side: int) -> Transformations:
        """Return the transformations of images of this side."""

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number(self, "depth", int, 4)
        check_number(self, "width", int, 1)
        check_depth(self.depth)

    def _net(self, input_shape: tuple[int, ...], n_classes: int) -> WideResNet:
        return WideResNet(input_shape[0], n_classes, self.depth, self.width)

    def _build_module(self, input_shape: tuple[int, ...]) -> nn.Module:
        transformations = self._transformations(square_side(input_shape))
        return TransformationClassifier(self._net(input_shape, len(transformations)), transformations)

    def _rows_at_once(self) -> int:
        return _IMAGES_AT_ONCE

    def _train(self, X: Rows) -> None:
        module: Any = self.module_
        super()._train(RepeatedRows(X, len(module.transformations)))
