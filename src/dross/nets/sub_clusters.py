"""Classifiers of sub-clusters: the nets of Lee and Lee."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dross.nets.mlp import mlp
from dross.nets.resnet import ResNet18
from dross.nets.small_conv import small_conv_net
from dross.nets.wide_resnet import WideResNet
from dross.scoring import energy, max_softmax, odin

__all__ = ["NetName", "SubClusterModule", "classifier_net"]

NetName = Literal["auto", "small", "wide", "resnet18"]

_LARGEST_SMALL_SIDE = 64
_HIDDEN = 64


class SubClusterModule(nn.Module):
    """A classifier with one head or several, each of which tells its own sub-clusters apart.

    Parameters
    ----------
    net : nn.Module
        Rows to logits ``(b, sum(sizes))``, the heads' side by side.
    sizes : sequence of int
        Sub-clusters of each head.
    """

    def __init__(self, net: nn.Module, sizes: Sequence[int]) -> None:
        super().__init__()
        self.net = net
        self.sizes = list(sizes)

    def heads(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the logits of rows, in float32, head by head: (b, k) each."""
        return torch.split(self.net(x).float(), self.sizes, dim=1)

    def loss(self, x: Tensor, labels: Tensor) -> Tensor:
        """Return the mean cross-entropy of rows whose sub-clusters are ``(b, n_heads)``, over the heads."""
        errors = [
            cross_entropy(logits, right)
            for logits, right in zip(self.heads(x), labels.unbind(1), strict=True)
        ]
        return torch.stack(errors).mean()

    def score(
        self, x: Tensor, scoring: Literal["energy", "max", "odin"], temperature: float, eps: Tensor
    ) -> Tensor:
        """Return how unsure the heads are of each row, the mean over the heads, shape (b,)."""
        if scoring == "odin":
            scores = [
                odin(lambda x, n=n: self.heads(x)[n], x, temperature=temperature, eps=eps)  # type: ignore[misc]
                for n in range(len(self.sizes))
            ]
        else:
            scores = [(energy if scoring == "energy" else max_softmax)(logits) for logits in self.heads(x)]
        return torch.stack(scores).mean(dim=0)


def classifier_net(
    name: NetName, input_shape: tuple[int, ...], n_outputs: int, depth: int, width: int
) -> nn.Module:
    """Return a fresh net from rows to logits: by name for images, of two hidden layers for tables.

    "auto" takes "small" for images of one channel, "wide" for coloured ones up to 64 pixels, and "resnet18"
    for larger ones.

    Examples
    --------
    >>> type(classifier_net("auto", (3, 32, 32), 5, 10, 1)).__name__
    'WideResNet'
    """
    if len(input_shape) == 1:
        return mlp((*input_shape, _HIDDEN, _HIDDEN, n_outputs))
    if name == "auto":
        is_large = max(input_shape[1:]) > _LARGEST_SMALL_SIDE
        name = "resnet18" if is_large else "small" if input_shape[0] == 1 else "wide"
    if name == "small":
        return small_conv_net(input_shape, n_outputs, dropout=True)
    if name == "wide":
        return WideResNet(input_shape[0], n_outputs, depth, width)
    return ResNet18(input_shape, n_outputs, attention=True)
