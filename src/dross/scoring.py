"""Anomaly scores from anybody's logits or features: pure functions, higher = more anomalous.

Softmaxes of trained nets lie so near to 0 and 1 that float32 no longer tells them apart: all is computed from
logits, in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import log_softmax, normalize, softmax

__all__ = [
    "ODIN_EPS",
    "ODIN_TEMPERATURE",
    "dirichlet",
    "energy",
    "entropy",
    "fit_dirichlet",
    "floored_log_softmax",
    "kl_to_uniform",
    "max_softmax",
    "nearest_distance",
    "odin",
    "right_softmax",
]

ODIN_TEMPERATURE = 1000.0
ODIN_EPS = 0.0014
"""ODIN's published temperature, and its step on pixels of 0 to 1; neither can be tuned without labels."""

_DISTANCE_VALUES = 4_000_000  # distances held at once

_FLOOR = math.log(torch.finfo(torch.float32).tiny)
"""Least logarithm of a softmax that `dirichlet` sees: what float32 can hold, as in the published code."""

_LEAST_GAP = 1e-7
"""Least distance between the logarithm of a mean softmax and the mean of its logarithms, float32's precision:
softmaxes that were all equal would have none, and an infinite alpha."""

_TOLERANCE = 1e-5  # a fit of alpha ends once no entry changes by more than this share of itself


def max_softmax(logits: Tensor) -> Tensor:
    """Return ``1 - max softmax``: higher = more anomalous, between 0 and 1.

    Parameters
    ----------
    logits : Tensor of shape (..., k)

    Returns
    -------
    Tensor of shape (...), float64

    References
    ----------
    Hendrycks, Gimpel: A baseline for detecting misclassified and out-of-distribution examples. ICLR 2017.

    Examples
    --------
    >>> max_softmax(torch.zeros(2, 4)).tolist()
    [0.75, 0.75]
    """
    return -torch.expm1(log_softmax(logits.double(), dim=-1).amax(dim=-1))


def odin(
    classify: Callable[[Tensor], Tensor],
    x: Tensor,
    *,
    temperature: float = ODIN_TEMPERATURE,
    eps: float | Tensor = ODIN_EPS,
) -> Tensor:
    """Return `max_softmax` at a temperature, after a small step to what the classifier takes a row for.

    Rows that a classifier knows gain more by the step. Higher = more anomalous. Works in inference mode too;
    weights get no gradient.

    Parameters
    ----------
    classify : callable
        Rows to logits ``(b, k)``, each row by itself (a module in evaluation mode).
    x : Tensor of shape (b, ...)
    temperature : float, default 1000
        What logits are divided by.
    eps : float or Tensor, default 0.0014
        Step of each value in the unit of ``x``, broadcast to its shape: the default is for pixels between 0
        and 1.

    Returns
    -------
    Tensor of shape (b,), float64

    References
    ----------
    Liang, Li, Srikant: Enhancing the reliability of out-of-distribution image detection in neural networks.
    ICLR 2018, arXiv 1706.02690.

    Examples
    --------
    >>> x = torch.tensor([[2.0, 0.0]])
    >>> odin(lambda x: x, x, temperature=1.0, eps=0.0).item() == max_softmax(x).item()
    True
    """
    with torch.inference_mode(False), torch.enable_grad():
        stepped = x.clone().requires_grad_()
        confidence = log_softmax(classify(stepped).double() / temperature, dim=-1).amax(dim=-1)
        (gradient,) = torch.autograd.grad(confidence.sum(), stepped)
    with torch.no_grad():
        return max_softmax(classify(stepped.detach() + eps * gradient.sign()).double() / temperature)


def kl_to_uniform(logits: Tensor) -> Tensor:
    """Return minus the divergence ``KL(uniform || softmax)``: higher = more anomalous, 0 at most.

    Parameters
    ----------
    logits : Tensor of shape (..., k)

    Returns
    -------
    Tensor of shape (...), float64

    References
    ----------
    Hendrycks, Mazeika, Kadavath, Song: Using self-supervised learning can improve model robustness and
    uncertainty. NeurIPS 2019, arXiv 1906.12340.

    Examples
    --------
    >>> kl_to_uniform(torch.zeros(4)).item()
    0.0
    """
    return log_softmax(logits.double(), dim=-1).mean(dim=-1) + math.log(logits.shape[-1])


