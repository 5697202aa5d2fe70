"""AnoGAN's way from an image to a code: a search for the code whose image comes closest."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.optim import Adam

__all__ = ["closest_code"]

_DISCRIMINATION = 0.1
_LR = 0.05


def closest_code(
    images: Tensor,
    start: Tensor,
    generated: Callable[[Tensor], Tensor],
    features_of: Callable[[Tensor], Tensor],
    n_steps: int,
) -> Tensor:
    """Return codes ``(b, k)`` found by gradient descent, all from one start ``(k,)``.

    What is lessened is AnoGAN's sum: nine tenths of the mean absolute difference of the images, one of the
    critic's features'. AnoGAN starts each search anew at random; one start for all makes a row's score its
    own. Its rate is not in the paper. The descent is chaotic: what the other rows of a batch do to the last
    digits of a sum can move a row's score by a few per cent.

    Parameters
    ----------
    images : Tensor of shape (b, c, s, s)
    generated, features_of
        Codes to images, and images to what the critic sees of them.
    n_steps : int
        Of Adam.

    Examples
    --------
    >>> image = torch.full((1, 1, 1, 1), 0.5)
    >>> code = closest_code(image, torch.zeros(1), lambda z: z.view(-1, 1, 1, 1), lambda x: x, 200)
    >>> round(code.item(), 1)
    0.5
    """
    with torch.inference_mode(False), torch.enable_grad():
        images = images.clone()  # made where nothing is learnt, it could not be compared with
        z = start.clone().expand(len(images), -1).clone().requires_grad_()
        with torch.no_grad():
            seen = features_of(images)
        optimizer = Adam([z], lr=_LR)
        for _ in range(n_steps):
            match = generated(z)
            apart = (match - images).abs().flatten(1).mean(dim=1)
            unlike = (features_of(match) - seen).abs().flatten(1).mean(dim=1)
            loss = ((1 - _DISCRIMINATION) * apart + _DISCRIMINATION * unlike).sum()
            (z.grad,) = torch.autograd.grad(loss, z)
            optimizer.step()
    return z.detach()
