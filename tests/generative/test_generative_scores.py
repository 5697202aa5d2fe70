"""Scores and objectives against values computed by hand or by plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dross.generative import scores
from dross.generative.objectives import critic_loss, gradient_penalty
from dross.generative.search import closest_code


def images(seed: int, n: int = 5) -> Tensor:
    return torch.randn(n, 3, 4, 4, generator=torch.Generator().manual_seed(seed))


class TestScores:
    def test_residuals_against_numpy(self) -> None:
        x, y = images(0), images(1)

        def stretched(image: np.ndarray) -> np.ndarray:
            return (image - image.min()) / (image.max() - image.min())

        plain = [np.sqrt(((a - b) ** 2).sum()) for a, b in zip(x.numpy(), y.numpy(), strict=True)]
        np.testing.assert_allclose(scores.residual(x, y), plain, rtol=1e-5)
        normed = [
            np.sqrt(((stretched(a) - stretched(b)) ** 2).sum()) / 48
            for a, b in zip(x.numpy(), y.numpy(), strict=True)
        ]
        np.testing.assert_allclose(scores.min_max_residual(x, y), normed, rtol=1e-5)

    def test_contrast_does_not_move_the_stretched_residual(self) -> None:
        x, y = images(0), images(1)
        faint = scores.min_max_residual(0.1 * x + 3, y)
        np.testing.assert_allclose(faint, scores.min_max_residual(x, y), rtol=1e-4)

    def test_an_image_without_contrast_is_finite(self) -> None:
        flat = torch.full((1, 1, 2, 2), 7.0)
        assert scores.min_max(flat).tolist() == torch.zeros(1, 1, 2, 2).tolist()

    def test_long_codes_look_normal(self) -> None:
        z = torch.tensor([[3.0, 4.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
        assert scores.origin_distance(z).tolist() == [-2.5, -0.5]

    def test_discrimination_by_hand(self) -> None:
        x, y = torch.zeros(1, 1, 1, 2), torch.tensor([[[[1.0, 3.0]]]])
        seen = torch.zeros(1, 4), torch.full((1, 4), 2.0)
        assert scores.discrimination(x, y, *seen, kappa=0.5).item() == 5 + 0.5 * 4


class TestObjectives:
    def test_a_linear_critic_has_its_slope_everywhere(self) -> None:
        layer = nn.Sequential(nn.Flatten(), nn.Linear(48, 1))
        length = float(torch.linalg.vector_norm(layer[1].weight.detach()))
        penalty = gradient_penalty(layer, images(0), images(1))
        assert penalty.item() == pytest.approx((length - 1) ** 2, rel=1e-4)

    def test_the_penalty_is_learnt_from(self) -> None:
        layer = nn.Sequential(nn.Flatten(), nn.Linear(48, 1))
        layer[1].weight.data *= 10
        gradient_penalty(layer, images(0), images(1)).backward()
        weight = layer[1].weight
        length = float(torch.linalg.vector_norm(weight.detach()))
        np.testing.assert_allclose(weight.grad, 2 * (length - 1) * weight.detach() / length, rtol=1e-3)

    def test_loss_by_hand(self) -> None:
        def critic(x: Tensor) -> Tensor:
            return 0.5 * x.flatten(1).sum(dim=1, keepdim=True)

        real, fake = torch.full((2, 1, 2, 2), 1.0), torch.full((2, 1, 2, 2), 3.0)
        # responses 2 and 6; a slope of 0.5 in each of four values has the length 1
        assert critic_loss(critic, real, fake, drift=False).item() == pytest.approx(6 - 2)
        assert critic_loss(critic, real, fake, drift=True).item() == pytest.approx(4 + 1e-3 * 4)


class TestSearch:
    def test_finds_the_code_of_a_linear_generator(self) -> None:
        torch.manual_seed(0)
        weight = torch.linalg.qr(torch.randn(16, 3))[0]

        def generated(z: Tensor) -> Tensor:
            return (z @ weight.T).view(-1, 1, 4, 4)

        z = torch.randn(2, 3)
        found = closest_code(generated(z), torch.zeros(3), generated, lambda x: x, 500)
        np.testing.assert_allclose(found, z, atol=0.1)

    def test_each_row_is_searched_alone_and_without_grad_mode(self) -> None:
        torch.manual_seed(0)
        weight = torch.randn(16, 3)

        def generated(z: Tensor) -> Tensor:
            return (z @ weight.T).tanh().view(-1, 1, 4, 4)

        with torch.inference_mode():
            x = generated(torch.randn(3, 3))
            together = closest_code(x, torch.zeros(3), generated, lambda x: x, 30)
            alone = [closest_code(one[None], torch.zeros(3), generated, lambda x: x, 30) for one in x]
        np.testing.assert_allclose(together, torch.cat(alone), atol=1e-5)
        assert not together.requires_grad
