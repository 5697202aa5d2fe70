"""Small things that training needs of torch: rows as tensors, weights in one piece, threads, a device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import normalize

from dross.errors import ParameterError
from dross.rows import Rows

__all__ = ["directions", "has_bf16", "in_one_piece", "resolve_device", "row_taker", "threads", "to_tensor"]

_IN_MEMORY_BYTES = 2**31


def to_tensor(x: NDArray[Any]) -> Tensor:
    """Return numbers as float32, without a copy where they are that already."""
    limit = np.finfo(np.float32).max
    if x.dtype.itemsize > 4:
        x = np.clip(x, -limit, limit)
    return torch.from_numpy(np.require(x, np.float32, ["C", "W"]))


def row_taker(X: Rows, narrow: Callable[[NDArray[Any]], NDArray[Any]]) -> Callable[[Tensor], Tensor]:
    """Return a function from row numbers to a batch: from one tensor in memory, or read batch by batch.

    ``narrow`` is applied to arrays before they become float32.
    """
    if isinstance(X, np.ndarray) and X.size * 4 <= _IN_MEMORY_BYTES:
        everything = to_tensor(narrow(X))
        return lambda rows: everything.index_select(0, rows)
    return lambda rows: to_tensor(narrow(np.asarray(X[rows.numpy()])))


def directions(x: Tensor) -> Tensor:
    """Return rows of length 1 and the shape of ``x``, however short or long they were; zeros stay zeros."""
    rows = x.flatten(1)
    largest = rows.detach().abs().amax(dim=1, keepdim=True)
    return normalize(rows / largest.where(largest > 0, 1), dim=1).view_as(x)


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Let torch compute with ``n`` threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def resolve_device(device: str) -> str:
    """Return "cpu" or "cuda": what "auto" stands for here, and whether there is a GPU."""
    if device not in ("auto", "cpu", "cuda"):
        raise ParameterError(f"device is {device!r}; it must be auto, cpu or cuda.")
    if device == "cuda" and not torch.cuda.is_available():
        raise ParameterError("device is 'cuda', but torch sees no GPU; use device='auto' or 'cpu'.")
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device


def has_bf16(device: str) -> bool:
    """Return whether the hardware multiplies bf16 natively: AMX, or a GPU of compute capability 8."""
    if device == "cuda":
        return torch.cuda.get_device_capability()[0] >= 8
    return bool(torch.cpu.get_capabilities().get("amx_bf16", False))


def in_one_piece(parameters: list[nn.Parameter], *, channels_last: bool) -> nn.Parameter:
    """Lay weights and gradients side by side in one tensor, of which they become views.

    A step of the optimiser then costs a few calls, not a few for each of a net's small tensors.
    ``channels_last`` lays the weights of convolutions out as AMX and tensor cores take them, which spares
    reordering every batch between layers.
    """
    sizes = [parameter.numel() for parameter in parameters]
    whole = nn.Parameter(torch.empty(sum(sizes), device=parameters[0].device))
    whole.grad = torch.zeros_like(whole)
    pieces = zip(parameters, torch.split(whole.data, sizes), torch.split(whole.grad, sizes), strict=True)
    for parameter, weights, gradient in pieces:
        parameter.data = _view(weights, parameter, channels_last).copy_(parameter.data)
        parameter.grad = _view(gradient, parameter, channels_last)
    return whole


def _view(piece: Tensor, like: Tensor, channels_last: bool) -> Tensor:
    if channels_last and like.dim() == 4:
        n_out, n_in, height, width = like.shape
        return piece.view(n_out, height, width, n_in).permute(0, 3, 1, 2)
    return piece.view_as(like)
