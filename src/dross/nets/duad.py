"""An autoencoder judged by angles: the net of DUAD."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss, normalize

from dross.tensors import directions

__all__ = ["DUADModule", "angle"]


def angle(x: Tensor, rebuilt: Tensor) -> Tensor:
    """Return the angle between rows and what became of them, in radians, shape (b,) (equation 6).

    A row of zeros has no direction; its angle is ``atan`` of the length of what became of it: 0 where that is
    zeros again. Any other row is at a right angle to zeros.

    Examples
    --------
    >>> x = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    >>> rebuilt = torch.tensor([[5.0, 5.0], [2.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    >>> angle(x, rebuilt).rad2deg().round().tolist()
    [45.0, 0.0, 45.0, 0.0]
    """
    x, rebuilt = x.flatten(1), rebuilt.flatten(1)
    u, v = directions(x), directions(rebuilt)
    # The arc cosine loses half of the digits of small angles; half-angle differences keep them.
    apart, together = torch.linalg.vector_norm(u - v, dim=1), torch.linalg.vector_norm(u + v, dim=1)
    from_zeros = torch.linalg.vector_norm(rebuilt, dim=1).atan()
    return torch.where(x.any(dim=1), 2 * torch.atan2(apart, together), from_zeros)


class DUADModule(nn.Module):
    """An autoencoder judged by angles.

    Parameters
    ----------
    encoder, decoder : nn.Module
        Rows to codes and back.
    loss_kind : "squared" or "angle"
        What training lessens.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, loss_kind: str) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.loss_kind = loss_kind

    def loss(self, x: Tensor) -> Tensor:
        """Return the mean squared error of a batch, or its mean angle."""
        rebuilt = self.decoder(self.encoder(x)).float()
        return mse_loss(rebuilt, x) if self.loss_kind == "squared" else angle(x, rebuilt).mean()

    def score(self, x: Tensor) -> Tensor:
        """Return the angle of each row (equation 9)."""
        return angle(x, self.decoder(self.encoder(x)).float())

    def squared_error(self, x: Tensor) -> Tensor:
        """Return the squared error of each value, same shape as ``x``."""
        error: Tensor = x - self.decoder(self.encoder(x)).float()
        return error.square()

    def embed(self, x: Tensor) -> Tensor:
        """Return code and angle side by side, of length 1, shape (b, latent_dim + 1) (equation 5)."""
        z = self.encoder(x)
        return normalize(torch.column_stack([z.float(), angle(x, self.decoder(z).float())]), dim=1)
