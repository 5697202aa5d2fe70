"""GT-LFR: geometric transformations with latent feature reconstruction (Lin et al. 2023)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from dross.errors import ParameterError
from dross.nets.lfr import LFRLayers
from dross.nets.wide_resnet import WideResNet
from dross.parameters import check_choice, check_number
from dross.pretext.classifier import TransformationClassifier, TransformationDetector
from dross.pretext.transformations import Geometric, Transformations, square_side
from dross.scoring import right_softmax

__all__ = ["GTLFR", "GTLFRModule"]

Variant = Literal["A", "B"]


class GTLFRModule(TransformationClassifier):
    """A classifier of transformations, and a subspace of its features for each transformation.

    Parameters
    ----------
    net : WideResNet
    transformations : Transformations
        k of them.
    layers : LFRLayers
        k subspaces of the net's features.
    """

    def __init__(self, net: WideResNet, transformations: Transformations, layers: LFRLayers) -> None:
        super().__init__(net, transformations)
        self.layers = layers

    def loss(self, x: Tensor) -> Tensor:
        """Return cross-entropy and the layers' loss of one drawn view of each image (equation 10)."""
        views, which = self.draw(x)
        z = self.net.features(views).float()
        errors = self.tallied_errors(self.net.head(z), which)
        return self.layers.reduce(errors) + self.layers.loss(z, which)

    def score(self, x: Tensor, variant: Variant = "B") -> Tensor:
        """Return 1 - the mean softmax of the right transformation, of features ("A") or their projections."""

        def logits(views: Tensor) -> Tensor:
            z = self.net.features(views).float()
            if variant == "B":
                k = len(self.transformations)
                z = self.layers.reconstruct(z, torch.arange(k, device=z.device).repeat(len(z) // k))
            result: Tensor = self.net.head(z)
            return result

        return right_softmax(self.map_views(x, logits).float())


@dataclass(kw_only=True, eq=False, repr=False)
class GTLFR(TransformationDetector):
    """An image whose transformations are not recognised from what most images share is unusual.

    A wide residual net learns which of 72 geometric transformations an image went through, and the features
    of each transformation are drawn into a subspace of their own. In scoring a feature's projection takes its
    place: what lies off the subspace is lost, and with it the softmax of the right transformation. Frequent
    images lose little that way. Contamination: the classifier may learn to recognise anomalies' views too,
    which is why training ends early; as long as they are too few to turn the subspaces, their projections
    give them away.

    Deviations: a pass over the images draws one transformation for each, and 72 passes stand for an epoch of
    the paper (see `TransformationDetector`). Training is shorter and the net narrower, as that ranks better
    where many images are anomalous (docs/choices.md); the paper's are ``width=4, max_epochs=216,
    stop_at=None``. The matrices A begin orthonormal, the paper does not say how. Its score, the
    mean softmax, is taken from 1, so that higher is more anomalous. Pixels are standardised by default.

    Parameters
    ----------
    scoring : "A" or "B", default "B"
        Whether the classifier is given the features ("A", the paper's ablation) or their projections. Scores
        follow ``set_params(scoring=...)`` after a fit at once; the threshold and ``anomaly_scores_`` stay
        those of the fit.
    n_components : int, default 20
        Rank k of each subspace, the paper's.
    lambda1, lambda2 : float, default 2e-4 and 1e-5
        The paper's weights of the residuals and of the departure from orthonormality, summed over the 72.
    reduction : "sum" or "mean", default "sum"
        Of the loss over a batch: the paper's sums, or means; see `LFRLayer` for what that does to
        ``lambda2``.
    depth, width : int, default 10 and 1
        Of the net, the paper's WRN-10-4 but narrower; its features are ``64 * width`` wide.
    max_epochs : int or None, default 72
        Passes: one of GEOM's ``ceil(200 / 72)`` epochs. None: see `DeepDetector`.
    stop_at : float in (0, 1) or None, default 0.5
        See `TransformationDetector`.
    batch_size : int, default 128
        Views, GEOM's.
    weight_decay : float, default 0
        GEOM's code has 5e-4 (docs/choices.md compares).
    lr, standardize, device, precision, verbose
        See `DeepDetector`.
    contamination, random_state
        See `BaseDetector`.

    References
    ----------
    Lin, He, Xu, Guan, Zhang, Zhou: Latent feature reconstruction for unsupervised anomaly detection. 2023.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).uniform(0.5, 1, (30, 1, 1, 1)) * np.linspace(0, 1, 64).reshape(8, 8)
    >>> detector = GTLFR(depth=4, n_components=8, max_epochs=40, random_state=0).fit(X)
    >>> projections, features = detector.anomaly_scores_, detector.set_params(scoring="A").anomaly_score(X)
    >>> projections.shape, bool((features == projections).any())
    ((30,), False)
    """

    scoring: Variant = "B"
    n_components: int = 20
    lambda1: float = 2e-4
    lambda2: float = 1e-5
    reduction: Literal["sum", "mean"] = "sum"
    width: int = 1
    max_epochs: int | None = 72
    stop_at: float | None = 0.5

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_choice(self, "scoring", "A", "B")
        check_number(self, "n_components", int, 1)
        check_number(self, "lambda1", float, 0)
        check_number(self, "lambda2", float, 0)
        check_choice(self, "reduction", "sum", "mean")

    def _transformations(self, side: int) -> Geometric:
        return Geometric(side)

    def _build_module(self, input_shape: tuple[int, ...]) -> nn.Module:
        transformations = self._transformations(square_side(input_shape))
        net, rank = self._net(input_shape, len(transformations)), self.n_components
        if rank > net.n_features:
            raise ParameterError(
                f"n_components of GTLFR is {rank}, more than the {net.n_features} features of the net; take "
                f"fewer, or a larger width."
            )
        layers = LFRLayers(
            len(transformations), net.n_features, rank, self.lambda1, self.lambda2, reduction=self.reduction
        )
        return GTLFRModule(net, transformations, layers)

    def _module_score(self, x: Tensor) -> Tensor:
        module: Any = self.module_
        scores: Tensor = module.score(x, self.scoring)
        return scores
