"""f-AnoGAN: which part learns when, its losses and its score."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from dross.detectors.f_anogan import FAnoGAN
from dross.nets.residual_gan import ResidualBlock, residual_widths

SMALL: dict[str, Any] = {
    "channels": 4,
    "latent_dim": 6,
    "batch_size": 8,
    "max_epochs": 4,
    "precision": "32",
    "random_state": 0,
}


def images(n: int = 24, c: int = 1, side: int = 16) -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    ramp = np.outer(np.linspace(0, 1, side), np.ones(side))
    return (rng.uniform(0.5, 1, (n, c, 1, 1)) * ramp + 0.02 * rng.normal(size=(n, c, side, side))).astype(
        "f4"
    )


def weights(part: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in part.parameters()])


def test_the_gan_learns_first_and_the_encoder_then(monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[str] = []
    step = FAnoGAN._training_step

    def watched(self: Any, x: Any, rows: Any, optimizers: Any) -> Any:
        parts = {name: getattr(self.module_, name) for name in ("critic", "generator", "encoder")}
        before = {name: weights(part) for name, part in parts.items()}
        loss = step(self, x, rows, optimizers)
        moved.append(" ".join(n for n, part in parts.items() if not torch.equal(before[n], weights(part))))
        return loss

    monkeypatch.setattr(FAnoGAN, "_training_step", watched)
    FAnoGAN(**SMALL).fit(images())
    assert moved == [*["critic"] * 4, "critic generator", "critic", *["encoder"] * 6]


def test_history_tells_of_both_halves() -> None:
    history = FAnoGAN(**SMALL).fit(images()).history_
    assert "real_spread" in history[0]
    assert "encoder_loss" not in history[0]
    assert {"encoder_loss", "code_norm", "loss", "epoch"} == set(history[3])
    assert history[3]["loss"] == pytest.approx(history[3]["encoder_loss"], rel=1e-5)


def test_a_and_the_encoders_loss_by_hand() -> None:
    detector = FAnoGAN(**SMALL, kappa=0.5).fit(images())
    module: Any = detector.module_
    x = detector._standardised(torch.from_numpy(images()))
    with torch.no_grad():
        match = module.generator(module.encoder(x))
        seen, seen_match = module.critic[0](x), module.critic[0](match)
        expected = (x - match).square().mean(dim=(1, 2, 3)) + 0.5 * (seen - seen_match).square().mean(dim=1)
        np.testing.assert_allclose(detector.anomaly_scores_, expected, rtol=1e-4)
        assert module.encoder_loss(x).item() == pytest.approx(expected.mean().item(), rel=1e-4)


def test_codes_lie_in_a_cube() -> None:
    codes = FAnoGAN(**SMALL).fit(images()).embed(1e3 * images())
    assert np.abs(codes).max() <= 1


def test_widths_are_the_papers_at_64_and_32() -> None:
    assert residual_widths(64, 64) == [512, 512, 256, 128, 64]
    assert residual_widths(32, 64) == [512, 256, 128, 64]
    assert residual_widths(8, 3) == [6, 3]


@pytest.mark.parametrize("up", [True, False])
def test_a_block_is_the_sum_of_its_ways(up: bool) -> None:
    torch.manual_seed(0)
    block = ResidualBlock(3, 5, up=up, norm=lambda n: nn.GroupNorm(1, n))
    x = torch.randn(2, 3, 8, 8)
    assert block(x).shape == ((2, 5, 16, 16) if up else (2, 5, 4, 4))
    assert torch.allclose(block(x), block.bent(x) + block.straight(x))
    if not up:
        straight = nn.functional.avg_pool2d(block.straight[1](x), 2)
        assert torch.allclose(block.straight(x), straight, atol=1e-6)


def test_a_row_of_any_size_takes_part() -> None:
    detector = FAnoGAN(**SMALL).fit(images(c=3, side=20))
    assert detector.notes_ == ["20 × 20 images are resized to 16 × 16"]
    assert detector.explain(images(2, c=3, side=20)).shape == (2, 20, 20)


@pytest.mark.parametrize(
    ("n_critic", "epochs", "expected"),
    [(5, 3, "the generator was never taught"), (1, 1, "the encoder was never taught"), (1, 2, None)],
)
def test_a_part_that_is_never_taught_is_noted(n_critic: int, epochs: int, expected: str | None) -> None:
    detector = FAnoGAN(**{**SMALL, "n_critic": n_critic, "max_epochs": epochs}).fit(images(8))  # a batch each
    assert len(detector.notes_) == (expected is not None)
    assert expected is None or expected in detector.notes_[0]
