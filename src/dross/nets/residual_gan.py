"""f-AnoGAN's nets: residual blocks, a critic with layer norm, an encoder that ends in tanh."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from dross.generative import scores
from dross.generative.module import GenerativeModule
from dross.generative.objectives import critic_loss

__all__ = ["FAnoGANModule", "ResidualBlock", "residual_widths"]

_SMALLEST = 4
_WIDEST = 8


def residual_widths(side: int, channels: int) -> list[int]:
    """Return the channels at 4×4, 8×8, … for a side: twice as many with each halving, at most 8 times.

    Examples
    --------
    >>> residual_widths(64, 64), residual_widths(32, 64)
    ([512, 512, 256, 128, 64], [512, 256, 128, 64])
    """
    sizes = [_SMALLEST]
    while sizes[-1] < side:
        sizes.append(2 * sizes[-1])
    return [channels * min(_WIDEST, side // size) for size in sizes]


class ResidualBlock(nn.Module):
    """Two convolutions beside a straight way; both double the sides, or both halve them.

    Parameters
    ----------
    n_in, n_out : int
        Channels.
    up : bool
    norm : callable
        From a number of channels to a layer.
    """

    def __init__(self, n_in: int, n_out: int, *, up: bool, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        bigger: list[nn.Module] = [nn.Upsample(scale_factor=2)] * up
        smaller: list[nn.Module] = [nn.AvgPool2d(2)] * (not up)
        self.bent = nn.Sequential(
            norm(n_in), nn.ReLU(), *bigger, nn.Conv2d(n_in, n_out if up else n_in, 3, padding=1, bias=False),
            norm(n_out if up else n_in), nn.ReLU(), nn.Conv2d(n_out if up else n_in, n_out, 3, padding=1),
            *smaller,
        )  # fmt: skip
        # The mean of a 1×1 convolution is that of the mean, at a quarter of the cost; so is its doubling.
        self.straight = nn.Sequential(*smaller, nn.Conv2d(n_in, n_out, 1), *bigger)

    def forward(self, x: Tensor) -> Tensor:
        """Return both ways' sum."""
        out: Tensor = self.bent(x) + self.straight(x)
        return out


def _layer_norm(channels: int) -> nn.Module:
    return nn.GroupNorm(1, channels)


def _generator(latent_dim: int, n_colours: int, widths: list[int]) -> nn.Sequential:
    blocks = [ResidualBlock(n_in, n_out, up=True, norm=nn.BatchNorm2d) for n_in, n_out in pairwise(widths)]
    return nn.Sequential(
        nn.Linear(latent_dim, widths[0] * _SMALLEST**2), nn.Unflatten(1, (widths[0], _SMALLEST, _SMALLEST)),
        *blocks, nn.BatchNorm2d(widths[-1]), nn.ReLU(), nn.Conv2d(widths[-1], n_colours, 3, padding=1),
        nn.Tanh(),
    )  # fmt: skip


def _reader(n_colours: int, widths: list[int]) -> nn.Sequential:
    blocks = [
        ResidualBlock(n_in, n_out, up=False, norm=_layer_norm) for n_in, n_out in pairwise(widths[::-1])
    ]
    return nn.Sequential(nn.Conv2d(n_colours, widths[-1], 3, padding=1), *blocks, nn.Flatten())


class FAnoGANModule(GenerativeModule):
    """A generator and a critic, and an encoder that is trained when these two are done.

    Parameters
    ----------
    n_colours, side, channels : int
        Of the images, and of the nets at full size; see `residual_widths`.
    latent_dim : int
        Width of the code.
    kappa : float
        Weight of the critic's features in the encoder's loss.
    """

    def __init__(
        self,
        n_colours: int,
        side: int,
        channels: int,
        latent_dim: int,
        *,
        kappa: float,
    ) -> None:
        super().__init__(side)
        widths = residual_widths(side, channels)
        n_features = widths[0] * _SMALLEST**2
        self.latent_dim = latent_dim
        self.kappa = kappa
        self.generator = _generator(latent_dim, n_colours, widths)
        self.critic = nn.Sequential(_reader(n_colours, widths), nn.Linear(n_features, 1))
        self.encoder = nn.Sequential(_reader(n_colours, widths), nn.Linear(n_features, latent_dim), nn.Tanh())

    def drawn(self, n: int) -> tuple[Tensor, Tensor]:
        """Return ``n`` codes and their images."""
        z = torch.randn(n, self.latent_dim, device=next(self.parameters()).device)
        return z, self.generated(z)

    def critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return what the critic lessens, a scalar."""
        return critic_loss(lambda images: self.critic(images).float(), real, fake, drift=False)

    def generator_loss(self, n: int) -> Tensor:
        """Return what the generator lessens, on ``n`` new images, a scalar."""
        verdict: Tensor = -self.critic(self.drawn(n)[1]).float().mean()
        self.tally({"generator_loss": verdict})
        return verdict

    def encoder_loss(self, images: Tensor) -> Tensor:
        """Return what the encoder lessens (izi_f): the mean of A over real images, a scalar."""
        codes = self.code_of(images)
        match = self.generated(codes)
        seen = self.features_of(images), self.features_of(match)
        loss = scores.discrimination(images, match, *seen, self.kappa).mean()
        self.tally({"encoder_loss": loss, "code_norm": torch.linalg.vector_norm(codes, dim=1).mean()})
        return loss

    def generated(self, z: Tensor) -> Tensor:
        """Return images ``(b, c, s, s)`` of codes ``(b, k)``."""
        images: Tensor = self.generator(z)
        return images.float()

    def code_of(self, images: Tensor) -> Tensor:
        """Return codes ``(b, k)``, each number between -1 and 1."""
        codes: Tensor = self.encoder(images)
        return codes.float()

    def features_of(self, images: Tensor) -> Tensor:
        """Return what the critic's last number is made of, shape (b, f)."""
        features: Tensor = self.critic[0](images)
        return features.float()
