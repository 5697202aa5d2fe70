"""Toll: targeted collapse regularised autoencoder (arXiv 2306.12627)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dross.deep import DeepDetector
from dross.nets.conv import conv_decoder, conv_encoder
from dross.nets.toll import arrhythmia_nets, cifar_nets, mnist_nets
from dross.parameters import check_number

__all__ = ["Toll", "TollModule"]


class TollModule(nn.Module):
    """An autoencoder whose codes are pulled to the origin.

    Parameters
    ----------
    encoder, decoder : nn.Module
        Rows to codes ``(b, k)`` and back.
    beta : float
        Weight of the code's norm beside the squared error, which is *summed* over the row.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, beta: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.beta = beta

    def score(self, x: Tensor) -> Tensor:
        """Return ``|x - g(f(x))|² + beta |f(x)|`` of each row (equation 3)."""
        z: Tensor = self.encoder(x).float()
        rebuilt: Tensor = self.decoder(z).float()
        penalty: Tensor = torch.linalg.vector_norm(z, dim=1)
        return (x - rebuilt).square().flatten(1).sum(dim=1) + self.beta * penalty

    def loss(self, x: Tensor) -> Tensor:
        """Return the mean of the score over a batch (equation 2)."""
        return self.score(x).mean()

    def squared_error(self, x: Tensor) -> Tensor:
        """Return the squared error of each value, same shape as ``x``."""
        rebuilt: Tensor = self.decoder(self.encoder(x)).float()
        return (x - rebuilt).square()


@dataclass(kw_only=True, eq=False, repr=False)
class Toll(DeepDetector):
    """An autoencoder with codes pulled to the origin: what keeps a long code is unusual.

    The score is the squared error of the standardised row, summed over its values, plus ``beta`` times the
    norm of its code. The penalty spends the code on what many rows share, so that rare rows are neither
    coded nor reproduced well; that helps against contamination as long as anomalies are a minority.

    Deviations: the paper gives its nets for 28×28 and 32×32 images and for tables; other sizes of images
    take the strided nets of `AutoEncoder`. Its learning rates are not given: Adam's default is taken.
    Squared errors are summed, which is what ``beta`` is weighed against. The paper picks the best of many
    checkpoints on a labelled validation split; here the last is taken, no label is used.

    Parameters
    ----------
    beta : float, default 1.0
        Weight of the code's norm.
    latent_dim : int or None, default None
        Width of the code; None takes the paper's: 128 at 28×28, 64 at 32×32, 16 for tables (and 64 else).
    max_epochs, batch_size, lr, weight_decay, standardize, device, precision, verbose
        See `DeepDetector`.
    contamination, random_state
        See `BaseDetector`.

    References
    ----------
    Targeted collapse regularized autoencoder for anomaly detection: black hole at the center.
    arXiv 2306.12627.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(200, 1)) * [1.0, 2.0, -1.0, 0.5]
    >>> X[7] = [6.0, -6.0, 6.0, -6.0]
    >>> int(Toll(batch_size=16, max_epochs=40, random_state=0).fit(X).anomaly_scores_.argmax())
    7
    """

    beta: float = 1.0
    latent_dim: int | None = None

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number(self, "beta", float, 0)
        check_number(self, "latent_dim", int, 1, optional=True)

    def _build_module(self, input_shape: tuple[int, ...]) -> nn.Module:
        if len(input_shape) == 1:
            nets = arrhythmia_nets(input_shape[0], self.latent_dim or 16)
        elif input_shape[1:] == (28, 28):
            nets = mnist_nets(input_shape[0], self.latent_dim or 128)
        elif input_shape[1:] == (32, 32):
            nets = cifar_nets(input_shape[0], self.latent_dim or 64)
        else:
            channels, latent_dim = (32, 64, 128), self.latent_dim or 64
            nets = (
                conv_encoder(input_shape, channels, latent_dim),
                conv_decoder(input_shape, channels, latent_dim),
            )
        return TollModule(*nets, self.beta)

    def _error_map(self, X: NDArray[Any]) -> NDArray[np.float64]:
        module: Any = self.module_
        return self._map_batches(X, lambda x: module.squared_error(x).sum(dim=1))
