"""An encoder and its decoder for rows of a table or for images."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn

from dross.nets.conv import conv_decoder, conv_encoder
from dross.nets.mlp import mlp

__all__ = ["encoder_and_decoder", "usual_sizes"]


def encoder_and_decoder(
    input_shape: tuple[int, ...],
    hidden_sizes: Sequence[int],
    latent_dim: int,
    *,
    n_outputs: int | None = None,
    activation: Callable[[], nn.Module] = nn.ReLU,
) -> tuple[nn.Sequential, nn.Sequential]:
    """Return an encoder and its mirror image, dense for ``(d,)`` and strided convolutions for ``(c, h, w)``.

    Parameters
    ----------
    input_shape : tuple of int
        Shape of one row.
    hidden_sizes : sequence of int
        Widths of the dense layers, or channels of the convolutions.
    latent_dim : int
        Width of the code that the decoder takes.
    n_outputs : int, optional
        Width of what the encoder gives, where it is not the code itself.
    activation
        Of the dense layers; the convolutions have their own.

    Examples
    --------
    >>> encoder, decoder = encoder_and_decoder((5,), (3,), 2, n_outputs=4)
    >>> encoder[-1], decoder[0]
    (Linear(in_features=3, out_features=4, bias=True), Linear(in_features=2, out_features=3, bias=True))
    """
    n_outputs = n_outputs or latent_dim
    if len(input_shape) == 1:
        sizes = (*input_shape, *hidden_sizes)
        return mlp((*sizes, n_outputs), activation), mlp((latent_dim, *sizes[::-1]), activation)
    return (
        conv_encoder(input_shape, hidden_sizes, n_outputs),
        conv_decoder(input_shape, hidden_sizes, latent_dim),
    )


def usual_sizes(
    input_shape: tuple[int, ...], hidden_sizes: Sequence[int] | None, latent_dim: int | None
) -> tuple[Sequence[int], int]:
    """Return the sizes asked for, or what a plain autoencoder takes for rows of this shape.

    Examples
    --------
    >>> usual_sizes((10,), None, None), usual_sizes((3, 32, 32), (16, 32), None)
    (((64, 32), 5), ((16, 32), 64))
    """
    if len(input_shape) == 1:
        return hidden_sizes or (64, 32), latent_dim or max(1, min(8, input_shape[0] // 2))
    return hidden_sizes or (32, 64, 128), latent_dim or 64
