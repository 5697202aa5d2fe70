"""GEOM: geometric transformations (Golan and El-Yaniv 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from dross.nets.wide_resnet import WideResNet
from dross.parameters import check_choice
from dross.pretext.classifier import TransformationClassifier, TransformationDetector
from dross.pretext.transformations import Geometric, Transformations, square_side
from dross.rows import Rows, sample_rows
from dross.scoring import dirichlet, fit_dirichlet, floored_log_softmax, right_softmax

__all__ = ["GEOM", "GEOMModule"]

_FITTED_ROWS = 10_000  # images that the Dirichlet distributions are fitted on, at most


class GEOMModule(TransformationClassifier):
    """A classifier of transformations, and the Dirichlet distributions of its softmaxes.

    Parameters
    ----------
    net : WideResNet
    transformations : Transformations
        k of them.

    Attributes
    ----------
    alpha : Tensor of shape (k, k), float64
        One distribution for each transformation; the uniform ones until `place_dirichlet`.
    """

    alpha: Tensor

    def __init__(self, net: WideResNet, transformations: Transformations) -> None:
        super().__init__(net, transformations)
        k = len(transformations)
        self.register_buffer("alpha", torch.ones(k, k, dtype=torch.float64))

    def log_softmaxes(self, x: Tensor) -> Tensor:
        """Return the logarithms of the softmaxes of every view, shape (b, k, k), float64."""
        return floored_log_softmax(self.logits(x))

    def place_dirichlet(self, mean_p: Tensor, mean_log_p: Tensor) -> None:
        """Set the distributions to those that make softmaxes of these means ``(k, k)`` most likely."""
        self.alpha.copy_(fit_dirichlet(mean_p, mean_log_p))

    def score(self, x: Tensor, scoring: Literal["dirichlet", "softmax"] = "dirichlet") -> Tensor:
        """Return minus the log likelihood, or 1 - the mean softmax of the right transformation."""
        if scoring == "softmax":
            return right_softmax(self.logits(x))
        return dirichlet(self.log_softmaxes(x), self.alpha)


@dataclass(kw_only=True, eq=False, repr=False)
class GEOM(TransformationDetector):
    """An image whose transformations a classifier does not recognise is unusual.

    A wide residual net learns which of 72 geometric transformations an image went through. The score is how
    unlikely its softmaxes for the 72 views are under Dirichlet distributions fitted on the training images.
    Contamination: anomalies train the classifier too, and once it recognises their views they hide; the
    frequent kinds are learnt first, and training ends early.

    Deviations: a pass over the images draws one transformation for each, and 72 passes stand for an epoch of
    the paper (see `TransformationDetector`). Training is shorter and the net narrower, as that ranks better
    where many images are anomalous (docs/choices.md); the paper's are ``width=4, max_epochs=216,
    stop_at=None``. Logarithms of softmaxes stay above -87.3, and softmaxes that hardly vary count
    as 1e-7 apart, the limits of the published code's float32. Distributions are fitted by a faster method, on
    at most 10 000 images. Pixels are standardised by default; the paper's lie in [-1, 1].

    Parameters
    ----------
    scoring : "dirichlet" or "softmax", default "dirichlet"
        The published score, or 1 - the mean softmax of the right transformation (equation 8 of the LFR
        paper). Scores follow ``set_params(scoring=...)`` after a fit at once; the threshold and
        ``anomaly_scores_`` stay those of the fit.
    depth, width : int, default 10 and 1
        Of the net, the paper's WRN-10-4 but narrower.
    max_epochs : int or None, default 72
        Passes: one of the paper's ``ceil(200 / 72)`` epochs. None: see `DeepDetector`.
    stop_at : float in (0, 1) or None, default 0.5
        See `TransformationDetector`.
    batch_size : int, default 128
        Views, as published.
    weight_decay : float, default 0
        The published code's is 5e-4 (docs/choices.md compares).
    lr, standardize, device, precision, verbose
        See `DeepDetector`.
    contamination, random_state
        See `BaseDetector`.

    References
    ----------
    Golan, El-Yaniv: Deep anomaly detection using geometric transformations. NeurIPS 2018, arXiv 1805.10917.

    Examples
    --------
    >>> X = np.random.default_rng(0).uniform(0.5, 1, (30, 1, 1, 1)) * np.linspace(0, 1, 64).reshape(8, 8)
    >>> X[7] = X[7].max() - X[7]
    >>> detector = GEOM(depth=4, lr=0.01, max_epochs=40, random_state=0).fit(X)
    >>> int(detector.anomaly_scores_.argmax())
    7
    """

    scoring: Literal["dirichlet", "softmax"] = "dirichlet"
    width: int = 1
    max_epochs: int | None = 72
    stop_at: float | None = 0.5

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_choice(self, "scoring", "dirichlet", "softmax")

    def _transformations(self, side: int) -> Geometric:
        return Geometric(side)

    def _build_module(self, input_shape: tuple[int, ...]) -> nn.Module:
        transformations = self._transformations(square_side(input_shape))
        return GEOMModule(self._net(input_shape, len(transformations)), transformations)

    def _train(self, X: Rows) -> None:
        super()._train(X)
        module: Any = self.module_.eval()
        k = len(module.transformations)
        sums = np.zeros((2, k, k))
        rows = sample_rows(len(X), _FITTED_ROWS, self.seed_)
        for log_p in self._mapped_rows(X, rows, module.log_softmaxes):
            sums += np.exp(log_p).sum(axis=0), log_p.sum(axis=0)
        module.place_dirichlet(*torch.from_numpy(sums / len(rows)).to(self.device_))

    def _module_score(self, x: Tensor) -> Tensor:
        module: Any = self.module_
        scores: Tensor = module.score(x, self.scoring)
        return scores
