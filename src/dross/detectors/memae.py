"""MemAE: memory-augmented deep autoencoder."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from dross.nets.autoencoders import encoder_and_decoder
from dross.nets.tally import Tally, scatter
from dross.parameters import check_number, check_sizes
from dross.reconstruction import ReconstructionDetector

__all__ = ["MemAE", "MemAEModule", "Memory"]

_TINY = 1e-12


class Memory(nn.Module):
    """Items that stand in for codes: a code is replaced by a sparse mean of the items like it.

    Parameters
    ----------
    n_items, width : int
        Number of items, and the width of items and codes.
    shrinkage : float
        Weights up to this are set to 0.
    """

    def __init__(self, n_items: int, width: int, shrinkage: float) -> None:
        super().__init__()
        self.items = nn.Parameter(torch.empty(n_items, width).uniform_(-(width**-0.5), width**-0.5))
        self.shrinkage = shrinkage

    def address(self, codes: Tensor) -> Tensor:
        """Return the weight of each item for each code, shape (b, n_items), rows of sum 1.

        A softmax over the cosines (equation 4), shrunk (equation 7), and scaled to sum 1 again. Where no
        weight is above the shrinkage all are 0, and so is the mean.
        """
        cosines = functional.normalize(codes, dim=1) @ functional.normalize(self.items, dim=1).T
        weights = cosines.softmax(dim=1)
        above = (weights - self.shrinkage).relu()
        kept = above * weights / (above + _TINY)
        scaled: Tensor = kept / kept.sum(dim=1, keepdim=True).clamp(min=_TINY)
        return scaled

    def forward(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Return what stands in for the codes, and the weights."""
        weights = self.address(codes)
        return weights @ self.items, weights


class MemAEModule(nn.Module):
    """An autoencoder with a memory between its encoder and its decoder.

    Parameters
    ----------
    encoder, decoder : nn.Module
        Rows to codes and back.
    memory : Memory
    alpha : float
        Weight of the entropy of the memory's weights beside the summed squared error.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, memory: Memory, alpha: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.memory = memory
        self.alpha = alpha
        self.unexplained = Tally()

    def loss(self, x: Tensor) -> Tensor:
        """Return the mean of squared error and weighted entropy over a batch (equation 10)."""
        rebuilt, weights = self._rebuilt(x)
        errors = (x - rebuilt).square().flatten(1)
        self.unexplained.add(errors.sum(), scatter(x))
        entropy = -(weights * (weights + _TINY).log()).sum(dim=1)
        return (errors.sum(dim=1) + self.alpha * entropy).mean()

    def squared_error(self, x: Tensor) -> Tensor:
        """Return the squared error of each value, same shape as ``x``."""
        return (x - self.reconstruct(x)).square()

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return rows rebuilt from what is remembered, same shape as ``x``."""
        return self._rebuilt(x)[0]

    def _rebuilt(self, x: Tensor) -> tuple[Tensor, Tensor]:
        code = self.encoder(x).float()
        with torch.autocast(x.device.type, enabled=False):  # bf16 would blur which weights are shrunk away
            code, weights = self.memory(code)
        return self.decoder(code).float(), weights


@dataclass(kw_only=True, eq=False, repr=False)
class MemAE(ReconstructionDetector):
    """What cannot be put together from a few remembered codes is unusual.

    Between encoder and decoder stands a memory of learnt codes. A row's own code only looks up the items
    like it, by cosine; their sparse mean is what is decoded. So the decoder never sees an odd code. The
    score is the error of the standardised row, by default each value's beside what is usual for it.
    Contamination: anomalies frequent enough to get items of their own are reproduced.

    Deviations: the paper's nets for images address the memory at their own layout; here the memory stands at
    the flat code of `AutoEncoder`'s convolutions. lr is Adam's default, where the paper takes 1e-4.

    Parameters
    ----------
    hidden_sizes : tuple of int or None, default None
        Widths of the encoder's hidden layers (tanh), mirrored in the decoder; None takes the paper's for
        KDD, ``(60, 30, 10)``. For images the channels of the strided convolutions; None takes
        ``(32, 64, 128)``.
    latent_dim : int or None, default None
        Width of the code; None takes 3, the paper's for KDD, and 64 for images.
    n_items : int or None, default None
        Codes in the memory; None takes the paper's, 50 for tables, 100 for grey and 500 for coloured images.
    shrinkage : float or None, default None
        Weights up to this are set to 0; None takes ``1 / n_items`` (the paper: between 1 and 3 times that).
    alpha : float, default 0.0002
        Weight of the entropy of the weights; the paper's.
    stop_at, error_scale
        See `ReconstructionDetector`; None and "equal" are as published.
    max_epochs, batch_size, lr, weight_decay, standardize, device, precision, verbose
        See `DeepDetector`.
    contamination, random_state
        See `BaseDetector`.

    References
    ----------
    Gong et al.: Memorizing normality to detect anomaly: memory-augmented deep autoencoder for unsupervised
    anomaly detection. ICCV 2019, arXiv 1904.02639.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(200, 1)) * [1.0, 2.0, -1.0, 0.5]
    >>> X[7] = [6.0, -6.0, 6.0, -6.0]
    >>> int(MemAE(batch_size=16, max_epochs=40, random_state=0).fit(X).anomaly_scores_.argmax())
    7
    """

    hidden_sizes: tuple[int, ...] | None = None
    latent_dim: int | None = None
    n_items: int | None = None
    shrinkage: float | None = None
    alpha: float = 0.0002

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_sizes(self, "hidden_sizes")
        check_number(self, "latent_dim", int, 1, optional=True)
        check_number(self, "n_items", int, 2, optional=True)
        check_number(self, "shrinkage", float, 0, optional=True)
        check_number(self, "alpha", float, 0)

    def _build_module(self, input_shape: tuple[int, ...]) -> nn.Module:
        is_table = len(input_shape) == 1
        hidden_sizes = self.hidden_sizes or ((60, 30, 10) if is_table else (32, 64, 128))
        latent_dim = self.latent_dim or (3 if is_table else 64)
        n_items = self.n_items or (50 if is_table else 100 if input_shape[0] == 1 else 500)
        shrinkage = 1 / n_items if self.shrinkage is None else self.shrinkage
        nets = encoder_and_decoder(input_shape, hidden_sizes, latent_dim, activation=nn.Tanh)
        return MemAEModule(*nets, Memory(n_items, latent_dim, shrinkage), self.alpha)
