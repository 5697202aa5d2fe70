"""Every image a class of its own: the net of ISIF, and the embeddings it remembers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, normalize

from dross.scoring import nearest_distance

__all__ = ["ISIFModule", "instance_loss"]


def instance_loss(z: Tensor, views: Tensor, temperature: float) -> Tensor:
    """Return how badly each image's view is told from the other images, and these from each other; a scalar.

    ``-mean_i (log P(i | view i) + sum_{j != i} log(1 - P(i | j)))``, where ``P(i | f)`` is the softmax over
    the images of their dot products with ``f``, divided by a temperature.

    Parameters
    ----------
    z, views : Tensor of shape (b, k)
        Embeddings of images and of their views, of length 1.
    temperature : float

    Examples
    --------
    >>> apart = torch.eye(2)
    >>> round(instance_loss(apart, apart, 1.0).item(), 4)  # log(1 + 1/e) twice
    0.6265
    """
    own = log_softmax(views @ z.T / temperature, dim=1).diagonal()
    # Another image is never nearer than the image itself: off the diagonal these are at most a half.
    taken_for = log_softmax(z @ z.T / temperature, dim=1).exp()
    taken_for = taken_for.masked_fill(torch.eye(len(z), dtype=torch.bool, device=z.device), 0)
    return -(own.mean() + torch.log1p(-taken_for).sum() / len(z))


class ISIFModule(nn.Module):
    """An embedding in which images lie near their views and far from each other.

    Parameters
    ----------
    net : nn.Module
        Images to vectors ``(b, k)``.
    make_views : callable
        Images between 0 and 1 to random views of them.
    temperature : float
    n_known, n_outputs : int
        Embeddings to remember, and their width k.

    Attributes
    ----------
    known : Tensor of shape (n_known, n_outputs)
        Embeddings of training images.
    """

    known: Tensor

    def __init__(
        self,
        net: nn.Module,
        make_views: Callable[[Tensor], Tensor],
        temperature: float,
        n_known: int,
        n_outputs: int,
    ) -> None:
        super().__init__()
        self.net = net
        self.make_views = make_views
        self.temperature = temperature
        self.register_buffer("known", torch.zeros(n_known, n_outputs))

    def encode(self, x: Tensor) -> Tensor:
        """Return the embeddings of images ``(b, c, h, w)``, of length 1."""
        return normalize(self.net(x).float(), dim=1)

    def loss(self, x: Tensor) -> Tensor:
        """Return the loss of a batch and a view of each of its images."""
        z, views = self.encode(torch.cat([x, self.make_views(x)])).chunk(2)
        with torch.autocast(x.device.type, enabled=False):  # products of near images differ in few digits
            return instance_loss(z, views, self.temperature)

    def score(self, x: Tensor, k: int, metric: Literal["cosine", "euclidean"]) -> Tensor:
        """Return the mean distance to the k nearest known embeddings."""
        return nearest_distance(self.encode(x), self.known, k, metric=metric)
