"""DUAD: an autoencoder that chooses what to learn from, again and again (Li et al., WACV 2021)."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from torch import nn

from dross.clustering.distance_profiles import unit_rows
from dross.clustering.named import CLUSTERINGS, clustering
from dross.clustering.variance_selection import VarianceSelection
from dross.deep import DeepDetector
from dross.nets.autoencoders import encoder_and_decoder, usual_sizes
from dross.nets.duad import DUADModule
from dross.parameters import check_choice, check_number, check_sizes
from dross.rows import Rows

__all__ = ["DUAD"]

_SMALLEST_BATCH = 32
_STEPS_PER_EPOCH = 16


@dataclass(kw_only=True, eq=False, repr=False)
class DUAD(DeepDetector):
    """Learns from the rows it trusts, and every few epochs trusts anew.

    An autoencoder is trained on a selection of presumed normal rows, which is made again every ``r`` epochs
    from what the net has learnt, until it no longer changes. The score is the angle between a row and its
    reconstruction, in radians. Contamination: up to a share of about ``p`` the selection sheds the anomalies,
    as long as normal rows outweigh them early; a kind of normal rows that is left out too looks anomalous.

    Deviations: read literally, Algorithm 1 ends at once, as the difference it tests is that of an empty set;
    here it ends when the selection stays the same, or with ``max_epochs`` (`converged_` says which). The
    paper keeps clusters of low variance, which on KDD Cup 99 leaves most anomalies in
    (``init="gmm", selection="clusters"`` does so, docs/choices.md has the numbers). By default the first
    ``r`` epochs see all rows, and then the share ``p`` of rows at the largest angles is left out. The nets
    are in a supplement that is not at hand: tables get DAGMM's, and images, as vectors, a wider one. A
    mixture over more than 32 columns has diagonal covariances. A selection of less than two rows leaves the
    one at hand. A row of zeros has no direction: see `dross.nets.duad.angle`. In a table of one column all
    other rows have one of two: it gives no scores worth the name.

    Parameters
    ----------
    p0, p : float in [0, 1), default 0.35 and 0.3
        Share presumed anomalous, in a first selection by clusters and in those after it: the paper's on KDD
        Cup 99. A little more than the true share purifies, less does not.
    r : int, default 5
        Epochs between selections, the paper's on MNIST and CIFAR-10.
    init : "all", "gmm", "kmeans", "hdbscan" or "distribution_clustering", default "all"
        The first selection: "all" takes all rows; the others keep a clustering's low-variance clusters of the
        input, as the paper does, and hold the rows in memory.
    selection : "angle", "clusters" or "rows", default "angle"
        The later ones: the smallest angles, or the low-variance clusters of a mixture over code and angle,
        where ``p`` counts "clusters" (the paper's words) or "rows"; see `VarianceSelection`.
    n_clusters : int, default 20
        Of mixtures and k-means, the paper's.
    loss : "squared" or "angle", default "squared"
        What training lessens; the paper does not say.
    architecture : "dense" or "conv", default "dense"
        Nets for images: dense, of their pixels side by side, or `AutoEncoder`'s convolutions.
    hidden_sizes : tuple of int or None, default None
        Dense layers; None takes (60, 30, 10) for tables and (128, 64) for images. Or channels of the
        convolutions; None takes (32, 64, 128).
    latent_dim : int or None, default None
        Width of the code; None takes 4 for tables, of the order of DAGMM's 1, and 10 for images.
    batch_size : int, default 1024
        At most, DAGMM's; and at most a sixteenth of the rows, but 32, so that a small net learns something
        between two selections of few rows.
    standardize : bool or "auto", default "auto"
        Whether columns and channels are made to span [0, 1], as is usual with KDD Cup 99: an angle needs an
        origin that means something.
    max_epochs, lr, weight_decay, device, precision, verbose
        See `DeepDetector`.
    contamination, random_state
        See `BaseDetector`.

    References
    ----------
    Li, Wang, Liu, Lin: Deep unsupervised anomaly detection. WACV 2021, doi:10.1109/WACV48630.2021.00368.

    Examples
    --------
    >>> X = np.random.default_rng(0).uniform(1, 2, (200, 1)) * [1.0, 2.0, 3.0, 0.5]
    >>> X[7] = [2.0, 2.0, 6.0, 0.5]
    >>> detector = DUAD(batch_size=16, max_epochs=40, random_state=0).fit(X)
    >>> int(detector.anomaly_scores_.argmax()), 7 in detector.training_rows_
    (7, False)
    """

    to_unit_range: ClassVar[bool] = True  # an angle is one seen from the least values

    p0: float = 0.35
    p: float = 0.3
    r: int = 5
    init: Literal["all", "gmm", "kmeans", "hdbscan", "distribution_clustering"] = "all"
    selection: Literal["angle", "clusters", "rows"] = "angle"
    n_clusters: int = 20
    loss: Literal["squared", "angle"] = "squared"
    architecture: Literal["dense", "conv"] = "dense"
    hidden_sizes: tuple[int, ...] | None = None
    latent_dim: int | None = None
    batch_size: int = 1024

    def _check_parameters(self) -> None:
        super()._check_parameters()
        for name in ("p0", "p"):
            check_number(self, name, float, 0, 1, excluding=(1,))
        check_number(self, "r", int, 1)
        check_choice(self, "init", "all", *CLUSTERINGS)
        check_choice(self, "selection", "angle", "clusters", "rows")
        check_number(self, "n_clusters", int, 1)
        check_choice(self, "loss", "squared", "angle")
        check_choice(self, "architecture", "dense", "conv")
        check_number(self, "latent_dim", int, 1, optional=True)
        check_sizes(self, "hidden_sizes")

    def _build_module(self, input_shape: tuple[int, ...]) -> nn.Module:
        is_image = len(input_shape) == 3
        latent_dim = self.latent_dim or (10 if is_image else 4)
        if is_image and self.architecture == "conv":
            sizes = usual_sizes(input_shape, self.hidden_sizes, latent_dim)
            return DUADModule(*encoder_and_decoder(input_shape, *sizes), self.loss)
        hidden_sizes = self.hidden_sizes or ((128, 64) if is_image else (60, 30, 10))
        width = math.prod(input_shape)
        encoder, decoder = encoder_and_decoder((width,), hidden_sizes, latent_dim, activation=nn.Tanh)
        if is_image:
            encoder, decoder = (
                nn.Sequential(nn.Flatten(), encoder),
                nn.Sequential(decoder, nn.Unflatten(1, input_shape)),
            )
        return DUADModule(encoder, decoder, self.loss)

    def _rows_per_step(self, n_rows: int) -> int:
        return min(self.batch_size, max(_SMALLEST_BATCH, n_rows // _STEPS_PER_EPOCH), n_rows)

    def _select_rows(self, X: Rows, epoch: int) -> NDArray[np.int64] | None:
        if epoch % self.r or (epoch == 0 and self.init == "all") or len(X) < 2:
            return None
        if epoch == 0:
            is_selected = self._low_variance(X, self.init, self.p0, lambda x: x.flatten(1))
        elif self.selection == "angle":
            angles = self._map_batches(X, self._module_score)
            is_selected = angles <= np.quantile(angles, 1 - self.p)
        else:
            module: Any = self.module_
            is_selected = self._low_variance(X, "gmm", self.p, module.embed)
        rows = np.flatnonzero(is_selected)
        return rows if len(rows) > 1 else None  # nothing to learn from: go on with the rows at hand

    def _low_variance(self, X: Rows, name: str, p: float, function: Any) -> NDArray[np.bool_]:
        """Mark the rows of low-variance clusters of a function of the rows.

        Clusterings begin from the same numbers each time: only what the net has learnt changes them.
        """
        inside = self._map_batches(X, function)
        if name == "distribution_clustering":  # its variances are those of directions
            inside = unit_rows(inside)
        selection = VarianceSelection(
            clusterer=clustering(name, inside, self.n_clusters, self.seed_),
            p=p,
            count="rows" if self.selection == "rows" else "clusters",
            random_state=self.seed_,
        )
        with warnings.catch_warnings():  # a clustering that has not settled is good enough to go on with
            warnings.simplefilter("ignore", ConvergenceWarning)
            return selection.fit(inside).is_selected_
