"""VAE: the variational autoencoder with a Gaussian decoder."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dross.deep import DeepDetector
from dross.nets.autoencoders import encoder_and_decoder, usual_sizes
from dross.parameters import check_number, check_sizes

__all__ = ["VAE", "VAEModule"]

_MAX_LOG_VARIANCE = 10.0
"""Log variances of codes are kept between minus and plus this, so that no far row overflows them."""


class VAEModule(nn.Module):
    """An encoder that gives the mean and log variance of a Gaussian over codes, and a decoder.

    Parameters
    ----------
    encoder, decoder : nn.Module
        Rows to ``(b, 2 k)``, means first, and codes ``(b, k)`` back to rows.
    beta : float
        Weight of the divergence from the standard normal distribution.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, beta: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.beta = beta

    def loss(self, x: Tensor) -> Tensor:
        """Return the mean negative evidence lower bound, with one drawn code a row."""
        mean, log_variance = self._code(x)
        z = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        return self._bound(x, z, mean, log_variance).mean()

    def score(self, x: Tensor) -> Tensor:
        """Return the negative evidence lower bound of each row, with the mean as its code."""
        mean, log_variance = self._code(x)
        return self._bound(x, mean, mean, log_variance)

    def encode(self, x: Tensor) -> Tensor:
        """Return the mean of each row's code, shape (b, k)."""
        return self._code(x)[0]

    def squared_error(self, x: Tensor) -> Tensor:
        """Return the squared error of each value with the mean as code, same shape as ``x``."""
        rebuilt: Tensor = self.decoder(self._code(x)[0]).float()
        return (x - rebuilt).square()

    def _code(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.encoder(x).float().chunk(2, dim=1)
        return mean, log_variance.clamp(-_MAX_LOG_VARIANCE, _MAX_LOG_VARIANCE)

    def _bound(self, x: Tensor, z: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
        error = (x - self.decoder(z).float()).square().flatten(1).sum(dim=1)
        divergence = (mean.square() + log_variance.exp() - log_variance - 1).sum(dim=1)
        bound: Tensor = (error + self.beta * divergence) / 2
        return bound


@dataclass(kw_only=True, eq=False, repr=False)
class VAE(DeepDetector):
    """What a latent Gaussian model finds improbable is unusual.

    Codes are drawn around the encoder's mean while training; the decoder is a Gaussian of unit variance. The
    score is the negative evidence lower bound without its constant, half of the squared error of the
    standardised row, summed over its values, plus ``beta`` times the divergence of its code's distribution
    from the standard normal one. Scoring takes the mean for the code instead of drawing, so that scores are
    the same each time. The noise blurs what few rows share: contamination is learnt later than by a plain
    autoencoder, and columns that hang together with no other are not coded at all.

    Parameters
    ----------
    hidden_sizes : tuple of int or None, default None
        Widths of the encoder's hidden layers, mirrored in the decoder; None takes ``(64, 32)``. For images
        the channels of the strided convolutions; None takes ``(32, 64, 128)``.
    latent_dim : int or None, default None
        Width of the code; None takes half of the columns, at least 1 and at most 8, and 64 for images.
    beta : float, default 1.0
        Weight of the divergence; 1 is the bound itself.
    max_epochs, batch_size, lr, weight_decay, standardize, device, precision, verbose
        See `DeepDetector`.
    contamination, random_state
        See `BaseDetector`.

    References
    ----------
    Kingma, Welling: Auto-encoding variational Bayes. ICLR 2014, arXiv 1312.6114. ``beta``: Higgins et al.,
    beta-VAE. ICLR 2017.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(200, 1)) * [1.0, 2.0, -1.0, 0.5]
    >>> X[7] = [6.0, -6.0, 6.0, -6.0]
    >>> int(VAE(batch_size=16, max_epochs=40, random_state=0).fit(X).anomaly_scores_.argmax())
    7
    """

    hidden_sizes: tuple[int, ...] | None = None
    latent_dim: int | None = None
    beta: float = 1.0

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_sizes(self, "hidden_sizes")
        check_number(self, "latent_dim", int, 1, optional=True)
        check_number(self, "beta", float, 0)

    def _build_module(self, input_shape: tuple[int, ...]) -> nn.Module:
        hidden_sizes, latent_dim = usual_sizes(input_shape, self.hidden_sizes, self.latent_dim)
        nets = encoder_and_decoder(input_shape, hidden_sizes, latent_dim, n_outputs=2 * latent_dim)
        return VAEModule(*nets, self.beta)
