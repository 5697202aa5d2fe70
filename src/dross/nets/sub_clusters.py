"""Classifiers of sub-clusters: the nets of Lee and Lee."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dross.nets.mlp import mlp
from dross.nets.resnet import ResNet18
from dross.nets.small_conv import small_conv_net
from dross.nets.wide_resnet import WideResNet

__all__ = ["NetName", "SubClusterModule", "classifier_net"]

NetName = Literal["auto", "small", "wide", "resnet18"]

_LARGEST_SMALL_SIDE = 64
_HIDDEN = 64


class SubClusterModule(nn.Module):
    """A classifier, and what it is trained to say.

    Parameters
    ----------
    net : nn.Module
        Rows to logits ``(b, k)``.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def logits(self, x: Tensor) -> Tensor:
        """Return the logits of rows, in float32, shape (b, k)."""
        logits: Tensor = self.net(x)
        return logits.float()

    def loss(self, x: Tensor, labels: Tensor) -> Tensor:
        """Return the mean cross-entropy of rows of these sub-clusters ``(b,)``."""
        return cross_entropy(self.logits(x), labels)


def classifier_net(
    name: NetName, input_shape: tuple[int, ...], n_classes: int, depth: int, width: int
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
        return mlp((*input_shape, _HIDDEN, _HIDDEN, n_classes))
    if name == "auto":
        is_large = max(input_shape[1:]) > _LARGEST_SMALL_SIDE
        name = "resnet18" if is_large else "small" if input_shape[0] == 1 else "wide"
    if name == "small":
        return small_conv_net(input_shape, n_classes)
    if name == "wide":
        return WideResNet(input_shape[0], n_classes, depth, width)
    return ResNet18(input_shape, n_classes, attention=True)
