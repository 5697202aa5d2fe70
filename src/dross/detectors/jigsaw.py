"""Jigsaw: in which order do the patches lie? (Noroozi and Favaro 2016)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from dross.parameters import check_choice, check_number
from dross.pretext.classifier import TransformationDetector
from dross.pretext.jigsaw import patch_orders
from dross.pretext.transformations import PatchShuffles
from dross.scoring import max_softmax, right_softmax

__all__ = ["Jigsaw"]


@dataclass(kw_only=True, eq=False, repr=False)
class Jigsaw(TransformationDetector):
    """An image that a classifier cannot put together again is unusual.

    A wide residual net learns in which order the patches of an image were laid; how sure it is of its
    answers, whatever they are, is the score. Contamination: anomalies train the classifier too; the frequent
    kinds are learnt first, so that a short training helps.

    The sub-clusters paper has this opponent in its tables, "trained to predict order of shuffled images", and
    says no more. Taken here: all orders of four patches, GEOM's net and schedule, 1 - the largest softmax as
    that paper scores its classifiers, mean over the orders. Noroozi and Favaro cut nine patches with gaps
    between them and look at each patch alone; here one net sees the whole image.

    Parameters
    ----------
    scoring : "max" or "softmax", default "max"
        1 - the largest softmax, or 1 - that of the order applied. Scores follow ``set_params(scoring=...)``
        after a fit at once; the threshold and ``anomaly_scores_`` stay those of the fit.
    grid : 2 or 3, default 2
        Patches per side; what they leave of a side stays where it is.
    n_orders : int, default 24
        Orders to tell apart, as far from each other as can be; all there are of four patches.
    depth, width : int, default 10 and 4
        Of the net: GEOM's WRN-10-4.
    max_epochs : int or None, default 216
        24 passes for each of GEOM's ``ceil(200 / 24)`` epochs. None: see `DeepDetector`.
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
    Noroozi, Favaro: Unsupervised learning of visual representations by solving jigsaw puzzles. ECCV 2016,
    arXiv 1603.09246. Lee, Lee: Sub-clusters of normal data for anomaly detection.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).uniform(0.5, 1, (30, 1, 1, 1)) * np.linspace(0, 1, 64).reshape(8, 8)
    >>> Jigsaw(depth=4, batch_size=64, max_epochs=1, random_state=0).fit(X).anomaly_scores_.shape
    (30,)
    """

    scoring: Literal["max", "softmax"] = "max"
    grid: Literal[2, 3] = 2
    n_orders: int = 24
    max_epochs: int | None = 216

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_choice(self, "scoring", "max", "softmax")
        check_choice(self, "grid", 2, 3)
        check_number(self, "n_orders", int, 2)

    def _transformations(self, side: int) -> PatchShuffles:
        return PatchShuffles(side, patch_orders(self.grid, self.n_orders))

    def _module_score(self, x: Tensor) -> Tensor:
        module: Any = self.module_
        logits = module.logits(x)
        return right_softmax(logits) if self.scoring == "softmax" else max_softmax(logits).mean(dim=1)
