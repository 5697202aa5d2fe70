"""f-AnoGAN: a Wasserstein GAN, then an encoder (Schlegl et al. 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.optim import Adam, Optimizer, RMSprop

from dross.generative.detector import GenerativeDetector
from dross.generative.module import Scoring
from dross.nets.residual_gan import FAnoGANModule

__all__ = ["FAnoGAN"]

_ENCODER_LR = 5e-5


@dataclass(kw_only=True, eq=False, repr=False)
class FAnoGAN(GenerativeDetector):
    """What a generator of the training images cannot draw is unusual.

    A Wasserstein GAN with gradient penalty learns to draw the training images; then, with its weights fixed,
    an encoder learns the codes of the real images. The score A is the mean squared distance of image and
    closest match, and ``kappa`` times that of what the critic sees of them. Contamination: the generator
    learns to draw what it is shown, and the encoder is trained on the anomalies themselves, so that both see
    them as they see the others.

    Deviations: the first half of the epochs trains the GAN, the second the encoder (seven each by default,
    the GAN's number in the joint encoder's paper, which gives none for the encoder). For other sizes than
    64×64 there are as many residual blocks as doublings from 4×4. Images are resized to a power of two.

    Parameters
    ----------
    scoring : str, default "A"
        See `GenerativeDetector` for the others.
    channels : int, default 64
        Of the nets at full size, its authors'; see `dross.nets.residual_gan.residual_widths`.
    latent_dim : int, default 128
        Width of the code, its authors'.
    n_critic : int, default 5
        Critic's steps to one of the generator, its authors'.
    max_epochs : int or None, default 14
        Half of them for the encoder.
    batch_size, lr
        64 (the joint encoder's paper takes 16), and 1e-4 for the GAN, its authors'; the encoder's rate is
        theirs, too, 5e-5.
    lambda_residual, kappa, image_size
        See `GenerativeDetector`.
    weight_decay, standardize, device, precision, verbose
        See `DeepDetector`.
    contamination, random_state
        See `BaseDetector`.

    Attributes
    ----------
    history_ : list of dict
        As of `DeepDetector`: ``loss`` is the critic's, then the encoder's; with the losses of generator or
        encoder, the mean ``code_norm``, and the spread of ``real`` and ``generated`` images.

    References
    ----------
    Schlegl, Seeböck, Waldstein, Langs, Schmidt-Erfurth: f-AnoGAN: Fast unsupervised anomaly detection with
    generative adversarial networks. Medical Image Analysis 2019.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).uniform(size=(20, 1, 8, 8))
    >>> detector = FAnoGAN(channels=4, latent_dim=8, max_epochs=2, random_state=0).fit(X)
    >>> detector.embed(X).shape, detector.reconstruct(X[:2]).shape
    ((20, 8), (2, 1, 8, 8))
    """

    latent_dim: int = 128
    n_critic: int = 5
    scoring: Scoring = "A"
    max_epochs: int | None = 14
    lr: float = 1e-4

    def _build_module(self, input_shape: tuple[int, ...]) -> nn.Module:
        return FAnoGANModule(
            input_shape[0],
            self._side(input_shape),
            self.channels,
            self.latent_dim,
            kappa=self.kappa,
        )

    def _configure_optimizers(self) -> list[Optimizer]:
        module: Any = self.module_
        critic, generator, encoder = (
            self._in_one_piece(part) for part in (module.critic, module.generator, module.encoder)
        )
        betas, decay = (0.0, 0.9), self.weight_decay
        return [
            Adam([critic], lr=self.lr, betas=betas, weight_decay=decay, fused=True),
            Adam([generator], lr=self.lr, betas=betas, weight_decay=decay, fused=True),
            RMSprop([encoder], lr=_ENCODER_LR, weight_decay=decay),
        ]

    def _training_step(self, x: Tensor, rows: Tensor, optimizers: list[Optimizer]) -> Tensor:
        module: Any = self.module_
        images = module.resized(x)
        if self.share_trained_ < 0.5:
            return self._adversarial_step(images, optimizers)
        module.generator.eval()  # as it will be when it scores
        module.requires_grad_(False)
        module.encoder.requires_grad_(True)
        loss = self._descend(optimizers[2], lambda: module.encoder_loss(images))
        module.requires_grad_(True)
        return loss

    def _shortage(self) -> str:
        if int(self.module_.n_steps) < self.n_critic:  # type: ignore[arg-type]
            return "the generator was never taught"
        is_taught = any("encoder_loss" in entry for entry in self.history_)
        return "" if is_taught else "the encoder was never taught"

    def _stage(self) -> str:
        return f" of the {'GAN' if self.share_trained_ < 0.5 else 'encoder'}"
