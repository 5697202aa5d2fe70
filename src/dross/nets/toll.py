"""The three architectures of the appendix of the Toll paper."""

from __future__ import annotations

from torch import nn

from dross.nets.mlp import mlp

__all__ = ["arrhythmia_nets", "cifar_nets", "mnist_nets"]


def mnist_nets(n_channels: int, latent_dim: int = 128) -> tuple[nn.Module, nn.Module]:
    """Return encoder and decoder of appendix B.1, for 28×28 images."""

    def after(n: int) -> list[nn.Module]:
        return [nn.BatchNorm2d(n), nn.LeakyReLU(0.2)]

    encoder = nn.Sequential(
        nn.Conv2d(n_channels, 64, 4), *after(64),
        nn.Conv2d(64, 128, 4), *after(128),
        nn.Conv2d(128, 256, 4, stride=2), *after(256),
        nn.Conv2d(256, 512, 4), *after(512),
        nn.Conv2d(512, 64, 4), nn.Flatten(), nn.Linear(1024, latent_dim),
    )  # fmt: skip
    decoder = nn.Sequential(
        nn.Linear(latent_dim, 1024), nn.Unflatten(1, (64, 4, 4)),
        nn.ConvTranspose2d(64, 512, 4), *after(512),
        nn.ConvTranspose2d(512, 256, 4), *after(256),
        nn.ConvTranspose2d(256, 128, 4, stride=2), *after(128),
        nn.ConvTranspose2d(128, 64, 4), *after(64),
        nn.ConvTranspose2d(64, n_channels, 4),
    )  # fmt: skip
    return encoder, decoder


def cifar_nets(n_channels: int, latent_dim: int = 64) -> tuple[nn.Module, nn.Module]:
    """Return encoder and decoder of appendix B.2, for 32×32 images."""

    def down(n_in: int, n_out: int, kernel: int, stride: int = 1) -> list[nn.Module]:
        return [nn.Conv2d(n_in, n_out, kernel, stride, bias=False), nn.BatchNorm2d(n_out), nn.LeakyReLU(0.1)]

    def up(n_in: int, n_out: int, kernel: int, stride: int = 1) -> list[nn.Module]:
        layer = nn.ConvTranspose2d(n_in, n_out, kernel, stride, bias=False)
        return [layer, nn.BatchNorm2d(n_out), nn.LeakyReLU(0.1)]

    encoder = nn.Sequential(
        *down(n_channels, 32, 5), *down(32, 64, 4, 2), *down(64, 128, 4), *down(128, 256, 4, 2),
        *down(256, 512, 4), *down(512, 512, 1), nn.Conv2d(512, latent_dim, 1), nn.Flatten(),
    )  # fmt: skip
    decoder = nn.Sequential(
        nn.Unflatten(1, (latent_dim, 1, 1)),
        *up(latent_dim, 256, 4), *up(256, 128, 4, 2), *up(128, 64, 4), *up(64, 32, 4, 2), *up(32, 32, 5),
        nn.Conv2d(32, 32, 1, bias=False), nn.BatchNorm2d(32), nn.LeakyReLU(0.1), nn.Conv2d(32, n_channels, 1),
    )  # fmt: skip
    return encoder, decoder


def arrhythmia_nets(n_features: int, latent_dim: int = 16) -> tuple[nn.Module, nn.Module]:
    """Return encoder and decoder of appendix B.3, for rows of a table."""
    sizes = (n_features, 256, 128, latent_dim)
    return mlp(sizes, batch_norm=True), mlp(sizes[::-1], batch_norm=True)
