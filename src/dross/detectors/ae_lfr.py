"""AE-LFR: an autoencoder with latent feature reconstruction (Lin et al. 2023)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from dross.errors import ParameterError
from dross.nets.lfr import LFRLayer
from dross.nets.rsrae import rsrae_nets
from dross.nets.tally import Tally, scatter
from dross.parameters import check_choice, check_number
from dross.reconstruction import ReconstructionDetector

__all__ = ["AELFR", "AELFRModule"]

Variant = Literal["A", "B"]


class AELFRModule(nn.Module):
    """An autoencoder and a subspace of its codes.

    Parameters
    ----------
    encoder, decoder : nn.Module
        Rows to codes ``(b, d)`` and back.
    layer : LFRLayer
        Takes the encoder's codes.
    trained : "A" or "B"
        What the decoder is given in training: the code ("A"), or ``A^T A`` of it ("B").
    """

    def __init__(
        self, encoder: nn.Module, decoder: nn.Module, layer: LFRLayer, trained: Variant = "A"
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.layer = layer
        self.trained = trained
        self.unexplained = Tally()

    def loss(self, x: Tensor) -> Tensor:
        """Return the unsquared errors of a batch and the layer's loss (equations 6 and 12), a scalar."""
        z = self.encoder(x)
        errors = torch.linalg.vector_norm((x - self._decoded(z, self.trained)).flatten(1), dim=1)
        self.unexplained.add(errors.detach().square().sum(), scatter(x))
        return self.layer.reduce(errors) + self.layer.loss(z)

    def squared_error(self, x: Tensor, variant: Variant = "B") -> Tensor:
        """Return the squared error of each value, rebuilt from the code ("A") or ``A^T A`` of it ("B").

        Their sum is the score of equation 5 or 7.
        """
        return (x - self.reconstruct(x, variant)).square()

    def reconstruct(self, x: Tensor, variant: Variant = "B") -> Tensor:
        """Return rows rebuilt from the code ("A") or ``A^T A`` of it ("B"), same shape as ``x``."""
        return self._decoded(self.encoder(x), variant)

    def _decoded(self, z: Tensor, variant: Variant) -> Tensor:
        rebuilt: Tensor = self.decoder(z if variant == "A" else self.layer.reconstruct(z))
        return rebuilt.float()


@dataclass(kw_only=True, eq=False, repr=False)
class AELFR(ReconstructionDetector):
    """What an autoencoder cannot rebuild once its code is laid into a subspace is unusual.

    The code is drawn into a subspace by an `LFRLayer` while the decoder still sees all of it. In scoring the
    code's projection takes its place, and the score is the error of the row so rebuilt, by default each
    value's beside what is usual for it. Frequent rows lose little that way. Contamination: as long as
    anomalies are too few and too various to have the subspace to themselves, they are rebuilt badly even
    where the decoder has learnt them, however long it trains.

    The net is the paper's: convolutions 5×5, 5×5, 3×3 to 32, 64, 128 channels and a dense layer; for tables
    dense layers of 32, 64, 128 (RSRAE's for texts, the paper has none); tanh after all but the output.

    Deviations: the stride of 2 is RSRAE's, the paper names none; the paper's A is begun orthonormal, it does
    not say how. Rows are standardised by default, so that any unit will do; the paper's images lie in
    [-1, 1], in RSRAE's code, whose protocol it follows, they have norm 1 (give them so with
    ``standardize=False``), against which the layer's loss weighs more, as the error of a row is then 1 at
    most. The paper trains 1 000 epochs. ``n_components`` is halved for narrow tables.

    Parameters
    ----------
    n_components : int or None, default None
        Rank k of the subspace; None takes the paper's 10, for a table at most half of its columns.
    latent_dim : int or None, default None
        Width of the code; None takes the paper's 256 for images, and 128 for tables.
    loss : "A" or "B", default "A"
        What the decoder is given in training: "A" the code, "B" its projection (the paper's ablation).
    scoring : "A" or "B", default "B"
        What it is given in scoring. Scores follow ``set_params(scoring=...)`` after a fit at once; the
        threshold and ``anomaly_scores_`` stay those of the fit.
    stop_at, error_scale
        See `ReconstructionDetector`; None and "equal" are the paper's.
    lambda1, lambda2 : float, default 2.0 and 0.1
        The paper's weights of the code's residual and of the departure from orthonormality.
    reduction : "sum" or "mean", default "sum"
        Of the loss over a batch: the paper's sums, or means; see `LFRLayer` for what that does to
        ``lambda2``.
    batch_size, lr
        128 and 2.5e-4, the paper's.
    max_epochs, weight_decay, standardize, device, precision, verbose
        See `DeepDetector`.
    contamination, random_state
        See `BaseDetector`.

    References
    ----------
    Lin, He, Xu, Guan, Zhang, Zhou: Latent feature reconstruction for unsupervised anomaly detection. 2023.
    Lai, Zou, Lerman: Robust subspace recovery layer for unsupervised anomaly detection. ICLR 2020,
    arXiv 1904.00152.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(200, 1)) * [1.0, 2.0, -1.0, 0.5]
    >>> X[7] = [6.0, -6.0, 6.0, -6.0]
    >>> detector = AELFR(lr=1e-3, batch_size=16, max_epochs=40, random_state=0).fit(X)
    >>> int(detector.anomaly_scores_.argmax())
    7
    >>> int(detector.set_params(scoring="A").anomaly_score(X).argmax())
    7
    """

    rebuilds: ClassVar[tuple[str, ...]] = ("A", "B")

    n_components: int | None = None
    latent_dim: int | None = None
    loss: Variant = "A"
    scoring: Variant = "B"
    lambda1: float = 2.0
    lambda2: float = 0.1
    reduction: Literal["sum", "mean"] = "sum"
    batch_size: int = 128
    lr: float = 2.5e-4

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number(self, "n_components", int, 1, optional=True)
        check_number(self, "latent_dim", int, 1, optional=True)
        check_number(self, "lambda1", float, 0)
        check_number(self, "lambda2", float, 0)
        check_choice(self, "loss", "A", "B")
        check_choice(self, "scoring", "A", "B")
        check_choice(self, "reduction", "sum", "mean")

    def _build_module(self, input_shape: tuple[int, ...]) -> nn.Module:
        is_image = len(input_shape) == 3
        encoder, decoder, width = rsrae_nets(input_shape, self.latent_dim or (256 if is_image else 128))
        at_most = width if is_image else min(width, max(1, input_shape[0] // 2))
        rank = self.n_components or min(10, at_most)
        if rank > width:
            raise ParameterError(
                f"n_components of AELFR is {rank}, more than the {width} of the code; take fewer, or set "
                f"latent_dim to {rank} or more."
            )
        layer = LFRLayer(width, rank, self.lambda1, self.lambda2, reduction=self.reduction)
        return AELFRModule(encoder, decoder, layer, self.loss)

    @property
    def _way(self) -> str:
        return self.scoring

    def _rebuilt(self, x: Tensor) -> Tensor:
        module: Any = self.module_
        rebuilt: Tensor = module.reconstruct(x, self.scoring)
        return rebuilt

    def _squared_error(self, x: Tensor, way: str) -> Tensor:
        module: Any = self.module_
        errors: Tensor = module.squared_error(x, way)
        return errors
