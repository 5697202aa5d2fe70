"""The progressive GAN with an encoder beside its generator, and what they are trained by."""

from __future__ import annotations

import copy
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from dross.generative.module import GenerativeModule
from dross.generative.objectives import critic_loss
from dross.generative.search import closest_code
from dross.nets.progressive_gan import (
    GrowingGenerator,
    GrowingReader,
    faded,
    n_levels,
    pixel_norm,
    widths_of,
)

__all__ = ["JointEncoderModule"]

_DECAY = 0.999


class JointEncoderModule(GenerativeModule):
    """Generator, critic and encoder that grow together; scored by moving averages of the first and the last.

    Parameters
    ----------
    n_colours, side, channels : int
        Of the images, and of the nets; see `widths_of`.
    latent_dim : int
        Width of the code.
    encoder_loss : "image" or "latent"
        Whether generated images and their reconstructions are brought together, or codes and theirs.
    encoder_weight : float
        Weight of that loss beside the critic's verdict.
    search_steps : int
        0 with an encoder; else steps of the search that takes its place.

    Attributes
    ----------
    level, alpha : int and float
        How far the nets have grown; see `dross.nets.progressive_gan`.
    """

    start: Tensor

    def __init__(
        self,
        n_colours: int,
        side: int,
        channels: int,
        latent_dim: int,
        *,
        encoder_loss: Literal["image", "latent"],
        encoder_weight: float,
        search_steps: int,
    ) -> None:
        super().__init__(side)
        widths = widths_of(side, channels)
        self.latent_dim = latent_dim
        self.encoder_loss = encoder_loss
        self.encoder_weight = encoder_weight
        self.search_steps = search_steps
        generator = GrowingGenerator(latent_dim, n_colours, widths)
        encoder = None if search_steps else GrowingReader(n_colours, widths, latent_dim, compares=False)
        self.critic = GrowingReader(n_colours, widths, 1, compares=True)
        self.trained = nn.ModuleList([generator] if encoder is None else [generator, encoder])
        self.averaged = copy.deepcopy(self.trained).requires_grad_(False)
        self.register_buffer("start", torch.randn(latent_dim))
        self.level, self.alpha = 0, 1.0

    def get_extra_state(self) -> Tensor:
        """Return what is no weight, for checkpoints and model files."""
        return torch.tensor([self.n_steps, self.level, self.alpha], dtype=torch.float64)

    def set_extra_state(self, state: Tensor) -> None:
        """Take back what `get_extra_state` returned."""
        n_steps, level, self.alpha = state.tolist()
        self.n_steps, self.level = int(n_steps), int(level)

    def grow_to(self, share: float) -> bool:
        """Set level and alpha to where a share in [0, 1) of the training has been; return if the level rose.

        Each level has the same share. A new one is faded in during the first half of it, so that with four
        levels, as for 32×32, the last eighth sees the full size: 4 of the paper's 32 epochs.
        """
        place = share * n_levels(self.side)
        before, self.level = self.level, int(place)
        self.alpha = min(1.0, 2 * (place - self.level)) if self.level else 1.0
        return self.level > before

    # ------------------------------------------------------------- training

    def prior(self, noise: Tensor) -> Tensor:
        """Return noise at the length √k that the generator brings each code to."""
        return pixel_norm(noise)

    def drawn(self, n: int) -> tuple[Tensor, Tensor]:
        """Return ``n`` codes and their images."""
        z = self.prior(torch.randn(n, self.latent_dim, device=self.start.device))
        return z, self.trained[0](z, self.level, self.alpha)

    def judge(self, images: Tensor) -> Tensor:
        """Return the critic's response to images, shape (b, 1)."""
        response: Tensor = self.critic(images, self.level, self.alpha)
        return response

    def critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return what the critic lessens, a scalar."""
        return critic_loss(self.judge, real, fake, drift=True)

    def generator_loss(self, n: int) -> Tensor:
        """Return what generator and encoder lessen together, on ``n`` new images (equation 1), a scalar.

        The distance is a mean over values, where equation 6 has a sum, so that it weighs the same at each
        size: a sum is 48 times as much at 4×4 in colour, 3 072 times at 32×32. A generator that draws one
        image whatever the code has an image distance of 0.
        """
        z, images = self.drawn(n)
        verdict = -self.judge(images).mean()
        self.tally({"generator_loss": verdict})
        if self.search_steps:
            return verdict
        codes = self.trained[1](images, self.level, self.alpha)
        if self.encoder_loss == "image":
            apart = (images - self.trained[0](codes, self.level, self.alpha)).abs().mean()
        else:
            apart = (z - codes).abs().mean()
        self.tally({"encoder_loss": apart})
        loss: Tensor = verdict + self.encoder_weight * apart
        return loss

    @torch.no_grad()
    def look(self, real: Tensor, fake: Tensor) -> None:
        """Tally spreads, and how long the codes of real images are."""
        super().look(real, fake)
        if not self.search_steps:
            codes = self.trained[1](real, self.level, self.alpha)
            self.tally({"code_norm": torch.linalg.vector_norm(codes, dim=1).mean()})

    @torch.no_grad()
    def average(self) -> None:
        """Move the averages on by a step: over about a thousand steps, over fewer at first."""
        decay = min(_DECAY, self.n_steps / (self.n_steps + 10))
        for mean, now in zip(self.averaged.parameters(), self.trained.parameters(), strict=True):
            mean.lerp_(now, 1 - decay)

    # -------------------------------------------------------------- scoring

    def resized(self, x: Tensor) -> Tensor:
        """Return rows as images of the size that the nets have grown to, faded as generated ones are."""
        images = super().resized(x)
        times = images.shape[2] >> (self.level + 2)
        return faded(functional.avg_pool2d(images, times) if times > 1 else images, self.alpha)

    def generated(self, z: Tensor) -> Tensor:
        """Return images ``(b, c, s, s)`` of codes ``(b, k)``."""
        images: Tensor = self.averaged[0](z, self.level, self.alpha)
        return images

    def code_of(self, images: Tensor) -> Tensor:
        """Return codes ``(b, k)``: of the encoder, or found by search."""
        if self.search_steps:
            return closest_code(images, self.start, self.generated, self.features_of, self.search_steps)
        codes: Tensor = self.averaged[1](images, self.level, self.alpha)
        return codes

    def features_of(self, images: Tensor) -> Tensor:
        """Return what the critic sees of each image, before it looks at the batch."""
        return self.critic.features(images, self.level, self.alpha).float()
