"""OC-NN: one-class neural network on the codes of an autoencoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from dross.deep import DeepDetector
from dross.nets.autoencoders import encoder_and_decoder, usual_sizes
from dross.parameters import check_number, check_sizes
from dross.rows import Rows

__all__ = ["OCNN", "OCNNModule"]


class OCNNModule(nn.Module):
    """An autoencoder, and one hidden layer and one output on its codes, which the output's loss leaves alone.

    Parameters
    ----------
    encoder, decoder : nn.Module
        Rows to codes ``(b, k)`` and back.
    latent_dim, n_hidden : int
        Width of the codes and of the hidden layer.
    nu : float
        Share of the rows that may lie below the bias.
    """

    bias: Tensor

    def __init__(
        self, encoder: nn.Module, decoder: nn.Module, latent_dim: int, n_hidden: int, nu: float
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.hidden = nn.Linear(latent_dim, n_hidden, bias=False)
        self.output = nn.Linear(n_hidden, 1, bias=False)
        self.nu = nu
        self.register_buffer("bias", torch.zeros((), dtype=torch.float64))

    def respond(self, codes: Tensor) -> Tensor:
        """Return ``w · sigmoid(V z)`` of each code, shape (b,)."""
        response: Tensor = self.output(self.hidden(codes).sigmoid())
        return response.float().squeeze(1)

    def objective(self, codes: Tensor) -> Tensor:
        """Return the one-class objective of a batch of codes (equation 4).

        The bias that minimises it, the nu-quantile of the responses, is taken from the batch itself.
        """
        response = self.respond(codes)
        bias = torch.quantile(response.detach(), self.nu)
        weights = self.hidden.weight.square().sum() + self.output.weight.square().sum()
        return weights / 2 + (bias - response).relu().mean() / self.nu - bias

    def loss(self, x: Tensor) -> Tensor:
        """Return the mean squared error, which the autoencoder learns from, plus the objective."""
        z: Tensor = self.encoder(x)
        return functional.mse_loss(self.decoder(z).float(), x) + self.objective(z.detach())

    def score(self, x: Tensor) -> Tensor:
        """Return how far each row's response lies below the bias."""
        return self.bias - self.respond(self.encoder(x))


@dataclass(kw_only=True, eq=False, repr=False)
class OCNN(DeepDetector):
    """What responds less than nearly all rows is unusual.

    A one-class SVM whose kernel is a hidden layer on the codes of an autoencoder: its response is trained to
    exceed a bias that only the share ``nu`` of the rows misses. The score is the bias minus the response.
    Contamination: up to ``nu`` of the rows are let go; more anomalies shape the response.

    For images only: codes of a standardised table lie all around the origin, where no direction is better
    than none. There the net collapsed, and scores came out upside down (docs/choices.md).

    Deviations: the paper trains the autoencoder first and the one-class net then, with the encoder. Here
    both learn in the same steps, but the encoder from reconstruction alone: the objective could otherwise be
    met by one code for all rows. The bias is the quantile of each batch, not of each epoch, and after
    training that of all rows. The activation is the sigmoid; with a linear one the objective has no minimum
    once codes are longer than 1. Layers are those of `AutoEncoder`, lr is Adam's default.

    Parameters
    ----------
    hidden_sizes : tuple of int or None, default None
        Channels of the encoder's strided convolutions, mirrored in the decoder; None takes ``(32, 64, 128)``.
    latent_dim : int, default 64
        Width of the code.
    n_hidden : int, default 32
        Width of the one-class net's hidden layer.
    nu : float in (0, 1), default 0.1
        Share of the training rows whose response may lie below the bias.
    max_epochs, batch_size, lr, weight_decay, standardize, device, precision, verbose
        See `DeepDetector`.
    contamination, random_state
        See `BaseDetector`.

    References
    ----------
    Chalapathy, Menon, Chawla: Anomaly detection using one-class neural networks. 2018, arXiv 1802.06360.

    Examples
    --------
    >>> X = np.random.default_rng(0).random(size=(40, 1, 16, 16))
    >>> detector = OCNN(batch_size=16, max_epochs=1, nu=0.25, random_state=0).fit(X)
    >>> int((detector.anomaly_scores_ > 0).sum())
    10
    """

    input_kinds = frozenset({"image"})

    hidden_sizes: tuple[int, ...] | None = None
    latent_dim: int = 64
    n_hidden: int = 32
    nu: float = 0.1

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_sizes(self, "hidden_sizes")
        check_number(self, "latent_dim", int, 1)
        check_number(self, "n_hidden", int, 1)
        check_number(self, "nu", float, 0, 1, excluding=(0, 1))

    def _build_module(self, input_shape: tuple[int, ...]) -> nn.Module:
        nets = encoder_and_decoder(input_shape, *usual_sizes(input_shape, self.hidden_sizes, self.latent_dim))
        return OCNNModule(*nets, self.latent_dim, self.n_hidden, self.nu)

    def _train(self, X: Rows) -> None:
        super()._train(X)
        module: Any = self.module_.eval()
        responses = -self._score_all(X)  # the bias is still 0
        module.bias.fill_(np.quantile(responses, self.nu))
