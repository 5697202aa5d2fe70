"""MemAE: addressing, shrinkage and loss by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from dross.detectors.memae import MemAE, MemAEModule, Memory
from dross.errors import ParameterError


def memory(shrinkage: float) -> Memory:
    made = Memory(3, 2, shrinkage)
    made.items.data = torch.tensor([[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0]])
    return made


def test_address_without_shrinkage_is_a_softmax_of_cosines() -> None:
    # Lengths do not count: the cosines with (5, 0) are 1, 0 and -1.
    exponentials = [math.e, 1.0, 1 / math.e]
    weights = memory(0.0).address(torch.tensor([[5.0, 0.0]]))[0]
    assert weights.tolist() == pytest.approx([v / sum(exponentials) for v in exponentials])


def test_small_weights_are_cut_and_the_rest_scaled() -> None:
    # Of .665, .245 and .090 the last is below .2; the others are divided by their sum.
    code, weights = memory(0.2)(torch.tensor([[5.0, 0.0]]))
    share = math.e / (math.e + 1)
    assert weights[0].tolist() == pytest.approx([share, 1 - share, 0.0])
    assert code[0].tolist() == pytest.approx([2 * share, 3 * (1 - share)])


def test_no_weight_left_gives_zeros() -> None:
    code, weights = memory(0.9)(torch.tensor([[5.0, 0.0], [0.0, 0.0]]))
    assert not weights.any()
    assert not code.any()


def test_loss_and_error_by_hand() -> None:
    net = MemAEModule(nn.Identity(), nn.Identity(), memory(0.2), alpha=0.5)
    x = torch.tensor([[5.0, 0.0]])
    share = math.e / (math.e + 1)
    error = (5 - 2 * share) ** 2 + (3 * (1 - share)) ** 2
    entropy = -share * math.log(share) - (1 - share) * math.log(1 - share)
    assert net.squared_error(x).sum().item() == pytest.approx(error)
    assert net.loss(x).item() == pytest.approx(error + 0.5 * entropy)


def test_gradients_are_finite_where_weights_vanish() -> None:
    net = MemAEModule(nn.Identity(), nn.Identity(), memory(0.2), alpha=0.5)
    net.loss(torch.tensor([[5.0, 0.0], [0.0, 0.0]])).backward()
    assert torch.isfinite(net.memory.items.grad).all()


@pytest.mark.parametrize(
    ("shape", "n_items", "width"), [((20, 5), 50, 3), ((20, 1, 16, 16), 100, 64), ((20, 3, 16, 16), 500, 64)]
)
def test_sizes_of_the_paper(shape: tuple[int, ...], n_items: int, width: int) -> None:
    X = np.random.default_rng(0).normal(size=shape)
    memory = MemAE(max_epochs=1, random_state=0).fit(X).module_.memory
    assert memory.items.shape == (n_items, width)
    assert memory.shrinkage == 1 / n_items


def test_one_item_is_no_memory() -> None:
    with pytest.raises(ParameterError, match="n_items"):
        MemAE(n_items=1).fit(np.eye(4))
