"""Scores against values computed by hand; all point upwards."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from dross import scoring

# Softmaxes (.5, .25, .25) and (.8, .1, .1).
LOGITS = torch.tensor([[2.0, 1.0, 1.0], [8.0, 1.0, 1.0]], dtype=torch.float64).log()


def test_max_softmax() -> None:
    assert scoring.max_softmax(LOGITS).tolist() == pytest.approx([0.5, 0.2])


def test_softmaxes_beyond_float32_are_told_apart() -> None:
    """1 - 1 / (1 + exp(-20)) is about exp(-20), and float32 makes 0 of it."""
    sure = torch.tensor([[20.0, 0.0], [30.0, 0.0]])
    expected = [math.exp(-20), math.exp(-30)]
    assert scoring.max_softmax(sure).tolist() == pytest.approx(expected, rel=1e-6)
    both = torch.stack([sure, sure.flip(-1)], dim=1)[:, [0, 1]]
    assert scoring.right_softmax(both).tolist() == pytest.approx(expected, rel=1e-6)


def test_kl_to_uniform() -> None:
    """KL(u || p) = sum 1/3 log(1/3 / p)."""
    expected = [-(math.log(2 / 3) + 2 * math.log(4 / 3)) / 3, -(math.log(1 / 2.4) + 2 * math.log(10 / 3)) / 3]
    assert scoring.kl_to_uniform(LOGITS).tolist() == pytest.approx(expected)


def test_entropy() -> None:
    expected = [1.5 * math.log(2), -0.8 * math.log(0.8) - 0.2 * math.log(0.1)]
    assert scoring.entropy(LOGITS).tolist() == pytest.approx(expected)
    assert scoring.entropy(torch.tensor([0.0, 0.0, -math.inf])).item() == pytest.approx(math.log(2))


def test_right_softmax() -> None:
    logits = torch.stack([LOGITS[0], LOGITS[1], LOGITS[0]])  # right: .5, .1, .25
    assert scoring.right_softmax(logits[None]).tolist() == pytest.approx([1 - 0.85 / 3])


@pytest.mark.parametrize(
    "score", [scoring.max_softmax, scoring.kl_to_uniform, scoring.entropy, scoring.right_softmax]
)
def test_what_is_unsure_scores_higher(score: object) -> None:
    sure, unsure = 3 * torch.eye(3), 0.5 * torch.eye(3)
    assert (score(unsure) > score(sure)).all()  # type: ignore[operator]


class TestOdin:
    def test_by_hand(self) -> None:
        """Logits are x: the gradient of log p_0 is (p_1, -p_1), so the step is (eps, -eps)."""
        x = torch.tensor([[3.0, 1.0]])
        score = scoring.odin(nn.Identity(), x, temperature=2.0, eps=0.5)
        assert score.item() == pytest.approx(1 - 1 / (1 + math.exp(-(3.5 - 0.5) / 2)), rel=1e-6)
        assert x.tolist() == [[3.0, 1.0]]

    def test_step_for_each_channel(self) -> None:
        eps = torch.tensor([0.5, 0.0])
        score = scoring.odin(nn.Identity(), torch.tensor([[3.0, 1.0]]), temperature=1.0, eps=eps)
        assert score.item() == pytest.approx(1 / (1 + math.exp(2.5)), rel=1e-6)

    def test_in_inference_mode_and_without_a_trace(self) -> None:
        net = nn.Linear(2, 3)
        x = torch.randn(4, 2)
        outside = scoring.odin(net, x)
        with torch.inference_mode():
            inside = scoring.odin(net, x * 1.0)
        assert torch.equal(outside, inside)
        assert net.weight.grad is None
        assert not outside.requires_grad

    def test_published_values(self) -> None:
        assert (scoring.ODIN_TEMPERATURE, scoring.ODIN_EPS) == (1000, 0.0014)


class TestDirichlet:
    ALPHA = torch.tensor([[2.0, 3.0, 0.5], [1.0, 1.0, 7.0]], dtype=torch.float64)

    def test_differences_are_scipys(self) -> None:
        """The constant that is left out is the same for all."""
        p = np.random.default_rng(0).dirichlet([1, 2, 3], (2, 2))  # two images, two views
        expected = [
            -sum(
                stats.dirichlet(alpha).logpdf(row)
                for alpha, row in zip(self.ALPHA.numpy(), views, strict=True)
            )
            for views in p
        ]
        scores = scoring.dirichlet(torch.tensor(p).log(), self.ALPHA)
        assert scores.diff().item() == pytest.approx(expected[1] - expected[0])

    def test_floor(self) -> None:
        log_p = scoring.floored_log_softmax(torch.tensor([0.0, -1e4]))
        assert log_p.tolist() == pytest.approx([0.0, math.log(1.1754943508222875e-38)])

    def means(self, alpha: Tensor, n: int) -> tuple[Tensor, Tensor]:
        p = np.random.default_rng(0).dirichlet(alpha.numpy(), n)
        return torch.tensor(p.mean(axis=0)), torch.tensor(np.log(p).mean(axis=0))

    def test_fit_finds_what_was_drawn(self) -> None:
        means = [self.means(alpha, 20_000) for alpha in self.ALPHA]
        fitted = scoring.fit_dirichlet(*map(torch.stack, zip(*means, strict=True)))
        torch.testing.assert_close(fitted, self.ALPHA, rtol=0.05, atol=0)

    def test_fit_is_a_maximum(self) -> None:
        """There the digammas of alpha less that of its sum are the mean logarithms."""
        mean_p, mean_log_p = self.means(torch.tensor([0.3, 0.05, 40.0], dtype=torch.float64), 50)
        alpha = scoring.fit_dirichlet(mean_p, mean_log_p)
        torch.testing.assert_close(alpha.digamma() - alpha.sum().digamma(), mean_log_p, rtol=1e-6, atol=1e-6)

    @pytest.mark.parametrize("sureness", [0.5, 5.0, 20.0, 100.0])
    def test_fit_of_softmaxes(self, sureness: float) -> None:
        """A maximum too for softmaxes near 0 and 1; the mean logarithms are lowered by 1e-7 at most."""
        rng = torch.Generator().manual_seed(0)
        noise = torch.randn(30, 9, 9, generator=rng)
        log_p = scoring.floored_log_softmax(sureness * (torch.eye(9) + 0.1 * noise))
        alpha = scoring.fit_dirichlet(log_p.exp().mean(dim=0), log_p.mean(dim=0))
        gradient = alpha.sum(dim=1, keepdim=True).digamma() - alpha.digamma() + log_p.mean(dim=0)
        assert (gradient.abs() < 1.1e-7).all()

    def test_equal_softmaxes(self) -> None:
        p = torch.tensor([0.7, 0.3], dtype=torch.float64)
        alpha = scoring.fit_dirichlet(p, p.log())
        assert alpha.sum() > 1e6
        assert (alpha / alpha.sum()).tolist() == pytest.approx([0.7, 0.3], abs=1e-5)


class TestNearest:
    KNOWN = torch.tensor([[1.0, 0.0], [0.0, 2.0], [-4.0, 0.0], [3.0, 3.0]])

    @pytest.mark.parametrize(
        ("metric", "k", "expected"),
        [
            ("euclidean", 1, [1.0]),
            ("euclidean", 2, [(1 + 8**0.5) / 2]),
            ("cosine", 2, [(0 + 1 - 0.5**0.5) / 2]),
            ("cosine", 4, [(0 + 1 - 0.5**0.5 + 1 + 2) / 4]),
        ],
    )
    def test_by_hand(self, metric: str, k: int, expected: list[float]) -> None:
        score = scoring.nearest_distance(torch.tensor([[2.0, 0.0]]), self.KNOWN, k, metric=metric)  # type: ignore[arg-type]
        assert score.tolist() == pytest.approx(expected)

    def test_in_parts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rows = torch.randn(7, 2, generator=torch.Generator().manual_seed(0))
        whole = scoring.nearest_distance(rows, self.KNOWN, 2, metric="euclidean")
        monkeypatch.setattr(scoring, "_DISTANCE_VALUES", 8)
        assert torch.equal(scoring.nearest_distance(rows, self.KNOWN, 2, metric="euclidean"), whole)
        torch.testing.assert_close(
            whole, torch.cdist(rows, self.KNOWN).topk(2, largest=False).values.mean(dim=1).double()
        )

    def test_near_rows_keep_their_distance(self) -> None:
        known = torch.tensor([[1e6, 1.0], [1e6, 5.0], [0.0, 0.0]], dtype=torch.float64)
        rows = torch.tensor([[1e6, 1.0001], [1e6, 5.0]], dtype=torch.float64)
        apart = scoring.nearest_distance(rows, known, 1, metric="euclidean")
        assert apart.tolist() == pytest.approx([1e-4, 0], rel=1e-9, abs=0)
        assert (scoring.nearest_distance(known[:2], known[:2], 1) >= 0).all()
        assert scoring.nearest_distance(known[2:], known, 1).tolist() == [1]  # zeros have no direction

    @pytest.mark.parametrize("options", [{"k": 5}, {"k": 0}, {"metric": "manhattan", "k": 1}])
    def test_refused(self, options: dict[str, object]) -> None:
        with pytest.raises(ValueError, match=next(iter(options))):
            scoring.nearest_distance(self.KNOWN, self.KNOWN, **options)  # type: ignore[arg-type]
