"""An encoder and its decoder for rows of a table or for images."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn

from dross.nets.conv import conv_decoder, conv_encoder
from dross.nets.mlp import mlp

__all__ = ["encoder_and_decoder"]


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
