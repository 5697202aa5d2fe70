"""What the detectors share that generate images: range, size, scores, heat maps, the guard."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim import Optimizer

from dross.deep import DeepDetector
from dross.errors import ParameterError
from dross.generative.module import Scoring
from dross.parameters import check_choice, check_number
from dross.rows import Rows, batches

__all__ = ["GenerativeDetector"]

_SIDES = (8, 64)
_LOOK_EVERY = 8
_VALUES_AT_ONCE = 2**22  # of the nets' widest layer: 64 images of 32×32 with 64 channels
_COLLAPSED = 0.05  # of the real images' spread


@dataclass(kw_only=True, eq=False, repr=False)
class GenerativeDetector(DeepDetector):
    """Base of the detectors whose module is a `GenerativeModule`.

    Pixels are brought to [-1, 1] by the training images' least and largest values. A generator whose images
    of one batch spread less than a twentieth as far as the real ones has collapsed; then, and where a loss is
    no number, training ends with the weights of the epoch before, and a note says so.

    Parameters
    ----------
    scoring : str
        "A", f-AnoGAN's; "residual" L_r, "minmax_residual" L_n, "origin_distance" L_o, or "combined", L_n and
        L_o. Scores follow ``set_params`` of this and of the two weights after a fit at once; the threshold
        and ``anomaly_scores_`` stay those of the fit.
    lambda_residual : float in [0, 1], default 0.05
        Weight of L_n beside L_o in "combined", the paper's.
    kappa : float, default 1.0
        Weight of the critic's features in "A", its authors'.
    image_size : int or None, default None
        Side that images are resized to, a power of two from 8; None takes the one nearest to the shorter
        side, at most 64.
    channels : int
        Of the nets at full size.
    latent_dim : int
        Width of the codes.
    n_critic : int
        Critic's steps to one of the generator.
    """

    input_kinds: ClassVar[frozenset[str]] = frozenset({"image"})
    keeps_good_state: ClassVar[bool] = True

    scoring: Scoring = "A"
    lambda_residual: float = 0.05
    kappa: float = 1.0
    image_size: int | None = None
    channels: int = 64
    latent_dim: int = 128
    n_critic: int = 1
    batch_size: int = 64

    def cycle_distances(self, n: int, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return d_I and d_z (equations 6 and 7), each shape (n,), of generated images and their codes.

        Means over values instead of sums, so that sizes compare.
        """
        module = self._latent_module()
        if n < 1:
            raise ParameterError(f"n is {n}; distances are of at least one image.")
        noise = torch.randn(n, self.latent_dim, generator=torch.Generator().manual_seed(seed))
        parts = []
        with torch.inference_mode(), self._autocast(scoring=True):
            for part in batches(n, self._rows_at_once()):
                z = module.prior(noise[part].to(self.device_))
                images = module.generated(z)
                codes = module.code_of(images)
                d_image = (images - module.generated(codes)).abs().flatten(1).mean(dim=1)
                parts.append(torch.stack([d_image, (z - codes).abs().mean(dim=1)]))
        d_images, d_codes = torch.cat(parts, dim=1).double().cpu().numpy()
        return d_images, d_codes

    def _rows_at_once(self) -> int:
        side: int = self.module_.side  # type: ignore[assignment]
        n_values: int = max(math.prod(self.input_shape_), self.channels * side**2)
        return max(1, _VALUES_AT_ONCE // n_values)

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_choice(self, "scoring", *get_args(Scoring))
        check_number(self, "lambda_residual", float, 0, 1)
        check_number(self, "kappa", float, 0)
        for name in ("channels", "latent_dim", "n_critic"):
            check_number(self, name, int, 1)
        size = self.image_size
        if size is not None and (not isinstance(size, int) or size < _SIDES[0] or size & (size - 1)):
            raise ParameterError(f"image_size must be a power of two from {_SIDES[0]}, got {size!r}.")

    def _side(self, input_shape: tuple[int, ...]) -> int:
        """Return the side that the nets work on; where it is not the images' own, a note says so."""
        height, width = input_shape[1:]
        nearest = 2 ** round(math.log2(min(height, width)))
        side = self.image_size or min(max(nearest, _SIDES[0]), _SIDES[1])
        if (height, width) != (side, side):
            self.notes_.append(f"{height} × {width} images are resized to {side} × {side}")
        return side

    def _narrow(self, x: NDArray[Any]) -> NDArray[Any]:
        """Return pixels as they are: taken about a median image they would be no images."""
        return x

    def _standardisation(self, X: Rows) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Bring the training images to [-1, 1], all channels alike: colours stay what they are."""
        if not self.standardizes_:
            return super()._standardisation(X)
        lows, highs = self._ranges(X)
        low, high = np.full_like(lows, lows.min()), np.full_like(highs, highs.max())
        half = (high - low) / 2
        half = np.where(half > np.finfo(np.float32).tiny, half, 1.0)
        return (low / 2 + high / 2).astype(np.float32), (1 / half).astype(np.float32)

    def _train(self, X: Rows) -> None:
        n_notes = len(self.notes_)
        super()._train(X)
        shortage = self._shortage()
        if shortage and len(self.notes_) == n_notes:  # a training that went wrong is short for another reason
            advice = "more epochs or smaller batches make more steps"
            self.notes_.append(f"There are too few rows for so short a training: {shortage}; {advice}")

    def _shortage(self) -> str:
        """Return which part of the training had too few steps to be of use, or ""."""
        return ""

    def _adversarial_step(self, real: Tensor, optimizers: list[Optimizer]) -> Tensor:
        """Teach the critic, and in every ``n_critic``-th step the generator; return the critic's loss."""
        module: Any = self.module_
        with torch.no_grad(), self._autocast():
            _, fake = module.drawn(len(real))
            if module.n_steps % _LOOK_EVERY == 0:
                module.look(real, fake)
        loss = self._descend(optimizers[0], lambda: module.critic_loss(real, fake))
        module.n_steps += 1
        if module.n_steps % self.n_critic == 0:
            module.critic.requires_grad_(False)  # its gradients would be computed for nothing
            self._descend(optimizers[1], lambda: module.generator_loss(len(real)))
            module.critic.requires_grad_(True)
        return loss

    def _on_epoch_end(self) -> dict[str, float]:
        module: Any = self.module_
        tallied: dict[str, float] = module.tallied()
        return tallied

    def _trouble(self, entry: dict[str, float]) -> str:
        if not all(map(math.isfinite, entry.values())):
            return "a loss is no longer a number"
        if entry.get("generated_spread", 1.0) < _COLLAPSED * entry.get("real_spread", 0.0):
            return "the generator draws the same image again and again"
        return ""

    def _module_score(self, x: Tensor) -> Tensor:
        module: Any = self.module_
        scores: Tensor = module.score(x, self.scoring, self.lambda_residual, self.kappa)
        return scores

    def _error_map(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Return ``|x - G(E(x))|``, the mean over channels, on one scale for all images."""
        module: Any = self.module_
        return self._map_batches(X, lambda x: (x - module.reconstruct(x)).abs().mean(dim=1))
