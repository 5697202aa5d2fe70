"""RSRAE: an autoencoder with a layer of robust subspace recovery (arXiv 1904.00152)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Adam, Optimizer

from dross.deep import MAX_ABS, DeepDetector
from dross.errors import ParameterError
from dross.features.base import State
from dross.nets.lfr import LFRLayer
from dross.nets.rsrae import Activation, rsrae_nets
from dross.parameters import check_choice, check_number
from dross.rows import Rows, batches
from dross.tensors import directions

__all__ = ["RSRAE", "RSRAEModule"]

_SAME_LENGTH = 0.01  # by which lengths may differ, of rounded numbers
_OF_SAME_LENGTH = 0.95  # of the rows: a few odd ones do not decide
_MOST_ALIKE = 0.5  # squared length of the mean direction: above it the mean is an offset
_VALUES_AT_ONCE = 1_000_000


class RSRAEModule(nn.Module):
    """An autoencoder whose decoder sees the direction of a code's projection, and nothing else.

    Parameters
    ----------
    encoder : nn.Module
        Rows to codes ``(b, d)``.
    decoder : nn.Module
        Unit vectors ``(b, k)`` to rows.
    layer : LFRLayer
        The subspace.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, layer: LFRLayer) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.layer = layer

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return rows rebuilt from unit vectors, same shape as ``x``."""
        rebuilt: Tensor = self.decoder(functional.normalize(self.layer.project(self.encoder(x)), dim=1))
        return rebuilt.float()

    def loss(self, x: Tensor) -> Tensor:
        """Return the mean unsquared error of a batch."""
        errors: Tensor = torch.linalg.vector_norm((x - self.reconstruct(x)).flatten(1), dim=1)
        return errors.mean()

    def orthogonality_loss(self) -> Tensor:
        """Return the mean square of the entries of ``A A^T - I``."""
        return self.layer.departure() / len(self.layer.weight) ** 2

    def projection_loss(self, x: Tensor) -> Tensor:
        """Return the mean distance of a batch's codes from the subspace."""
        return self.layer.residual(self.encoder(x)).mean()

    def score(self, x: Tensor) -> Tensor:
        """Return minus the cosine between each row and itself rebuilt; 0 for a row of zeros."""
        return -(directions(x) * directions(self.reconstruct(x))).flatten(1).sum(dim=1)


