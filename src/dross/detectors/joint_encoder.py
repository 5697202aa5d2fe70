"""A progressive GAN with a jointly trained encoder (Berg, Ahlberg, Felsberg)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from dross.generative.detector import GenerativeDetector
from dross.generative.module import Scoring
from dross.nets.joint_encoder import JointEncoderModule
from dross.nets.progressive_gan import n_levels
from dross.parameters import check_choice, check_number

__all__ = ["JointEncoderGAN"]

_FEW_STEPS = 4  # two while a size fades in, and two after


@dataclass(kw_only=True, eq=False, repr=False)
class JointEncoderGAN(GenerativeDetector):
    """What a generator's own encoder gives a short code is unusual.

    Generator, critic and encoder grow together from 4×4; the encoder learns, with the generator, to find the
    code of each *generated* image. It never sees a real one in training, so that contamination reaches it
    only through the generator, and rare rows do not come out long. The score weighs the distance of the image
    from its closest match, both stretched to [0, 1], against the length of its code.

    Deviations: the appendix with nets and schedule is not at hand; they are the progressive GAN's, with
    fewer channels by default (its own are 512). Every size has the same number of steps and one batch size;
    the paper's falls from 128 to 64. The encoder's distance is a mean over values, not a sum, and Adam
    begins anew with each size, as the progressive GAN's authors do. The averages that score are of the
    encoder, too. The batch's deviation is taken over the whole batch.

    Parameters
    ----------
    encoder : "joint" or None, default "joint"
        None trains none, and searches the code of each row as AnoGAN does: slow, and without a length that
        says anything.
    encoder_loss : "image" or "latent", default "image"
        d_I, the distance of images, the paper's; or d_z, that of codes, its ablation.
    encoder_weight : float, default 1.0
        Of that distance beside the critic's verdict.
    search_steps : int, default 500
        Of the search, AnoGAN's; only without an encoder.
    n_critic : int, default 1
        Critic's steps to one of the generator, the progressive GAN's.
    scoring : str, default "combined"
        The paper's score (5); see `GenerativeDetector` for the others.
    channels : int, default 64
        Of the nets, up to 32×32; half as many at 64×64, and so on.
    latent_dim : int, default 512
        Width of the code, the paper's.
    max_epochs : int or None, default 32
        The paper's on CIFAR-10.
    batch_size, lr
        64, the paper's last on CIFAR-10, and 1e-3, the progressive GAN's.
    lambda_residual, kappa, image_size
        See `GenerativeDetector`.
    weight_decay
        Decoupled from the gradient (AdamW).
    standardize, device, precision, verbose
        See `DeepDetector`.
    contamination, random_state
        See `BaseDetector`.

    Attributes
    ----------
    history_ : list of dict
        As of `DeepDetector`: ``loss`` is the critic's; with the losses of generator and encoder, the mean
        ``code_norm`` of training rows, and the spread of ``real`` and ``generated`` images.

    References
    ----------
    Berg, Ahlberg, Felsberg: Unsupervised learning of anomaly detection from contaminated image data using
    simultaneous encoder training. Karras, Aila, Laine, Lehtinen: Progressive growing of
    GANs for improved quality, stability, and variation. ICLR 2018, arXiv 1710.10196.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).uniform(size=(20, 1, 8, 8))
    >>> detector = JointEncoderGAN(channels=4, latent_dim=8, max_epochs=2, random_state=0).fit(X)
    >>> detector.embed(X).shape, detector.reconstruct(X[:2]).shape
    ((20, 8), (2, 1, 8, 8))
    """

    encoder: Literal["joint"] | None = "joint"
    encoder_loss: Literal["image", "latent"] = "image"
    encoder_weight: float = 1.0
    search_steps: int = 500
    scoring: Scoring = "combined"
    latent_dim: int = 512
    max_epochs: int | None = 32

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_choice(self, "encoder", "joint", None)
        check_choice(self, "encoder_loss", "image", "latent")
        check_number(self, "encoder_weight", float, 0)
        check_number(self, "search_steps", int, 1)

    def _build_module(self, input_shape: tuple[int, ...]) -> nn.Module:
        return JointEncoderModule(
            input_shape[0],
            self._side(input_shape),
            self.channels,
            self.latent_dim,
            encoder_loss=self.encoder_loss,
            encoder_weight=self.encoder_weight,
            search_steps=0 if self.encoder else self.search_steps,
        )

    def _configure_optimizers(self) -> list[Optimizer]:
        module: Any = self.module_
        return [
            AdamW(  # decay as a loss would wear down layers not yet grown: it is all of their gradient
                [self._in_one_piece(part)],
                lr=self.lr,
                betas=(0.0, 0.99),
                weight_decay=self.weight_decay,
                fused=True,
            )
            for part in (module.critic, module.trained)
        ]

    def _training_step(self, x: Tensor, rows: Tensor, optimizers: list[Optimizer]) -> Tensor:
        module: Any = self.module_
        if module.grow_to(self.share_trained_):
            for optimizer in optimizers:  # moments of a smaller net say nothing of a larger one
                optimizer.state.clear()
        loss = self._adversarial_step(module.resized(x), optimizers)
        module.average()
        return loss

    def _shortage(self) -> str:
        module: Any = self.module_
        n_sizes = n_levels(module.side)
        if module.n_steps >= _FEW_STEPS * n_sizes:
            return ""
        return f"{module.n_steps} steps for {n_sizes} sizes to grow through"

    def _stage(self) -> str:
        side = 4 << int(self.module_.level)  # type: ignore[arg-type]
        return f" at {side} × {side}"
