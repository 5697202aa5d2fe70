"""DAGMM: deep autoencoding Gaussian mixture model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from dross.deep import DeepDetector
from dross.nets.autoencoders import encoder_and_decoder
from dross.parameters import check_number, check_sizes
from dross.rows import Rows

__all__ = ["DAGMM", "DAGMMModule", "energy", "mixture"]

_TINY = 1e-12
_SHORTEST = 1e-3
"""Shortest row that the relative distance divides by: a row of training means has length 0."""

_TRACE_SHARE = 1e-9  # of a covariance's trace, on its diagonal: float64 then always finds it invertible


def mixture(z: Tensor, membership: Tensor, diagonal: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return the Gaussian mixture that memberships make of points (equation 5).

    Parameters
    ----------
    z : Tensor of shape (n, k)
    membership : Tensor of shape (n, m)
        Of each point in each of the components.
    diagonal : float
        Added to the diagonal of every covariance.

    Returns
    -------
    tuple of Tensor
        Weights ``(m,)``, means ``(m, k)`` and covariances ``(m, k, k)``.
    """
    total = membership.sum(dim=0).clamp(min=_TINY)
    means = membership.T @ z / total[:, None]
    covariances = []
    for component, mean in enumerate(means):  # a few: no (n, m, k, k) is made
        apart = z - mean
        covariances.append((apart * membership[:, component, None]).T @ apart / total[component])
    stacked = torch.stack(covariances)
    ridge = diagonal + _TRACE_SHARE * stacked.diagonal(dim1=1, dim2=2).sum(dim=1)
    identity = torch.eye(z.shape[1], dtype=z.dtype, device=z.device)
    return total / len(z), means, stacked + ridge[:, None, None] * identity


def energy(z: Tensor, weights: Tensor, means: Tensor, covariances: Tensor) -> Tensor:
    """Return minus the log density of points ``(n, k)`` under a mixture (equation 6), shape (n,)."""
    # Unchecked, what is not finite goes through to the loss, which says so with its epoch.
    factors = torch.linalg.cholesky_ex(covariances).L
    apart = (z[None] - means[:, None]).transpose(1, 2)
    whitened = torch.linalg.solve_triangular(factors, apart, upper=False)
    log_determinant = 2 * factors.diagonal(dim1=1, dim2=2).log().sum(dim=1)
    constant = weights.log() - (z.shape[1] * math.log(2 * math.pi) + log_determinant) / 2
    return -torch.logsumexp(constant[:, None] - whitened.square().sum(dim=1) / 2, dim=0)


