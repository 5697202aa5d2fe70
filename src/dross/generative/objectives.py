"""The Wasserstein objective with its gradient penalty."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["critic_loss", "gradient_penalty"]

_PENALTY = 10.0
_DRIFT = 1e-3

Critic = Callable[[Tensor], Tensor]


def gradient_penalty(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """Return the mean of ``(|gradient| - 1)²`` at random points between real and generated images, a scalar.

    Parameters
    ----------
    critic
        Images to numbers ``(b, 1)``.
    real, fake : Tensor of shape (b, c, h, w)

    Examples
    --------
    >>> x = torch.zeros(2, 1, 2, 2)
    >>> gradient_penalty(lambda x: 2 * x.flatten(1).sum(dim=1, keepdim=True), x, x + 1).item()
    9.0
    """
    at = torch.rand(len(real), 1, 1, 1, device=real.device)
    between = torch.lerp(fake, real, at).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    length = torch.linalg.vector_norm(slope.float().flatten(1), dim=1)
    penalty: Tensor = (length - 1).square().mean()
    return penalty


def critic_loss(critic: Critic, real: Tensor, fake: Tensor, *, drift: bool) -> Tensor:
    """Return what the critic lessens: generated less real response, and 10 times the gradient penalty.

    ``drift`` adds a thousandth of the real responses' squares, which keeps them near zero, as the progressive
    GAN does.
    """
    of_real = critic(real)
    loss = critic(fake).mean() - of_real.mean() + _PENALTY * gradient_penalty(critic, real, fake)
    return loss + _DRIFT * of_real.square().mean() if drift else loss
