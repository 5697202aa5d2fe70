"""The layer of latent feature reconstruction: learnt subspaces for the codes of any encoder."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

__all__ = ["LFRLayer", "LFRLayers"]


class _Subspaces(nn.Module):
    """What one subspace and several share: matrices, how orthonormal they are, the weights of the loss."""

    def __init__(
        self,
        shape: tuple[int, ...],
        lambda1: float,
        lambda2: float,
        reduction: Literal["sum", "mean"],
    ) -> None:
        super().__init__()
        *_, n_components, n_features = shape
        if not 1 <= n_components <= n_features:
            raise ValueError(
                f"A subspace of {n_features} dimensions has 1 to {n_features}, not {n_components}."
            )
        if reduction not in ("sum", "mean"):
            raise ValueError(f"reduction must be 'sum' or 'mean', got {reduction!r}.")
        self.lambda1 = lambda1
        self.lambda2 = lambda2
        self.reduction = reduction
        self.weight = nn.Parameter(torch.empty(shape))
        for matrix in self.weight.data.view(-1, n_components, n_features):
            nn.init.orthogonal_(matrix)

    def departure(self) -> Tensor:
        """Return the squared Frobenius norm of ``A A^T - I``, summed over the matrices, a scalar."""
        with torch.autocast(self.weight.device.type, enabled=False):
            gram = self.weight @ self.weight.mT
            return (gram - torch.eye(gram.shape[-1], device=gram.device)).square().sum()

    def reduce(self, values: Tensor) -> Tensor:
        """Return sum or mean of values of rows, as ``reduction`` says: for the loss of the net beside."""
        return values.sum() if self.reduction == "sum" else values.mean()


class LFRLayer(_Subspaces):
    """A low-rank subspace that codes are drawn into: ``z`` becomes ``A^T A z``.

    Its loss, added to that of a net, keeps frequent codes in the subspace; the rest lies off it and is lost
    when ``A^T A z`` takes the place of ``z``. The residual is not squared, so that few far codes do not turn
    the subspace their way. Computed in float32 also under autocast: a residual is a small difference.

    Parameters
    ----------
    n_features : int
        Width d of the codes.
    n_components : int
        Rank k of the subspace, at most d; the paper takes 10 with an autoencoder, 20 with a classifier.
    lambda1, lambda2 : float, default 2.0 and 0.1
        Weights of the residual and of the departure of A's rows from orthonormal ones; the paper's with an
        autoencoder.
    reduction : "sum" or "mean", default "sum"
        Over the rows of a batch. "sum" is equation 2 of the paper, taken for each batch: beside b rows the
        departure weighs ``lambda2 / b`` of a row's, so that a larger batch loosens it. Under "mean" it weighs
        ``lambda2`` of a row's, whatever the batch. Give the net's own loss the same reduction.

    Attributes
    ----------
    weight : nn.Parameter of shape (k, d)
        The matrix A, begun with orthonormal rows.

    References
    ----------
    Lin, He, Xu, Guan, Zhang, Zhou: Latent feature reconstruction for unsupervised anomaly detection. 2023.

    Examples
    --------
    >>> layer = LFRLayer(2, 1)
    >>> _ = layer.weight.data.copy_(torch.tensor([[1.0, 0.0]]))
    >>> z = torch.tensor([[3.0, 4.0]])
    >>> layer.reconstruct(z).tolist(), layer.loss(z).item()
    ([[3.0, 0.0]], 8.0)
    """

    def __init__(
        self,
        n_features: int,
        n_components: int,
        lambda1: float = 2.0,
        lambda2: float = 0.1,
        *,
        reduction: Literal["sum", "mean"] = "sum",
    ) -> None:
        super().__init__((n_components, n_features), lambda1, lambda2, reduction)

    def project(self, z: Tensor) -> Tensor:
        """Return ``A z`` of codes ``(b, d)``, shape (b, k)."""
        with torch.autocast(z.device.type, enabled=False):
            return z.to(self.weight.dtype) @ self.weight.T

    def reconstruct(self, z: Tensor) -> Tensor:
        """Return ``A^T A z`` of codes ``(b, d)``, same shape."""
        with torch.autocast(z.device.type, enabled=False):
            return self.project(z) @ self.weight

    def residual(self, z: Tensor) -> Tensor:
        """Return the Euclidean norm of ``z - A^T A z`` of each code, shape (b,)."""
        norm: Tensor = torch.linalg.vector_norm(z.to(self.weight.dtype) - self.reconstruct(z), dim=1)
        return norm

    def loss(self, z: Tensor) -> Tensor:
        """Return ``lambda1 * residual + lambda2 * departure`` of a batch of codes ``(b, d)``, a scalar."""
        return self.lambda1 * self.reduce(self.residual(z)) + self.lambda2 * self.departure()


class LFRLayers(_Subspaces):
    """An `LFRLayer` for each of several kinds of codes, computed together.

    Parameters
    ----------
    n_kinds : int
        How many: the transformations that codes of images belong to.
    n_features, n_components, lambda1, lambda2, reduction
        As for `LFRLayer`.

    Attributes
    ----------
    weight : nn.Parameter of shape (n_kinds, k, d)
        The matrices A, each begun with orthonormal rows.

    Examples
    --------
    >>> layers = LFRLayers(2, 2, 1, 1.0, 1.0)
    >>> _ = layers.weight.data.copy_(torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]]))
    >>> layers.reconstruct(torch.tensor([[3.0, 4.0], [3.0, 4.0]]), torch.tensor([0, 1])).tolist()
    [[3.0, 0.0], [0.0, 4.0]]
    """

    def __init__(
        self,
        n_kinds: int,
        n_features: int,
        n_components: int,
        lambda1: float,
        lambda2: float,
        *,
        reduction: Literal["sum", "mean"] = "sum",
    ) -> None:
        super().__init__((n_kinds, n_components, n_features), lambda1, lambda2, reduction)

    def reconstruct(self, z: Tensor, kind: Tensor) -> Tensor:
        """Return ``A^T A z`` of codes ``(b, d)`` with the A of their kind ``(b,)``, same shape."""
        with torch.autocast(z.device.type, enabled=False):
            own = self.weight[kind]
            return (z.to(own.dtype)[:, None] @ own.mT @ own)[:, 0]

    def loss(self, z: Tensor, kind: Tensor) -> Tensor:
        """Return ``lambda1 * residual + lambda2 * departure`` of a batch of codes, a scalar."""
        residual = torch.linalg.vector_norm(z.to(self.weight.dtype) - self.reconstruct(z, kind), dim=1)
        return self.lambda1 * self.reduce(residual) + self.lambda2 * self.departure()
