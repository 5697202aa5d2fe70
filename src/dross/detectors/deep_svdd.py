"""Deep SVDD: one-class deep support vector data description."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from dross.deep import DeepDetector
from dross.nets.conv import conv_encoder
from dross.nets.mlp import mlp
from dross.parameters import check_number, check_sizes
from dross.rows import Rows, read_rows, sample_rows

__all__ = ["DeepSVDD", "DeepSVDDModule"]

_CENTER_ROWS = 10_000
_CENTER_VALUES = 100_000_000
_NEAREST_TO_ZERO = 0.1  # of the center's coordinates, as in the authors' code
_FIRST_PART, _LATER_FACTOR = 1 / 3, 0.1  # of the epochs, and of lr after them: the authors' 50 of 150


class DeepSVDDModule(nn.Module):
    """A net whose codes are drawn together around a fixed center.

    Parameters
    ----------
    encoder : nn.Module
        Rows to codes ``(b, k)``; its biases are taken away.
    latent_dim : int
        Width of the codes.
    """

    center: Tensor

    def __init__(self, encoder: nn.Module, latent_dim: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.register_buffer("center", torch.zeros(latent_dim))
        # With a bias anywhere the net could give the center whatever the row.
        for layer in encoder.modules():
            if isinstance(layer, (nn.Linear, nn.Conv2d)):
                layer.bias = None
            elif isinstance(layer, nn.BatchNorm2d):
                layer.weight = layer.bias = None  # type: ignore[assignment]

    def place_center(self, codes: Tensor) -> None:
        """Set the center to the mean of codes ``(n, k)``, each coordinate at least 0.1 away from 0.

        A net without biases reaches 0 by weights of 0: a coordinate near it would be met too easily.
        """
        mean = codes.mean(dim=0)
        sign = torch.where(mean < 0, -1.0, 1.0)
        self.center.copy_(sign * mean.abs().clamp(min=_NEAREST_TO_ZERO))

    def codes(self, x: Tensor) -> Tensor:
        """Return the code of each row, shape (b, k)."""
        z: Tensor = self.encoder(x)
        return z.float()

    def score(self, x: Tensor) -> Tensor:
        """Return the squared distance of each row's code from the center."""
        return (self.codes(x) - self.center).square().sum(dim=1)

    def loss(self, x: Tensor) -> Tensor:
        """Return the mean squared distance of a batch."""
        return self.score(x).mean()


@dataclass(kw_only=True, eq=False, repr=False)
class DeepSVDD(DeepDetector):
    """What cannot be drawn to the center of the codes is unusual.

    The one-class variant: a net without biases is trained to map its rows near a fixed point, the mean of
    the codes that it gave them before training. The score is the squared distance from there. Contamination:
    frequent anomalies are drawn to the center too; nothing holds them off but their being few.

    Deviations: the net starts from random weights, not from an autoencoder's, so that its batch norm takes
    the first statistics from the pass that finds the center. The paper scales images to 0 to 1; here each
    column or channel is. Convolutions are strided, where the paper's LeNets pool. The center is that of at
    most 10 000 rows.

    All codes can still come to lie at the center, where nothing tells rows apart: a larger ``lr`` and more
    epochs bring them there.

    Parameters
    ----------
    hidden_sizes : tuple of int or None, default None
        Widths of the hidden layers; None takes ``(64, 32)``. For images the channels of the strided
        convolutions; None takes the paper's, ``(8, 4)`` for grey and ``(32, 64, 128)`` for coloured images.
    latent_dim : int, default 32
        Width of the code, that of the paper's net for MNIST.
    weight_decay : float, default 1e-6
        The paper's.
    standardize : bool or "auto", default "auto"
        Whether columns and channels are made to span [0, 1].
    lr : float, default 1e-4
        The paper's. After a third of the epochs it falls to a tenth, as in the authors' code.
    max_epochs, batch_size, device, precision, verbose
        See `DeepDetector`.
    contamination, random_state
        See `BaseDetector`.

    References
    ----------
    Ruff et al.: Deep one-class classification. ICML 2018, PMLR 80.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(200, 1)) * [1.0, 2.0, -1.0, 0.5]
    >>> X[7] = [6.0, -6.0, 6.0, -6.0]
    >>> int(DeepSVDD(batch_size=16, max_epochs=40, random_state=0).fit(X).anomaly_scores_.argmax())
    7
    """

    to_unit_range: ClassVar[bool] = True  # about their mean, ordinary rows would have codes of zeros

    hidden_sizes: tuple[int, ...] | None = None
    latent_dim: int = 32
    lr: float = 1e-4
    weight_decay: float = 1e-6

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_sizes(self, "hidden_sizes")
        check_number(self, "latent_dim", int, 1)

    def _build_module(self, input_shape: tuple[int, ...]) -> nn.Module:
        if len(input_shape) == 1:
            sizes = (*input_shape, *(self.hidden_sizes or (64, 32)), self.latent_dim)
            encoder = mlp(sizes, lambda: nn.LeakyReLU(0.1))
        else:
            channels = (8, 4) if input_shape[0] == 1 else (32, 64, 128)
            encoder = conv_encoder(input_shape, self.hidden_sizes or channels, self.latent_dim)
        return DeepSVDDModule(encoder, self.latent_dim)

    def _lr_factor(self, epoch: int, n_epochs: int) -> float:
        return 1.0 if epoch < _FIRST_PART * n_epochs else _LATER_FACTOR

    def _train(self, X: Rows) -> None:
        module: Any = self.module_.train()  # batch norm as in the first steps
        n = min(_CENTER_ROWS, max(256, _CENTER_VALUES // math.prod(self.input_shape_)))
        x = read_rows(X, sample_rows(len(X), n, self.seed_))
        module.place_center(torch.from_numpy(self._map_batches(x, module.codes)))
        super()._train(X)