class DAGMMModule(nn.Module):
    """A compression net, an estimation net, and the mixture that they make of the training rows.

    Parameters
    ----------
    encoder, decoder : nn.Module
        Rows to codes ``(b, k)`` and back.
    latent_dim, n_components : int
        Width of the code, and number of Gaussians.
    lambda_energy, lambda_covariance, diagonal : float
        Weights of the energy and of the penalty beside the squared error, and what is added to the diagonals.
    """

    weights: Tensor
    means: Tensor
    covariances: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        latent_dim: int,
        n_components: int,
        lambda_energy: float,
        lambda_covariance: float,
        diagonal: float,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.lambda_energy = lambda_energy
        self.lambda_covariance = lambda_covariance
        self.diagonal = diagonal
        width = latent_dim + 2
        self.estimation = nn.Sequential(
            nn.Linear(width, 10), nn.Tanh(), nn.Dropout(0.5), nn.Linear(10, n_components), nn.Softmax(dim=1)
        )
        # In float64: a narrow covariance magnifies what float32 rounds.
        self.register_buffer("weights", torch.full((n_components,), 1 / n_components, dtype=torch.float64))
        self.register_buffer("means", torch.zeros(n_components, width, dtype=torch.float64))
        self.register_buffer("covariances", torch.eye(width, dtype=torch.float64).repeat(n_components, 1, 1))

    def points(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return code, relative distance and cosine of each row ``(b, k + 2)``, and the rebuilt rows."""
        code = self.encoder(x).float()
        rebuilt = self.decoder(code).float()
        flat, again = x.flatten(1), rebuilt.flatten(1)
        length = torch.linalg.vector_norm(flat, dim=1)
        distance = torch.linalg.vector_norm(flat - again, dim=1) / length.clamp(min=_SHORTEST)
        cosine = functional.cosine_similarity(flat, again, dim=1)
        return torch.cat([code, distance[:, None], cosine[:, None]], dim=1), rebuilt

    def loss(self, x: Tensor) -> Tensor:
        """Return mean squared error, energy and inverse variances by their weights (equation 7)."""
        z, rebuilt = self.points(x)
        error = (x - rebuilt).square().flatten(1).sum(dim=1).mean()
        membership = self.estimation(z).double()
        z = z.double()
        fitted = mixture(z, membership, self.diagonal)
        penalty = fitted[2].diagonal(dim1=1, dim2=2).reciprocal().sum()
        rest = self.lambda_energy * energy(z, *fitted).mean() + self.lambda_covariance * penalty
        return error + rest.float()

    def memberships(self, x: Tensor) -> Tensor:
        """Return the points and their memberships side by side, shape (b, k + 2 + m)."""
        z, _ = self.points(x)
        return torch.cat([z, self.estimation(z).float()], dim=1)

    def place_mixture(self, z: Tensor, membership: Tensor) -> None:
        """Set the mixture that scores to that of these points."""
        for buffer, value in zip(
            (self.weights, self.means, self.covariances), mixture(z, membership, self.diagonal), strict=True
        ):
            buffer.copy_(value)

    def score(self, x: Tensor) -> Tensor:
        """Return the energy of each row."""
        return energy(self.points(x)[0].double(), self.weights, self.means, self.covariances)

    def squared_error(self, x: Tensor) -> Tensor:
        """Return the squared error of each value, same shape as ``x``."""
        return (x - self.points(x)[1]).square()


@dataclass(kw_only=True, eq=False, repr=False)
class DAGMM(DeepDetector):
    """What lies apart from a Gaussian mixture of codes and errors is unusual.

    An autoencoder gives each row a short code, its relative error and the cosine with its copy; a second net
    gives memberships, which make a Gaussian mixture of these points; both train together. The score is the
    row's energy, minus its log density. Contamination: anomalies that are alike can get a component of their
    own, and are normal then.

    Deviations: ``diagonal`` is added to the covariances, as DUAD's authors do, since a mixture of few rows
    collapses otherwise. The mixture that scores is made of all training rows after the last epoch. Rows
    nearly equal to the training mean are taken as at least 0.001 long in the relative error. For images,
    which the paper has not, the nets are those of `AutoEncoder` and the code is 8 wide.

    Parameters
    ----------
    hidden_sizes : tuple of int or None, default None
        Widths of the encoder's hidden layers (tanh), mirrored in the decoder; None takes the paper's for
        KDD, ``(60, 30, 10)``. For images the channels of the strided convolutions; None takes
        ``(32, 64, 128)``.
    latent_dim : int or None, default None
        Width of the code; None takes 1, the paper's for KDD, and 8 for images.
    n_components : int, default 4
        Gaussians of the mixture, the paper's for KDD.
    lambda_energy, lambda_covariance : float, default 0.1 and 0.005
        Weights of the energy and of the sum of the inverse variances; the paper's.
    diagonal : float, default 0.1
        Added to the covariances' diagonals. DUAD's authors give no value; 0.1 did better than 0.001 and
        0.000001 on development draws of KDD and Arrhythmia.
    max_epochs, batch_size, lr, weight_decay, standardize, device, precision, verbose
        See `DeepDetector`.
    contamination, random_state
        See `BaseDetector`.

    References
    ----------
    Zong et al.: Deep autoencoding Gaussian mixture model for unsupervised anomaly detection. ICLR 2018. The
    diagonal: Li, Wang, Liu, Lin: Deep unsupervised anomaly detection. WACV 2021.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(500, 1)) * [1.0, 2.0, -1.0, 0.5]
    >>> X[7] = [6.0, -6.0, 6.0, -6.0]
    >>> detector = DAGMM(batch_size=64, max_epochs=40, random_state=0).fit(X)
    >>> bool(detector.anomaly_scores_[7] > np.quantile(detector.anomaly_scores_, 0.95))
    True
    """

    hidden_sizes: tuple[int, ...] | None = None
    latent_dim: int | None = None
    n_components: int = 4
    lambda_energy: float = 0.1
    lambda_covariance: float = 0.005
    diagonal: float = 0.1

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_sizes(self, "hidden_sizes")
        check_number(self, "latent_dim", int, 1, optional=True)
        check_number(self, "n_components", int, 1)
        check_number(self, "lambda_energy", float, 0)
        check_number(self, "lambda_covariance", float, 0)
        check_number(self, "diagonal", float, 1e-9)

    def _build_module(self, input_shape: tuple[int, ...]) -> nn.Module:
        is_table = len(input_shape) == 1
        hidden_sizes = self.hidden_sizes or ((60, 30, 10) if is_table else (32, 64, 128))
        latent_dim = self.latent_dim or (1 if is_table else 8)
        nets = encoder_and_decoder(input_shape, hidden_sizes, latent_dim, activation=nn.Tanh)
        return DAGMMModule(
            *nets, latent_dim, self.n_components, self.lambda_energy, self.lambda_covariance, self.diagonal
        )

    def _train(self, X: Rows) -> None:
        super()._train(X)
        module: Any = self.module_.eval()
        points = torch.from_numpy(self._map_batches(X, module.memberships))
        module.place_mixture(points[:, : -self.n_components], points[:, -self.n_components :])
