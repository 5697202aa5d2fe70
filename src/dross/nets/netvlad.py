"""NetVLAD: the descriptors of an image, pooled by how they differ from the centres they belong to."""

from __future__ import annotations

import math
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import normalize

__all__ = ["NetVLADPooling", "sample_descriptors"]

_FAR = 0.01  # weight of the second-best centre by that of the best, for a descriptor of mean distinctness


class NetVLADPooling(nn.Module):
    """Pools maps of descriptors into one vector per image.

    Each descriptor is brought to length 1 and belongs to every centre by a softmax of its cosines with them,
    times ``alpha``. Per centre the weighted differences of descriptors and centre are summed.

    Parameters
    ----------
    centres : Tensor (n_centres, d)
    alpha : float
        How sharply descriptors are assigned; higher = sharper.
    published : bool, default True
        Whether each of these sums is brought to length 1 (intra-normalisation), so that no frequent texture
        drowns the others, and then all of them together. Otherwise amounts count: the sums are divided by
        the number of places, and before each stands the share of the descriptors that belong to its centre.

    References
    ----------
    Arandjelović, Gronat, Torii, Pajdla, Sivic: NetVLAD. CVPR 2016, arXiv 1511.07247. Only
    the start of its training is repeated here: nothing learns from labels of places.

    Examples
    --------
    >>> pooling = NetVLADPooling(torch.eye(2), alpha=0.0)  # each descriptor belongs to both centres alike
    >>> maps = torch.tensor([[3.0, 0.0], [4.0, 2.0]]).reshape(1, 2, 1, 2)  # two places, (3, 4) and (0, 2)
    >>> [round(value, 3) for value in pooling(maps)[0].tolist()]
    [-0.434, 0.558, 0.671, -0.224]
    """

    centres: Tensor

    def __init__(self, centres: Tensor, alpha: float, *, published: bool = True) -> None:
        super().__init__()
        self.register_buffer("centres", centres)
        self.alpha = alpha
        self.published = published

    @classmethod
    def from_descriptors(
        cls, descriptors: NDArray[np.float32], n_centres: int, seed: int, *, published: bool = True
    ) -> Self:
        """Find centres by k-means among descriptors ``(m, d)`` of length 1.

        ``alpha`` is chosen as the authors' code does: a descriptor whose two best cosines differ by the mean
        difference gives the second centre a hundredth of the first one's weight.
        """
        from sklearn.cluster import MiniBatchKMeans

        n_centres = min(n_centres, len(descriptors))
        kmeans = MiniBatchKMeans(n_centres, batch_size=4096, n_init=3, random_state=seed).fit(descriptors)
        centres = torch.from_numpy(np.asarray(kmeans.cluster_centers_, np.float32))
        if n_centres == 1:
            return cls(centres, 1.0, published=published)
        cosines = torch.from_numpy(descriptors) @ normalize(centres, dim=1).T
        best = cosines.topk(2, dim=1).values
        distinctness = float((best[:, 0] - best[:, 1]).mean())
        return cls(centres, -math.log(_FAR) / max(distinctness, 1e-6), published=published)

    def forward(self, maps: Tensor) -> Tensor:
        """Pool maps ``(b, d, h, w)`` into ``(b, n_centres * d)``, or with shares ``n_centres * (1 + d)``."""
        x = normalize(maps.flatten(2), dim=1)  # (b, d, places)
        weights = (self.alpha * (normalize(self.centres, dim=1) @ x)).softmax(dim=1)  # (b, centres, places)
        amounts = weights.sum(dim=2, keepdim=True)
        residuals = weights @ x.transpose(1, 2) - amounts * self.centres
        if not self.published:
            return (torch.cat([amounts, residuals], dim=2) / x.shape[2]).flatten(1)
        return normalize(normalize(residuals, dim=2).flatten(1), dim=1)


def sample_descriptors(maps: Tensor, n_each: int, generator: torch.Generator) -> Tensor:
    """Return ``n_each`` descriptors of every image, at drawn places, of length 1: ``(b * n_each, d)``."""
    x = maps.flatten(2).transpose(1, 2)  # (b, places, d)
    places = torch.rand(x.shape[:2], generator=generator).argsort(dim=1)[:, :n_each]
    chosen = torch.gather(x, 1, places[..., None].expand(-1, -1, x.shape[2]))
    return normalize(chosen.flatten(0, 1), dim=1)