@dataclass(kw_only=True, eq=False, repr=False)
class RSRAE(DeepDetector):
    """An autoencoder whose codes must lie in a subspace that few far codes cannot turn.

    Trained as in its authors' code: of each batch one Adam step down the error of the rows, one towards
    orthonormal axes, one down the unsquared distance of the codes from the subspace. The decoder gets the
    projection at length 1; the score is minus the cosine between a row and itself rebuilt: -1 is perfect, and
    a row's length plays no part. So a row near the mean, which has no direction, scores high, and one column
    alone gives no scores worth the name. Contamination: stands much of it if anomalies point in various
    directions.

    The net sees images, and rows that are not standardised, at length 1, as in its authors' code; most
    images rank lower at others (docs/choices.md).

    The net is its authors': convolutions 5×5, 5×5, 3×3 of stride 2 to 32, 64, 128 channels, for tables dense
    layers of 32, 64, 128; the output is activated too.

    Deviations: the axes are begun orthonormal, theirs with standard normal numbers, which take hundreds of
    steps to shrink. Their code shuffles the rows once, here every epoch has its own order. Images whose sides
    8 does not divide are padded in the third layer as in the others. Rows are standardised first, so that the
    cosine is taken about the mean and any unit will do; theirs are not, with pixels between -1 and 1 (give
    them so with ``standardize=False``).

    Parameters
    ----------
    n_components : int or None, default None
        Dimensions of the subspace; None takes its authors' 10, for a table at most half of its columns,
        rounded up as a direction has one freedom less.
    activation : "auto", "tanh", "relu" or "leaky_relu", default "auto"
        "auto" is its authors' rule, on the rows as the net sees them: "relu" if none is below 0, else "tanh"
        if none is outside -1 and 1 (so always if their length is 1), else "leaky_relu".
    norm : "affine", "batch" or "none", default "affine"
        What follows an activation. Their batch norm never learns statistics: "affine", a factor and an offset
        per channel, is what it comes to; "batch" is one that does.
    subspace_lr : float, default 2.5e-3
        Learning rate of the second and third step; ``lr`` is that of the first.
    batch_size, lr
        128 and 2.5e-4, its authors'.
    standardize : bool or "auto", default "auto"
        "auto" leaves rows of a table as they are if they are directions, of length 1 or √d as vectors of
        texts are: about their mean, anomalies get the better directions (docs/choices.md).
    max_epochs, weight_decay, device, precision, verbose
        See `DeepDetector`; its authors take 200 epochs. The first step alone decays weights.
    contamination, random_state
        See `BaseDetector`.

    Attributes
    ----------
    activation_ : str
        The activation taken.

    References
    ----------
    Lai, Zou, Lerman: Robust subspace recovery layer for unsupervised anomaly detection. ICLR 2020,
    arXiv 1904.00152.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(200, 1)) * [1.0, 2.0, -1.0, 0.5]
    >>> X[7] = [6.0, -6.0, 6.0, -6.0]
    >>> detector = RSRAE(n_components=1, lr=1e-3, batch_size=16, max_epochs=40, random_state=0).fit(X)
    >>> int(detector.anomaly_scores_.argmax())
    7
    """

    n_components: int | None = None
    activation: Activation | Literal["auto"] = "auto"
    norm: Literal["affine", "batch", "none"] = "affine"
    subspace_lr: float = 2.5e-3
    batch_size: int = 128
    lr: float = 2.5e-4

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number(self, "n_components", int, 1, optional=True)
        check_number(self, "subspace_lr", float, 0, excluding=(0,))
        check_choice(self, "activation", "auto", "tanh", "relu", "leaky_relu")
        check_choice(self, "norm", "affine", "batch", "none")

    @property
    def _has_unit_length(self) -> bool:
        """Whether the net sees rows of length 1."""
        return not self.standardizes_ or len(self.input_shape_) == 3

    def _standardizes(self, X: Rows) -> bool:
        return len(X.shape) == 4 or not _are_directions(X)

    def _standardised(self, x: Tensor) -> Tensor:
        x = super()._standardised(x) if self.standardizes_ else x.to(self.device_)
        return directions(x) if self._has_unit_length else x

    def _in_their_unit(self, seen: NDArray[np.float64], X: Rows) -> NDArray[np.float64]:
        if self._has_unit_length:  # each row gets back its own length
            center, scale = self.center_[:, None], self.scale_[:, None]
            limit = MAX_ABS if self.standardizes_ else np.finfo(np.float32).max  # as the net sees them
            lengths = [
                np.linalg.norm(np.clip((x - center) * scale, -limit, limit), axis=(1, 2))
                for x in map(np.float64, self._by_unit(X))
            ]
            seen = seen * np.concatenate(lengths).reshape(-1, *(1,) * (seen.ndim - 1))
        return super()._in_their_unit(seen, X)

    def _learn_standardisation(self, X: Rows) -> None:
        super()._learn_standardisation(X)
        self.activation_ = self._activation_for(X) if self.activation == "auto" else self.activation

    def _activation_for(self, X: Rows) -> Activation:
        if not self._has_unit_length:
            return "leaky_relu"
        return "tanh" if self.standardizes_ or self._ranges(X)[0].min() < 0 else "relu"

    def _build_module(self, input_shape: tuple[int, ...]) -> nn.Module:
        at_most = 10 if len(input_shape) == 3 else (input_shape[0] + 1) // 2
        rank = self.n_components or min(10, at_most)
        encoder, decoder, width = rsrae_nets(
            input_shape, None, rank, activation=self.activation_, norm=self.norm, activate_output=True
        )
        if rank > width:
            raise ParameterError(f"n_components of RSRAE is {rank}, more than the {width} of the code.")
        return RSRAEModule(encoder, decoder, LFRLayer(width, rank))

    def _configure_optimizers(self) -> list[Optimizer]:
        weights = self._in_one_piece(self.module_)
        module: Any = self.module_
        # Weights that a loss does not touch have gradients of 0 there, and its Adam leaves them as they are.
        return [
            Adam([weights], lr=self.lr, weight_decay=self.weight_decay, fused=True),
            Adam([module.layer.weight], lr=self.subspace_lr, fused=True),
            Adam([weights], lr=self.subspace_lr, fused=True),
        ]

    def _training_step(self, x: Tensor, rows: Tensor, optimizers: list[Optimizer]) -> Tensor:
        module: Any = self.module_
        loss = self._descend(optimizers[0], lambda: module.loss(x))
        self._descend(optimizers[1], module.orthogonality_loss)
        self._descend(optimizers[2], lambda: module.projection_loss(x))
        return loss

    def _learned_state(self) -> State:
        values, arrays = super()._learned_state()
        return values | {"activation": self.activation_}, arrays

    def _restore(self, values: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        self.activation_ = values["activation"]
        super()._restore(values, arrays)


def _are_directions(X: Rows) -> bool:
    """Return whether the rows of a table, but for a few, have length 1 or √d and point in various directions.

    Rows of zeros, texts without a word, do not count.
    """
    n_columns = X.shape[1]
    lengths, total = np.empty(len(X)), np.zeros(n_columns)
    with np.errstate(over="ignore", invalid="ignore"):
        for part in batches(len(X), max(1, _VALUES_AT_ONCE // n_columns)):
            rows = np.asarray(X[part], np.float64)
            lengths[part] = np.linalg.norm(rows, axis=1)
            total += rows.sum(axis=0)
        lengths = lengths[lengths > 0]
        for length in (1, math.sqrt(n_columns)):
            share = np.mean(np.abs(lengths - length) <= _SAME_LENGTH * length) if len(lengths) else 0
            if share >= _OF_SAME_LENGTH:
                return bool(np.square(total / len(X)).sum() <= _MOST_ALIKE * length**2)
    return False
