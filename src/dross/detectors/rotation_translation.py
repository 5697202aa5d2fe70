"""Rotation and translation heads: self-supervision of Hendrycks et al. 2019, the tables' SSL."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from dross.pretext.classifier import TransformationClassifier, TransformationDetector
from dross.pretext.transformations import RotationsAndTranslations, square_side
from dross.scoring import kl_to_uniform

__all__ = ["RotationTranslation", "RotationTranslationModule"]


class RotationTranslationModule(TransformationClassifier):
    """A net of which three heads tell how an image was turned, moved up or down, and moved sideways.

    Parameters
    ----------
    net : WideResNet
        Its output is cut into the heads: 4, 3 and 3 logits.
    transformations : RotationsAndTranslations
    """

    transformations: RotationsAndTranslations

    def heads(self, logits: Tensor) -> tuple[Tensor, ...]:
        """Return the logits ``(..., 10)`` of the net head by head."""
        return torch.split(logits, list(self.transformations.HEADS), dim=-1)

    def score(self, x: Tensor) -> Tensor:
        """Return minus the divergence from uniform, summed over heads, mean over views."""
        scores = torch.stack([kl_to_uniform(head) for head in self.heads(self.logits(x))])
        return scores.sum(dim=0).mean(dim=1)

    def _cross_entropies(self, logits: Tensor, which: Tensor) -> Tensor:
        answers = self.transformations.heads(which)
        errors = [
            functional.cross_entropy(head, answer, reduction="none")
            for head, answer in zip(self.heads(logits), answers, strict=True)
        ]
        return torch.stack(errors).sum(dim=0)


@dataclass(kw_only=True, eq=False, repr=False)
class RotationTranslation(TransformationDetector):
    """An image of which a classifier cannot say how it was turned and moved is unusual.

    One wide residual net with three heads learns which of 4 turns, 3 vertical and 3 horizontal moves (by a
    quarter of the side) an image went through. The score is how near its answers are to knowing nothing:
    minus the divergence ``KL(uniform || softmax)``, summed over the heads, mean over the 36 views.
    Contamination: anomalies train the classifier too; the frequent kinds are learnt first, so that a
    short training helps.

    Deviations: what comes in when an image is moved is mirrored with its edge, as GEOM does. A pass draws one
    transformation for each image (see `TransformationDetector`). Net and schedule are GEOM's.

    Parameters
    ----------
    depth, width : int, default 10 and 4
        Of the net: GEOM's WRN-10-4.
    max_epochs : int or None, default 216
        36 passes for each of GEOM's ``ceil(200 / 36)`` epochs. None: see `DeepDetector`.
    stop_at
        See `TransformationDetector`.
    batch_size : int, default 128
        Views, GEOM's.
    lr, weight_decay, standardize, device, precision, verbose
        See `DeepDetector`.
    contamination, random_state
        See `BaseDetector`.

    References
    ----------
    Hendrycks, Mazeika, Kadavath, Song: Using self-supervised learning can improve model robustness and
    uncertainty. NeurIPS 2019, arXiv 1906.12340.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).uniform(0.5, 1, (30, 1, 1, 1)) * np.linspace(0, 1, 64).reshape(8, 8)
    >>> RotationTranslation(depth=4, batch_size=64, max_epochs=1, random_state=0).fit(X).anomaly_scores_.shape
    (30,)
    """

    max_epochs: int | None = 216

    def _transformations(self, side: int) -> RotationsAndTranslations:
        return RotationsAndTranslations(side)

    def _build_module(self, input_shape: tuple[int, ...]) -> nn.Module:
        transformations = self._transformations(square_side(input_shape))
        return RotationTranslationModule(self._net(input_shape, sum(transformations.HEADS)), transformations)
