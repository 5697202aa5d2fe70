"""Discriminative reconstructions against values computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from dross.detectors.drae import DRAE, DRAEModule, best_cut


def scatter(errors: list[float]) -> float:
    return float(np.square(np.subtract(errors, np.mean(errors))).sum())


class TestBestCut:
    def test_against_every_cut(self) -> None:
        rng = np.random.default_rng(0)
        for errors in (rng.gamma(1, size=30), rng.integers(0, 5, 30).astype(float), np.array([3.0, 1.0])):
            ordered = sorted(errors)
            cuts = [c for c in np.unique(errors)[:-1]]
            within = [
                scatter([e for e in ordered if e <= c]) + scatter([e for e in ordered if e > c]) for c in cuts
            ]
            found = best_cut(torch.tensor(errors)).item()
            assert found == pytest.approx(cuts[int(np.argmin(within))])

    @pytest.mark.parametrize("errors", [[1.0], [2.0, 2.0, 2.0], [0.0, 0.0]])
    def test_nothing_to_split(self, errors: list[float]) -> None:
        assert best_cut(torch.tensor(errors)).item() == float("inf")


class TestObjective:
    def module(self, cut: float) -> DRAEModule:
        made = DRAEModule(nn.Identity(), nn.Identity(), scatter_weight=0.5)
        made.cut.fill_(cut)
        return made

    def test_by_hand(self) -> None:
        # 1 and 3 below the cut, 8 above: within 1 + 1, total 9 + 1 + 16 about the mean of 4.
        assert self.module(3.0).objective(torch.tensor([3.0, 8.0, 1.0])).item() == pytest.approx(
            2 + 0.5 * 2 / 26
        )

    def test_without_a_split_all_are_inliers(self) -> None:
        assert self.module(float("inf")).objective(torch.tensor([3.0, 8.0, 1.0])).item() == 4.5

    @pytest.mark.parametrize("errors", [[2.0, 2.0], [0.0, 0.0], [5.0], [9.0, 9.0]])
    def test_equal_errors_and_none_below(self, errors: list[float]) -> None:
        values = torch.tensor(errors, requires_grad=True)
        loss = self.module(6.0).objective(values)
        loss.backward()  # type: ignore[no-untyped-call]
        assert loss.item() == (errors[0] if errors[0] <= 6 else 0.0)
        assert values.grad is not None
        assert values.grad.isfinite().all()


def test_split_anew_of_what_was_seen_since() -> None:
    module = DRAEModule(nn.Identity(), nn.Linear(1, 1), 0.1)
    nn.init.zeros_(module.decoder.weight)  # type: ignore[arg-type]
    nn.init.zeros_(module.decoder.bias)  # type: ignore[arg-type]
    module.loss(torch.tensor([[1.0], [2.0], [10.0]]))
    assert module.split_anew() == pytest.approx(2 / 3)
    assert module.cut.item() == 4.0
    module.loss(torch.tensor([[3.0], [20.0], [21.0]]))
    assert module.split_anew() == pytest.approx(1 / 3)
    assert module.cut.item() == 9.0
    for _ in range(3):
        module.loss(torch.ones(3000, 1))  # more than are kept
    assert module.split_anew() == 1.0


def test_large_batches_are_seen_from_end_to_end() -> None:
    """Of a batch in rising order, the last rows alone would be another sort."""
    module = DRAEModule(nn.Identity(), nn.Linear(1, 1), 0.1)
    nn.init.zeros_(module.decoder.weight)  # type: ignore[arg-type]
    nn.init.zeros_(module.decoder.bias)  # type: ignore[arg-type]
    module.loss(torch.cat([torch.ones(9000, 1), torch.full((1000, 1), 5.0)]))
    assert module.split_anew() == pytest.approx(0.9, abs=1e-3)


def test_history_tells_the_inliers() -> None:
    rows = np.random.default_rng(0).normal(size=(40, 3))
    history = DRAE(max_epochs=3, batch_size=16, random_state=0).fit(rows).history_
    assert [entry["epoch"] for entry in history] == [1, 2, 3]
    assert all(0 < entry["inliers"] < 1 for entry in history)
