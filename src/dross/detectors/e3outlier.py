"""E3Outlier: 111 transformations told apart (Wang et al. 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from dross.pretext.classifier import TransformationDetector
from dross.pretext.transformations import Union, e3outlier_transformations
from dross.scoring import entropy

__all__ = ["E3Outlier"]


@dataclass(kw_only=True, eq=False, repr=False)
class E3Outlier(TransformationDetector):
    """An image of whose transformations a classifier is unsure is unusual.

    A wide residual net learns which of 111 transformations an image went through: GEOM's 72, 16 turns by
    multiples of 30° and 23 shuffles of its four quarters. The score is the mean entropy of the softmaxes of
    the 111 views, minus the published negative entropy. Contamination: made for it; most gradients point
    where inliers, being many and alike, want the net, so that these are learnt first and best, and a short
    training leaves outliers behind.

    Deviations: a pass over the images draws one transformation for each (see `TransformationDetector`). Turns
    interpolate linearly, with zeros outside (the mean, where pixels are standardised), their code's with
    cubic splines. Their code trains MNIST and Fashion-MNIST by SGD with a rate of 0.001; here Adam serves
    all.

    Parameters
    ----------
    depth, width : int, default 10 and 4
        Of the net, as published: WRN-10-4.
    max_epochs : int or None, default 333
        111 passes for each of the paper's ``ceil(250 / 111)`` epochs. None: see `DeepDetector`.
    stop_at
        See `TransformationDetector`.
    batch_size : int, default 128
        Views, as published.
    weight_decay : float, default 5e-4
        Its authors' code's.
    lr, standardize, device, precision, verbose
        See `DeepDetector`.
    contamination, random_state
        See `BaseDetector`.

    References
    ----------
    Wang et al.: Effective end-to-end unsupervised outlier detection via inlier priority of discriminative
    network. NeurIPS 2019.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).uniform(0.5, 1, (30, 1, 1, 1)) * np.linspace(0, 1, 64).reshape(8, 8)
    >>> E3Outlier(depth=4, batch_size=64, max_epochs=1, random_state=0).fit(X).anomaly_scores_.shape
    (30,)
    """

    max_epochs: int | None = 333
    weight_decay: float = 5e-4

    def _transformations(self, side: int) -> Union:
        return e3outlier_transformations(side)

    def _module_score(self, x: Tensor) -> Tensor:
        module: Any = self.module_
        return entropy(module.logits(x)).mean(dim=1)