def entropy(logits: Tensor) -> Tensor:
    """Return the entropy of the softmax in nats: higher = more anomalous, between 0 and ``log k``.

    Parameters
    ----------
    logits : Tensor of shape (..., k)

    Returns
    -------
    Tensor of shape (...), float64
        Its mean over the views of an image is minus E3Outlier's mean negative entropy.

    Examples
    --------
    >>> round(entropy(torch.zeros(4)).item(), 4)  # log 4
    1.3863
    """
    each: Tensor = torch.special.entr(softmax(logits.double(), dim=-1))
    return each.sum(dim=-1)


def energy(logits: Tensor) -> Tensor:
    """Return minus the logarithm of the summed exponentials of the logits: higher = more anomalous.

    A softmax only compares logits with each other; this asks whether any of them is large.

    Parameters
    ----------
    logits : Tensor of shape (..., k)

    Returns
    -------
    Tensor of shape (...), float64

    References
    ----------
    Liu, Wang, Owens, Li: Energy-based out-of-distribution detection. NeurIPS 2020, arXiv 2010.03759.

    Examples
    --------
    >>> round(energy(torch.zeros(4)).item(), 4)  # -log 4
    -1.3863
    """
    return -logits.double().logsumexp(dim=-1)


def right_softmax(logits: Tensor) -> Tensor:
    """Return 1 - the mean softmax of the transformation that was applied: higher = more anomalous.

    Parameters
    ----------
    logits : Tensor of shape (..., m, m)
        Of each view over the transformations: view i was made by transformation i.

    Returns
    -------
    Tensor of shape (...), float64
        Between 0 and 1.

    Examples
    --------
    >>> right_softmax(torch.tensor([[99.0, 0.0], [0.0, 0.0]])).item()  # 1 - (1 + 1/2) / 2
    0.25
    """
    right = log_softmax(logits.double(), dim=-1).diagonal(dim1=-2, dim2=-1)
    return -torch.expm1(right).mean(dim=-1)


def floored_log_softmax(logits: Tensor) -> Tensor:
    """Return the logarithm of the softmax in float64, not below that of the smallest float32 (-87.3)."""
    return log_softmax(logits.double(), dim=-1).clamp(min=_FLOOR)


def dirichlet(log_p: Tensor, alpha: Tensor) -> Tensor:
    """Return minus the log likelihood of softmaxes under Dirichlet distributions: higher = more anomalous.

    As published without the constant that does not hang on the softmaxes.

    Parameters
    ----------
    log_p : Tensor of shape (..., m, k)
        Logarithms of softmaxes, as `floored_log_softmax` gives them.
    alpha : Tensor of shape (m, k)
        One distribution for each of the m views, as `fit_dirichlet` gives them.

    Returns
    -------
    Tensor of shape (...)
        ``-(alpha - 1) log p``, summed over the views too.

    References
    ----------
    Golan, El-Yaniv: Deep anomaly detection using geometric transformations. NeurIPS 2018, arXiv 1805.10917.

    Examples
    --------
    >>> dirichlet(torch.tensor([[-1.0, -3.0]]), torch.tensor([[5.0, 2.0]])).item()  # 4 * 1 + 1 * 3
    7.0
    """
    return -((alpha - 1) * log_p).sum(dim=(-2, -1))


