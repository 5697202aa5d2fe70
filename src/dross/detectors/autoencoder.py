"""Autoencoder: the plain deep detector that every other is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from dross.deep import DeepDetector
from dross.nets.conv import conv_decoder, conv_encoder
from dross.nets.mlp import mlp

__all__ = ["AutoEncoder", "AutoEncoderModule"]


class AutoEncoderModule(nn.Module):
    """An encoder and a decoder, trained on the squared error.

    Parameters
    ----------
    encoder, decoder : nn.Module
        Rows to codes and back.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def squared_error(self, x: Tensor) -> Tensor:
        """Return the squared error of each value, in float32, same shape as ``x``."""
        rebuilt: Tensor = self.decoder(self.encoder(x)).float()
        return (x - rebuilt).square()

    def loss(self, x: Tensor) -> Tensor:
        """Return the mean squared error of a batch."""
        return functional.mse_loss(self.decoder(self.encoder(x)).float(), x)

    def score(self, x: Tensor) -> Tensor:
        """Return the mean squared error of each row."""
        return self.squared_error(x).flatten(1).mean(dim=1)


@dataclass(kw_only=True, eq=False, repr=False)
class AutoEncoder(DeepDetector):
    """What a bottleneck cannot carry is unusual.

    Trained to reproduce its rows; dense for tables, convolutional for images of at least 16 pixels. The
    score is the mean squared error of the standardised row. Contamination: frequent anomalies are learnt
    like any other rows, so that a narrow code and few epochs stand it better than a good fit does.

    Parameters
    ----------
    hidden_sizes : tuple of int or None, default None
        Widths of the encoder's hidden layers, mirrored in the decoder; None takes ``(64, 32)``. For images
        the channels of the strided convolutions; None takes ``(32, 64, 128)``.
    latent_dim : int or None, default None
        Width of the code; None takes half of the columns, at least 1 and at most 8, and 64 for images.
    max_epochs, batch_size, lr, weight_decay, standardize, device, precision, verbose
        See `DeepDetector`.
    contamination, random_state
        See `BaseDetector`.

    References
    ----------
    Hinton, Salakhutdinov: Reducing the dimensionality of data with neural networks. Science 313, 2006,
    doi:10.1126/science.1127647.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(200, 1)) * [1.0, 2.0, -1.0, 0.5]
    >>> X[7] *= [1.0, -1.0, 1.0, 1.0]
    >>> int(AutoEncoder(batch_size=16, max_epochs=40, random_state=0).fit(X).anomaly_scores_.argmax())
    7
    """

    hidden_sizes: tuple[int, ...] | None = None
    latent_dim: int | None = None

    def _check_parameters(self) -> None:
        super()._check_parameters()
        self._check_number("latent_dim", int, 1, optional=True)
        self._check_sizes("hidden_sizes")

    def _build_module(self, input_shape: tuple[int, ...]) -> nn.Module:
        if len(input_shape) == 1:
            width = input_shape[0]
            sizes = (width, *(self.hidden_sizes or (64, 32)), self.latent_dim or max(1, min(8, width // 2)))
            return AutoEncoderModule(mlp(sizes), mlp(sizes[::-1]))
        channels, latent_dim = self.hidden_sizes or (32, 64, 128), self.latent_dim or 64
        return AutoEncoderModule(
            conv_encoder(input_shape, channels, latent_dim), conv_decoder(input_shape, channels, latent_dim)
        )

    def _error_map(self, X: NDArray[Any]) -> NDArray[np.float64]:
        module: Any = self.module_
        return self._map_batches(X, lambda x: module.squared_error(x).mean(dim=1))
