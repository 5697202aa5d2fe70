"""GOAD: which of many random maps did a row go through? (Bergman and Hoshen 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax

from dross.deep import DeepDetector
from dross.nets.mlp import mlp
from dross.parameters import check_number, check_sizes
from dross.pretext.affine_maps import RandomAffineMaps
from dross.rows import Rows, batches, sample_rows

__all__ = ["GOAD", "GOADModule", "triplet_center_loss"]

_VALUES_AT_ONCE = 4_000_000  # of views and of their distances from the centers
_CENTER_ROWS = 50_000  # whose views the final centers are the means of, at most


def triplet_center_loss(z: Tensor, margin: float) -> Tensor:
    """Return by how much views lie not nearer to the center of their map than to the nearest other; a scalar.

    Parameters
    ----------
    z : Tensor of shape (b, m, k)
        Views of b rows under m maps; the centers are their means over the rows.
    margin : float
        How much nearer, in squared distance.

    Examples
    --------
    >>> triplet_center_loss(torch.tensor([[[0.0], [3.0]]]), margin=10.0).item()  # 10 + 0 - 9
    1.0
    """
    distances = squared_distances(z, z.mean(dim=0))
    own = distances.diagonal(dim1=1, dim2=2)
    others = distances + torch.diag(torch.full((z.shape[1],), torch.inf, device=z.device))
    return (own + margin - others.amin(dim=2)).clamp(min=0).mean()


def squared_distances(z: Tensor, centers: Tensor) -> Tensor:
    """Return the squared distance of each view ``(b, m, k)`` from each center ``(m, k)``, shape (b, m, m)."""
    lengths = z.square().sum(dim=2, keepdim=True) + centers.square().sum(dim=1)
    return (lengths - 2 * z @ centers.T).clamp(min=0)


class GOADModule(nn.Module):
    """A net in which the views of rows under one map lie together, apart from those under another.

    Parameters
    ----------
    maps : RandomAffineMaps
        m of them.
    body : nn.Module
        Views ``(..., n_outputs)`` to vectors ``(..., k)``.
    n_features : int
        The k of the vectors.
    margin, triplet_weight : float

    Attributes
    ----------
    centers : Tensor of shape (m, k)
        Mean vector of each map's views, zeros until `GOAD` has placed them.
    """

    centers: Tensor

    def __init__(
        self, maps: RandomAffineMaps, body: nn.Module, n_features: int, margin: float, triplet_weight: float
    ) -> None:
        super().__init__()
        self.maps = maps
        self.body = body
        self.head = nn.Sequential(nn.LeakyReLU(0.2), nn.Linear(n_features, len(maps)))
        self.margin = margin
        self.triplet_weight = triplet_weight
        self.register_buffer("centers", torch.zeros(len(maps), n_features))

    def embed(self, x: Tensor) -> Tensor:
        """Return the vectors of every view of rows ``(b, d)``, shape (b, m, k)."""
        z: Tensor = self.body(self.maps.all(x))
        return z.float()

    def loss(self, x: Tensor) -> Tensor:
        """Return the cross-entropy of the maps, and the weighted triplet-center loss."""
        z = self.embed(x)
        which = torch.arange(len(self.maps), device=x.device).repeat(len(x))
        errors = cross_entropy(self.head(z).float().flatten(0, 1), which)
        return errors + self.triplet_weight * triplet_center_loss(z, self.margin)

    def score(self, x: Tensor) -> Tensor:
        """Return minus the log probability of every view's own map, summed over the views."""
        log_p = log_softmax(-squared_distances(self.embed(x), self.centers), dim=2)
        return -log_p.diagonal(dim1=1, dim2=2).sum(dim=1)


@dataclass(kw_only=True, eq=False, repr=False)
class GOAD(DeepDetector):
    """A row whose views under random maps are not recognised is unusual: what turning is to images.

    Rows are mapped by a fixed set of random affine maps, and a net draws together what one map makes of all
    rows, apart from the others'. The score is how improbable the maps of a row's views are by their distances
    from the maps' centers. Contamination: anomalies train the net and move the centers too, in proportion to
    their share.

    Deviations from the authors' code: the centers are those of at most 50 000 rows under the trained net,
    theirs the mean of the last epoch's batches; Adam has its usual betas, theirs 0.5 and 0.999.

    Parameters
    ----------
    n_maps, map_width : int, default 256 and 32
        Maps, and how wide their images of a row are: the paper's for its small tables. A row costs their
        product; the paper takes fewer and wider maps for KDD Cup 99.
    hidden_sizes : tuple of int or None, default None
        Widths of the net, the last that of the space in which distances are taken; None takes (8,), the
        authors' for small tables.
    margin : float, default 1
    triplet_weight : float, default 0.1
        Of the triplet-center loss beside the cross-entropy; both the authors'.
    batch_size : int, default 64
        The authors'.
    max_epochs, lr, weight_decay, standardize, device, precision, verbose
        See `DeepDetector`; the authors train small tables for one epoch.
    contamination, random_state
        See `BaseDetector`.

    References
    ----------
    Bergman, Hoshen: Classification-based anomaly detection for general data. ICLR 2020, arXiv 2005.02359.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(200, 1)) * [1.0, 2.0, -1.0, 0.5]
    >>> X[7] = [3.0, -3.0, 3.0, 3.0]
    >>> int(GOAD(n_maps=16, max_epochs=5, random_state=0).fit(X).anomaly_scores_.argmax())
    7
    """

    input_kinds: ClassVar[frozenset[str]] = frozenset({"table"})

    n_maps: int = 256
    map_width: int = 32
    hidden_sizes: tuple[int, ...] | None = None
    margin: float = 1.0
    triplet_weight: float = 0.1
    batch_size: int = 64

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number(self, "n_maps", int, 2)
        check_number(self, "map_width", int, 1)
        check_sizes(self, "hidden_sizes")
        check_number(self, "margin", float, 0)
        check_number(self, "triplet_weight", float, 0)

    def _build_module(self, input_shape: tuple[int, ...]) -> nn.Module:
        maps = RandomAffineMaps(self.n_maps, input_shape[0], self.map_width)
        sizes = self.hidden_sizes or (8,)
        body = mlp((self.map_width, *sizes), lambda: nn.LeakyReLU(0.2))
        return GOADModule(maps, body, sizes[-1], self.margin, self.triplet_weight)

    def _rows_at_once(self) -> int:
        return max(1, _VALUES_AT_ONCE // (self.n_maps * (self.n_maps + self.map_width)))

    def _train(self, X: Rows) -> None:
        super()._train(X)
        module: Any = self.module_.eval()
        rows = sample_rows(len(X), _CENTER_ROWS, self.seed_)
        total = np.zeros(module.centers.shape)
        for part in batches(len(rows), self._rows_at_once()):
            total += self._map_rows(X, rows[part], module.embed).sum(axis=0)
        module.centers.copy_(torch.from_numpy(total / len(rows)))