def fit_dirichlet(mean_p: Tensor, mean_log_p: Tensor, *, max_steps: int = 200) -> Tensor:
    """Return the Dirichlet distributions that make softmaxes most likely.

    The likelihood has one maximum; Newton's method finds it in some ten steps (GEOM's code takes up to a
    thousand of Minka's fixed point).

    Parameters
    ----------
    mean_p, mean_log_p : Tensor of shape (..., k)
        Means over the rows of softmaxes and of their logarithms: all that the likelihood needs.
    max_steps : int

    Returns
    -------
    Tensor of shape (..., k), float64
        Parameters alpha; finite too where softmaxes hardly vary.

    References
    ----------
    Minka: Estimating a Dirichlet distribution. 2000. The start: Wicker, Muller, Kalathur, Poch: A maximum
    likelihood approximation method for Dirichlet's parameter estimation. 2008.

    Examples
    --------
    >>> alpha = torch.tensor([1.0, 2.0], dtype=torch.float64)
    >>> fit_dirichlet(alpha / 3, alpha.digamma() - alpha.sum().digamma()).round(decimals=6).tolist()
    [1.0, 2.0]
    """
    mean_p, mean_log_p = mean_p.double(), mean_log_p.double()
    log_mean = mean_p.clamp(min=math.exp(_FLOOR)).log()
    gap = (mean_p * (log_mean - mean_log_p)).sum(dim=-1, keepdim=True)
    mean_log_p = mean_log_p - (_LEAST_GAP - gap).clamp(min=0)
    alpha = mean_p * ((mean_p.shape[-1] - 1) * np.euler_gamma / gap.clamp(min=_LEAST_GAP))
    alpha = alpha.clamp(min=1e-3)
    for _ in range(max_steps):
        total = alpha.sum(dim=-1, keepdim=True)
        gradient = torch.special.digamma(total) - torch.special.digamma(alpha) + mean_log_p
        # The second derivatives are a diagonal and a constant: inverted in closed form.
        inverse = -1 / torch.special.polygamma(1, alpha)
        constant = 1 / torch.special.polygamma(1, total) + inverse.sum(dim=-1, keepdim=True)
        shared = (gradient * inverse).sum(dim=-1, keepdim=True) / constant
        following = alpha - (gradient - shared) * inverse
        following = torch.minimum(
            torch.maximum(following, alpha / 4), alpha * 4
        )  # as far as it may be trusted
        change = ((following - alpha).abs() / following).max()
        alpha = following
        if change < _TOLERANCE:
            break
    return alpha


def nearest_distance(
    features: Tensor, known: Tensor, k: int = 5, *, metric: Literal["cosine", "euclidean"] = "cosine"
) -> Tensor:
    """Return the mean distance to the k nearest known rows: higher = more anomalous.

    Parameters
    ----------
    features : Tensor of shape (b, d)
    known : Tensor of shape (n, d)
        Rows to compare with, at least ``k``; a row that is among them is its own nearest.
    k : int, default 5
    metric : "cosine" or "euclidean"
        "cosine" is 1 - the cosine, between 0 and 2.

    Returns
    -------
    Tensor of shape (b,), float64

    Examples
    --------
    >>> known = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, -3.0]])
    >>> nearest_distance(torch.tensor([[2.0, 0.0]]), known, k=2, metric="cosine").item()  # (0 + 1) / 2
    0.5
    """
    if not 1 <= k <= len(known):
        raise ValueError(f"k must be between 1 and the {len(known)} known rows, got {k}.")
    if metric not in ("cosine", "euclidean"):
        raise ValueError(f"metric must be 'cosine' or 'euclidean', got {metric!r}.")
    features, known = features.double(), known.double()
    if metric == "cosine":
        features, known = normalize(features, dim=1), normalize(known, dim=1)
    else:
        center = known.mean(dim=0)
        features, known = features - center, known - center
        lengths = known.square().sum(dim=1)
    nearest = []
    for rows in torch.split(features, max(1, _DISTANCE_VALUES // max(len(known), k * known.shape[1]))):
        if metric == "cosine":
            apart = (1 - rows @ known.T).clamp_(min=0).topk(k, dim=1, largest=False).values
        else:  # a product finds the nearest, but how near they are is lost in it, as squares cancel
            chosen = (lengths - 2 * rows @ known.T).topk(k, dim=1, largest=False).indices
            apart = torch.linalg.vector_norm(rows[:, None] - known[chosen], dim=2)
        nearest.append(apart.mean(dim=1))
    return torch.cat(nearest)
