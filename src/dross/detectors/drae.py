"""DRAE: discriminative reconstructions (Xia et al., ICCV 2015)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dross.detectors.autoencoder import AutoEncoderModule
from dross.nets.rsrae import rsrae_nets
from dross.nets.tally import scatter
from dross.parameters import check_number
from dross.reconstruction import ReconstructionDetector

__all__ = ["DRAE", "DRAEModule", "best_cut"]

_N_RECENT = 4096
_SMALLEST_SCATTER = 1e-12


def best_cut(errors: Tensor) -> Tensor:
    """Return the value up to which errors form the lower of two groups with the least scatter within.

    Where all are equal there are no two groups, and the cut is infinite.

    Examples
    --------
    >>> best_cut(torch.tensor([1.0, 9.0, 2.0, 8.0, 1.5])).item()
    2.0
    """
    ordered = errors.double().sort().values
    n, sums = len(ordered), ordered.cumsum(0)
    n_low = torch.arange(1, n, device=errors.device)
    # The total scatter is that within and that between the groups: the one is least where the other is most.
    gap = sums[:-1] / n_low - (sums[-1] - sums[:-1]) / (n - n_low)
    between = torch.where(ordered[1:] > ordered[:-1], n_low * (n - n_low) * gap.square(), 0.0)
    if n < 2 or not between.max() > 0:
        return torch.full((), torch.inf, device=errors.device)
    return ordered[between.argmax()].float()


class DRAEModule(AutoEncoderModule):
    """An autoencoder that rebuilds presumed inliers, and holds their errors apart from the others'.

    Parameters
    ----------
    encoder, decoder : nn.Module
        Rows to codes and back.
    scatter_weight : float
        Weight of the scatter within the two groups of errors, as a share of the total.

    Attributes
    ----------
    cut : Tensor
        Errors up to it are presumed inliers', a scalar; infinite until the first `split_anew`.
    """

    cut: Tensor
    recent: Tensor
    n_seen: Tensor

    def __init__(self, encoder: nn.Module, decoder: nn.Module, scatter_weight: float) -> None:
        super().__init__(encoder, decoder)
        self.scatter_weight = scatter_weight
        self.register_buffer("cut", torch.full((), torch.inf))
        self.register_buffer("recent", torch.zeros(_N_RECENT))
        self.register_buffer("n_seen", torch.zeros((), dtype=torch.int64))

    def loss(self, x: Tensor) -> Tensor:
        """Return `objective` of a batch's errors, and keep these for the next split."""
        errors = self.score(x)
        self.unexplained.add(errors.sum() * x[0].numel(), scatter(x))
        self._keep(errors.detach())
        return self.objective(errors)

    def objective(self, errors: Tensor) -> Tensor:
        """Return the mean error of the presumed inliers + weight · scatter within / total scatter."""
        is_inlier = errors.detach() <= self.cut
        within = _scatter(errors, is_inlier) + _scatter(errors, ~is_inlier)
        total = _scatter(errors, torch.ones_like(is_inlier)).clamp(min=_SMALLEST_SCATTER)
        return _mean(errors, is_inlier) + self.scatter_weight * within / total

    def split_anew(self) -> float:
        """Cut between the errors seen since the last split, and return the share of presumed inliers."""
        errors = self.recent[: min(int(self.n_seen), _N_RECENT)]
        self.cut.copy_(best_cut(errors))
        self.n_seen.zero_()
        return float((errors <= self.cut).float().mean())

    def _keep(self, errors: Tensor) -> None:
        errors = errors[:: math.ceil(len(errors) / _N_RECENT)]  # of a large batch, which is in rising order
        places = (self.n_seen + torch.arange(len(errors), device=errors.device)) % _N_RECENT
        self.recent[places] = errors
        self.n_seen += len(errors)


def _mean(errors: Tensor, chosen: Tensor) -> Tensor:
    return (errors * chosen).sum() / chosen.sum().clamp(min=1)


def _scatter(errors: Tensor, chosen: Tensor) -> Tensor:
    return ((errors - _mean(errors, chosen)).square() * chosen).sum()


@dataclass(kw_only=True, eq=False, repr=False)
class DRAE(ReconstructionDetector):
    """An autoencoder that learns from rows it already rebuilds well: the others are left behind.

    After every epoch the errors are split in two groups, at the cut with the least scatter within them;
    training goes on with the mean error of the lower group alone, and with how well the groups are apart.
    The score is the error of the standardised row, by default each value's beside what is usual for it.
    Contamination: helps as long as anomalies are rebuilt worse *early*; once they are among the presumed
    inliers, they are learnt like these.

    The net is that of the LFR paper, which compares with this method: see `AELFR`.

    Deviations: errors are taken as the epoch's batches are learnt from, not in a pass of their own, 4 096
    of the last; the first epoch has no split yet. Errors are means over the values of a standardised row,
    which for images is as sums are for images of norm 1, so that ``scatter_weight`` weighs as much.

    Parameters
    ----------
    scatter_weight : float, default 0.1
        Weight of the share of scatter within the groups; that of the code which the LFR paper ran.
    latent_dim : int or None, default None
        Width of the code; None takes 256 for images (the LFR paper's), and for tables 128, at most half of
        the columns.
    batch_size, lr
        128 and 2.5e-4, the LFR paper's.
    stop_at, error_scale
        See `ReconstructionDetector`; None and "equal" are as published.
    max_epochs, weight_decay, standardize, device, precision, verbose
        See `DeepDetector`.
    contamination, random_state
        See `BaseDetector`.

    Attributes
    ----------
    history_ : list of dict
        As of `ReconstructionDetector`, with the share of presumed ``inliers``.

    References
    ----------
    Xia, Cao, Wen, Hua, Sun: Learning discriminative reconstructions for unsupervised outlier removal. ICCV
    2015, doi:10.1109/ICCV.2015.177.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(200, 1)) * [1.0, 2.0, -1.0, 0.5]
    >>> X[7] = [6.0, -6.0, 6.0, -6.0]
    >>> detector = DRAE(lr=1e-3, batch_size=16, max_epochs=20, random_state=0).fit(X)
    >>> int(detector.anomaly_scores_.argmax())
    7
    """

    scatter_weight: float = 0.1
    latent_dim: int | None = None
    batch_size: int = 128
    lr: float = 2.5e-4

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number(self, "scatter_weight", float, 0)
        check_number(self, "latent_dim", int, 1, optional=True)

    def _build_module(self, input_shape: tuple[int, ...]) -> nn.Module:
        default = 256 if len(input_shape) == 3 else min(128, max(1, input_shape[0] // 2))
        encoder, decoder, _ = rsrae_nets(input_shape, self.latent_dim or default)
        return DRAEModule(encoder, decoder, self.scatter_weight)

    def _on_epoch_end(self) -> dict[str, float]:
        module: Any = self.module_
        return super()._on_epoch_end() | {"inliers": module.split_anew()}

    def _has_learnt_enough(self, entry: dict[str, float]) -> bool:
        return entry["epoch"] > 1 and super()._has_learnt_enough(entry)  # the first has no split
