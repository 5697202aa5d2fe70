"""Autoencoder: the plain deep detector that every other is compared with."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from dross.nets.autoencoders import encoder_and_decoder, usual_sizes
from dross.nets.tally import Tally, scatter
from dross.parameters import check_number, check_sizes
from dross.reconstruction import ReconstructionDetector

__all__ = ["AutoEncoder", "AutoEncoderModule"]


class AutoEncoderModule(nn.Module):
    """An encoder and a decoder, trained on the squared error.

    Parameters
    ----------
    encoder, decoder : nn.Module
        Rows to codes and back.

    Attributes
    ----------
    unexplained : Tally
        Squared errors of the values learnt from, beside their scatter.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.unexplained = Tally()

    def squared_error(self, x: Tensor) -> Tensor:
        """Return the squared error of each value, in float32, same shape as ``x``."""
        rebuilt: Tensor = self.decoder(self.encoder(x)).float()
        return (x - rebuilt).square()

    def loss(self, x: Tensor) -> Tensor:
        """Return the mean squared error of a batch."""
        errors = self.squared_error(x)
        self.unexplained.add(errors.sum(), scatter(x))
        return errors.mean()

    def score(self, x: Tensor) -> Tensor:
        """Return the mean squared error of each row."""
        return self.squared_error(x).flatten(1).mean(dim=1)


@dataclass(kw_only=True, eq=False, repr=False)
class AutoEncoder(ReconstructionDetector):
    """What a bottleneck cannot carry is unusual.

    Trained to reproduce its rows; dense for tables, convolutional for images of at least 8 pixels. The
    score is the error of the standardised row, by default each value's beside what is usual for it.
    Contamination: frequent anomalies are learnt like any other rows, so that a narrow code and few epochs
    stand it better than a good fit does.

    Parameters
    ----------
    hidden_sizes : tuple of int or None, default None
        Widths of the encoder's hidden layers, mirrored in the decoder; None takes ``(64, 32)``. For images
        the channels of the strided convolutions, as many of them as leave sides of 4 pixels; None takes
        ``(32, 64, 128)``.
    latent_dim : int or None, default None
        Width of the code; None takes half of the columns, at least 1 and at most 8, and 64 for images.
    stop_at, error_scale
        See `ReconstructionDetector`.
    max_epochs, batch_size, lr, weight_decay, standardize, device, precision, verbose
        See `DeepDetector`.
    contamination, random_state
        See `BaseDetector`.

    References
    ----------
    Hinton, Salakhutdinov: Reducing the dimensionality of data with neural networks. Science 313, 2006,
    doi:10.1126/science.1127647.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(200, 1)) * [1.0, 2.0, -1.0, 0.5]
    >>> X[7] = [6.0, -6.0, 6.0, -6.0]
    >>> int(AutoEncoder(batch_size=16, max_epochs=40, random_state=0).fit(X).anomaly_scores_.argmax())
    7
    """

    hidden_sizes: tuple[int, ...] | None = None
    latent_dim: int | None = None

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number(self, "latent_dim", int, 1, optional=True)
        check_sizes(self, "hidden_sizes")

    def _build_module(self, input_shape: tuple[int, ...]) -> nn.Module:
        sizes = usual_sizes(input_shape, self.hidden_sizes, self.latent_dim)
        return AutoEncoderModule(*encoder_and_decoder(input_shape, *sizes))
