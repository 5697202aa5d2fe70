"""A generator, a way from images to codes, and a critic, as one module that scores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from dross.generative import scores
from dross.nets.tally import Tally

__all__ = ["TALLIED", "GenerativeModule", "Scoring"]

Scoring = Literal["A", "residual", "minmax_residual", "origin_distance", "combined"]

TALLIED = ("generator_loss", "encoder_loss", "code_norm", "real_spread", "generated_spread")
"""What the history of a training tells of each epoch, beside the loss."""


class GenerativeModule(nn.Module, ABC):
    """Base of the modules: what is common to score with a generator and a code.

    A subclass has a ``critic``, and writes the abstract methods, all for images of side ``side``.

    Parameters
    ----------
    side : int
        Of the images that the nets work on; rows are resized to it.

    Attributes
    ----------
    n_steps : int
        Steps of training taken; it travels with the weights.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side
        self.n_steps = 0
        self.tallies = nn.ModuleDict({name: Tally() for name in TALLIED})

    @abstractmethod
    def drawn(self, n: int) -> tuple[Tensor, Tensor]:
        """Return ``n`` random codes ``(n, k)`` and their images, as training draws them."""

    @abstractmethod
    def critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return what the critic lessens, a scalar."""

    @abstractmethod
    def generator_loss(self, n: int) -> Tensor:
        """Return what the generator lessens, on ``n`` new images, a scalar."""

    @abstractmethod
    def generated(self, z: Tensor) -> Tensor:
        """Return images ``(b, c, s, s)`` of codes ``(b, k)``."""

    @abstractmethod
    def code_of(self, images: Tensor) -> Tensor:
        """Return codes ``(b, k)`` of images of side ``side``."""

    @abstractmethod
    def features_of(self, images: Tensor) -> Tensor:
        """Return what the critic sees of each image."""

    def prior(self, noise: Tensor) -> Tensor:
        """Return codes ``(b, k)`` as training draws them, of standard normal noise."""
        return noise

    def resized(self, x: Tensor) -> Tensor:
        """Return rows as images of side ``side``."""
        if tuple(x.shape[2:]) == (self.side, self.side):
            return x
        size = (self.side, self.side)
        return functional.interpolate(x.float(), size, mode="bilinear", antialias=True)

    def encode(self, x: Tensor) -> Tensor:
        """Return the code of each row, shape (b, k)."""
        return self.code_of(self.resized(x))

    def reconstruct(self, x: Tensor) -> Tensor:
        """Return the closest match of each row, in the row's own size."""
        match = self.generated(self.encode(x))
        if match.shape[2:] == x.shape[2:]:
            return match
        return functional.interpolate(match, tuple(x.shape[2:]), mode="bilinear", antialias=True)

    def score(self, x: Tensor, scoring: Scoring, lambda_residual: float, kappa: float) -> Tensor:
        """Return the score of each row; the last two weigh in "combined" and in "A"."""
        images = self.resized(x)
        z = self.code_of(images)
        if scoring == "origin_distance":
            return scores.origin_distance(z)
        match = self.generated(z)
        if scoring == "residual":
            return scores.residual(images, match)
        if scoring == "A":
            seen = self.features_of(images).float(), self.features_of(match).float()
            return scores.discrimination(images, match, *seen, kappa)
        of_images = scores.min_max_residual(images, match)
        if scoring == "minmax_residual":
            return of_images
        return lambda_residual * of_images + (1 - lambda_residual) * scores.origin_distance(z)

    def get_extra_state(self) -> Tensor:
        """Return what is no weight, for checkpoints and model files."""
        return torch.tensor([self.n_steps], dtype=torch.float64)

    def set_extra_state(self, state: Tensor) -> None:
        """Take back what `get_extra_state` returned."""
        self.n_steps = int(state[0])

    def tally(self, values: Mapping[str, Tensor]) -> None:
        """Add values, by a name of `TALLIED`, to what this epoch is told of."""
        for name, value in values.items():
            self.tallies[name].add(value.float())  # type: ignore[operator]

    @torch.no_grad()
    def look(self, real: Tensor, fake: Tensor) -> None:
        """Tally how widely real and generated images of a batch spread."""
        spreads = [images.float().std(dim=0, correction=0).mean() for images in (real, fake)]
        self.tally({"real_spread": spreads[0], "generated_spread": spreads[1]})

    def tallied(self) -> dict[str, float]:
        """Return the means of what was tallied, and begin anew."""
        means = {name: tally.take() for name, tally in self.tallies.items()}  # type: ignore[operator]
        return {name: mean for name, mean in means.items() if mean is not None}
