"""Latent feature reconstruction against values computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from dross.detectors.ae_lfr import AELFR, AELFRModule
from dross.errors import ParameterError
from dross.nets.lfr import LFRLayer

X = torch.tensor([[3.0, 4.0], [1.0, 0.0]])


def layer(weight: list[list[float]], **options: object) -> LFRLayer:
    """A layer with A given."""
    made = LFRLayer(len(weight[0]), len(weight), **options)  # type: ignore[arg-type]
    made.weight.data = torch.tensor(weight)
    return made


class TestLayer:
    def test_by_hand(self) -> None:
        lfr = layer([[2.0, 0.0]])  # A^T A = diag(4, 0), A A^T - 1 = 3
        assert lfr.project(X).tolist() == [[6.0], [2.0]]
        assert lfr.reconstruct(X).tolist() == [[12.0, 0.0], [4.0, 0.0]]
        assert lfr.residual(X).tolist() == pytest.approx([97**0.5, 3.0])
        assert lfr.departure().item() == 9.0

    @pytest.mark.parametrize(("reduction", "residual"), [("sum", 97**0.5 + 3), ("mean", (97**0.5 + 3) / 2)])
    def test_what_lambda2_weighs(self, reduction: str, residual: float) -> None:
        lfr = layer([[2.0, 0.0]], lambda1=3.0, lambda2=0.5, reduction=reduction)
        assert lfr.loss(X).item() == pytest.approx(3.0 * residual + 0.5 * 9.0)

    def test_begins_orthonormal(self) -> None:
        assert LFRLayer(6, 3).departure().item() < 1e-10

    def test_codes_in_the_subspace_have_a_gradient_of_zero(self) -> None:
        z = torch.tensor([[1.0, 0.0]], requires_grad=True)
        layer([[1.0, 0.0]]).loss(z).backward()  # type: ignore[no-untyped-call]
        assert z.grad is not None
        assert z.grad.tolist() == [[0.0, 0.0]]

    def test_small_residuals_survive_autocast(self) -> None:
        z = torch.tensor([[100.0, 0.01]])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert layer([[1.0, 0.0]]).residual(z).item() == pytest.approx(0.01)

    @pytest.mark.parametrize("rank", [0, 3])
    def test_rank_beyond_the_code(self, rank: int) -> None:
        with pytest.raises(ValueError, match="1 to 2"):
            LFRLayer(2, rank)

    def test_finds_the_subspace_of_most(self) -> None:
        """Codes on a line, a tenth of them far off it: A turns to the line, squares would turn it away."""
        rng = np.random.default_rng(0)
        z = torch.tensor(np.outer(rng.normal(size=100), [0.6, 0.8]), dtype=torch.float32)
        z[:10] = torch.tensor([4.0, -3.0]) * torch.tensor(rng.uniform(0.5, 1, (10, 1)), dtype=torch.float32)
        lfr = layer([[0.0, 1.0]])
        optimizer = torch.optim.Adam(lfr.parameters(), lr=0.02)
        for _ in range(500):
            optimizer.zero_grad()
            lfr.loss(z).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        assert lfr.residual(z[10:]).max() < 0.1
        assert lfr.residual(z[:10]).min() > 2


@pytest.mark.parametrize(("trained", "error"), [("A", 0.0), ("B", 4.0)])
def test_loss_by_hand(trained: str, error: float) -> None:
    """Code and decoder are the identity, A drops the second column: residuals 4 and 0."""
    module = AELFRModule(nn.Identity(), nn.Identity(), layer([[1.0, 0.0]]), trained)  # type: ignore[arg-type]
    assert module.loss(X).item() == error + 2 * 4.0
    assert module.squared_error(X, "A").tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert module.squared_error(X, "B").sum(dim=1).tolist() == [16.0, 0.0]


def test_scores_follow_the_variant_after_a_fit() -> None:
    rows = np.random.default_rng(0).normal(size=(60, 4))
    for loss in ("A", "B"):
        fitted = {
            scoring: AELFR(loss=loss, scoring=scoring, max_epochs=2, random_state=0).fit(rows)  # type: ignore[arg-type]
            for scoring in ("A", "B")
        }
        assert not np.array_equal(fitted["A"].anomaly_scores_, fitted["B"].anomaly_scores_)
        changed = fitted["A"].set_params(scoring="B").anomaly_score(rows)
        np.testing.assert_array_equal(changed, fitted["B"].anomaly_scores_)
    with pytest.raises(ParameterError, match="scoring"):
        fitted["A"].set_params(scoring="C").anomaly_score(rows)


def test_more_components_than_the_code() -> None:
    rows = np.random.default_rng(0).normal(size=(20, 4))
    with pytest.raises(ParameterError, match=r"5.*4"):
        AELFR(n_components=5, latent_dim=4).fit(rows)
    assert AELFR(n_components=4, latent_dim=4, max_epochs=1).fit(rows).module_ is not None


def test_the_net_is_the_papers() -> None:
    detector = AELFR(max_epochs=1, precision="32").fit(np.zeros((4, 1, 28, 28), np.float32))
    layers = [m for m in detector.module_.encoder.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert [tuple(m.weight.shape) for m in layers] == [
        (32, 1, 5, 5), (64, 32, 5, 5), (128, 64, 3, 3), (256, 2048)
    ]  # fmt: skip
    assert detector.module_.layer.weight.shape == (10, 256)
