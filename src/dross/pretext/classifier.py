"""What detectors share that learn to tell which transformation an image went through."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from dross.deep import DeepDetector
from dross.nets.tally import Tally
from dross.nets.wide_resnet import WideResNet, check_depth
from dross.parameters import check_number
from dross.pretext.transformations import Transformations, square_side

__all__ = ["TransformationClassifier", "TransformationDetector"]

_PIXELS_AT_ONCE = 60_000
"""Pixels of the views classified at once, but one image's at least: their maps stay in the cache (144 views
of 28 × 28 took a fifth longer each than 76)."""
_VIEWS_TO_TELL = 1_000  # whose mean cross-entropy tells how far training is
_IMAGES_AT_ONCE = 64  # whose answers are held: k views of k classes each


class TransformationClassifier(nn.Module):
    """A net that tells which of several transformations an image went through.

    Parameters
    ----------
    net : WideResNet
        Views to logits ``(b, k)`` over the transformations.
    transformations : Transformations

    Attributes
    ----------
    cross_entropy : Tally
        Of views, since it was last taken.
    """

    def __init__(self, net: WideResNet, transformations: Transformations) -> None:
        super().__init__()
        self.net = net
        self.transformations = transformations
        self.cross_entropy = Tally()

    def draw(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return a view of each image, and the number of its transformation, drawn from torch's generator."""
        which = torch.randint(len(self.transformations), (len(x),), device=x.device)
        return self.transformations.each(x, which), which

    def loss(self, x: Tensor) -> Tensor:
        """Return the mean cross-entropy of one drawn view of each image."""
        views, which = self.draw(x)
        return self.tallied_errors(self.net(views), which).mean()

    def tallied_errors(self, logits: Tensor, which: Tensor) -> Tensor:
        """Return the cross-entropy of each view, shape (b,), and add them to the tally."""
        errors = self._cross_entropies(logits.float(), which)
        self.cross_entropy.add(errors.sum(), len(errors))
        return errors

    def take_share_of_guessing(self) -> float | None:
        """Return the tallied mean as a share of guessing's, ``log k``, and begin anew; None of few views."""
        mean = self.cross_entropy.take(at_least=_VIEWS_TO_TELL)
        return None if mean is None else mean / math.log(len(self.transformations))

    def _cross_entropies(self, logits: Tensor, which: Tensor) -> Tensor:
        return functional.cross_entropy(logits, which, reduction="none")

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


@dataclass(kw_only=True, eq=False, repr=False)
class TransformationDetector(DeepDetector):
    """Base of the detectors that train a wide residual net to tell transformations apart.

    An epoch meets every image once, under a transformation drawn anew: no augmented set is ever held, and the
    views of a batch are of different images. The papers' epoch is one of the k-fold set, in which every pair
    of image and transformation is met once; k epochs here, each pair once on average.

    A subclass writes `_transformations` and a score.

    Parameters
    ----------
    depth, width : int, default 10 and 4
        Of the net, WRN-d-k: see `WideResNet`.
    stop_at : float in (0, 1) or None, default None
        Training ends once the mean cross-entropy of an epoch, or of as many as make 1 000 views, is below
        this share of guessing's, ``log k``: what most images have in common is recognised early, anomalies'
        views later. None goes on for ``max_epochs``. The history has it as ``share_of_guessing``.
    """

    input_kinds: ClassVar[frozenset[str]] = frozenset({"image"})

    depth: int = 10
    width: int = 4
    stop_at: float | None = None
    batch_size: int = 128

    @abstractmethod
    def _transformations(self, side: int) -> Transformations:
        """Return the transformations of images of this side."""

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number(self, "depth", int, 4)
        check_number(self, "width", int, 1)
        check_number(self, "stop_at", float, 0, 1, excluding=(0, 1), optional=True)
        check_depth(self.depth)

    def _net(self, input_shape: tuple[int, ...], n_classes: int) -> WideResNet:
        return WideResNet(input_shape[0], n_classes, self.depth, self.width)

    def _build_module(self, input_shape: tuple[int, ...]) -> nn.Module:
        transformations = self._transformations(square_side(input_shape))
        return TransformationClassifier(self._net(input_shape, len(transformations)), transformations)

    def _rows_per_step(self, n_rows: int) -> int:
        n_steps = math.ceil(n_rows / self.batch_size)
        return math.ceil(n_rows / n_steps)  # alike: batch norm would learn as much from a last batch of two

    def _rows_at_once(self) -> int:
        return _IMAGES_AT_ONCE

    def _on_epoch_end(self) -> dict[str, float]:
        module: Any = self.module_
        share = module.take_share_of_guessing()
        return {} if share is None else {"share_of_guessing": share}

    def _has_learnt_enough(self, entry: dict[str, float]) -> bool:
        return self.stop_at is not None and entry.get("share_of_guessing", 1.0) < self.stop_at
