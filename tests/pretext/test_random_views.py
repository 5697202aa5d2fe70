"""Random views: each change by hand, then how they are drawn."""

from __future__ import annotations

import colorsys

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from dross.pretext.random_views import RandomViews, adjust_colours, resized_crops

ONE, NO = torch.ones(1), torch.zeros(1)


def images(b: int, c: int = 3, side: int = 8) -> Tensor:
    return torch.rand(b, c, side, side, generator=torch.Generator().manual_seed(0))


class TestCrops:
    def test_each_image_has_its_own(self) -> None:
        """A quarter of an image, enlarged, is what interpolation makes of the cut-out, but for its border."""
        x = images(2, side=16)
        boxes = torch.tensor([[0.0, 0.5, 0.5, 0.5], [0.25, 0.0, 0.5, 0.5]])
        views = resized_crops(x, boxes, torch.tensor([False, True]))
        cut = torch.stack([x[0, :, 8:, :8], x[1, :, :8, 4:12].flip(-1)])
        expected = functional.interpolate(cut, size=(16, 16), mode="bilinear", align_corners=False)
        torch.testing.assert_close(views[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1])

    def test_the_whole(self) -> None:
        x = images(3)
        whole = torch.tensor([[0.0, 0.0, 1.0, 1.0]]).expand(3, -1)
        torch.testing.assert_close(resized_crops(x, whole, torch.zeros(3, dtype=torch.bool)), x)


class TestColours:
    def test_ones_change_nothing(self) -> None:
        x = images(3)
        torch.testing.assert_close(adjust_colours(x, *[torch.ones(3)] * 3, torch.zeros(3)), x)

    def test_brightness(self) -> None:
        x = torch.tensor([0.2, 0.8]).view(1, 1, 1, 2)
        assert adjust_colours(x, 1.5 * ONE, ONE, ONE, NO).flatten().tolist() == pytest.approx([0.3, 1.0])

    def test_contrast(self) -> None:
        """About the mean of .2 and .8."""
        x = torch.tensor([0.2, 0.8]).view(1, 1, 1, 2)
        assert adjust_colours(x, ONE, 0.5 * ONE, ONE, NO).flatten().tolist() == pytest.approx([0.35, 0.65])

    def test_saturation(self) -> None:
        x = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
        assert adjust_colours(x, ONE, ONE, NO, NO).flatten().tolist() == pytest.approx([0.299] * 3)
        half = adjust_colours(x, ONE, ONE, 0.5 * ONE, NO).flatten().tolist()
        assert half == pytest.approx([0.6495, 0.1495, 0.1495])

    def test_hue(self) -> None:
        """A third of a turn keeps the luma and moves the hue; a whole turn changes nothing."""
        x = torch.tensor([0.6, 0.4, 0.4]).view(1, 3, 1, 1)
        turned = adjust_colours(x, ONE, ONE, ONE, ONE / 3).flatten()
        assert float(turned @ torch.tensor([0.299, 0.587, 0.114])) == pytest.approx(
            0.4 + 0.2 * 0.299, abs=1e-4
        )
        assert abs(colorsys.rgb_to_hsv(*turned.tolist())[0] - 0.5) < 0.3
        torch.testing.assert_close(adjust_colours(x, ONE, ONE, ONE, ONE), x, atol=1e-5, rtol=0)

    def test_each_image_has_its_own(self) -> None:
        x = images(4)
        factors = torch.tensor(
            [[0.7, 1.2, 0.5, 0.1], [1.3, 0.8, 1.4, -0.2], [1, 1, 0, 0], [1.1, 1, 1, 0.4]]
        ).T
        together = adjust_colours(x, *factors)
        for i in range(4):
            alone = adjust_colours(x[i : i + 1], *factors[:, i : i + 1])
            torch.testing.assert_close(together[i : i + 1], alone)


class TestRandomViews:
    def test_boxes_lie_inside_with_the_areas_asked_for(self) -> None:
        torch.manual_seed(0)
        left, top, width, height = RandomViews(smallest=0.3).boxes(images(4000)).T
        assert (left >= 0).all()
        assert (top >= 0).all()
        assert (left + width <= 1 + 1e-6).all()
        assert (top + height <= 1 + 1e-6).all()
        area = width * height
        assert area.min() > 0.25  # what was too wide is cut
        assert 0.6 < area.mean() < 0.65
        assert (width / height).max() < 4 / 3 + 1e-5

    def test_nothing_asked_for(self) -> None:
        x = images(5)
        still = RandomViews(smallest=1.0, stretch=1.0, flip=0.0, jitter=0.0, hue=0.0, grey=0.0)
        torch.testing.assert_close(still(x), x)

    def test_flips_and_greys_come_as_often_as_asked(self) -> None:
        torch.manual_seed(0)
        x = images(1).expand(2000, -1, -1, -1)
        views = RandomViews(smallest=1.0, stretch=1.0, jitter=0.0, hue=0.0)(x)
        assert views.std(dim=1).amax(dim=(1, 2)).lt(1e-5).float().mean().item() == pytest.approx(
            0.2, abs=0.03
        )
        flipped = adjust_colours(x[:1].flip(-1), ONE, ONE, NO, NO)[0, 0]
        greys = adjust_colours(views, *[torch.ones(2000)] * 2, torch.zeros(2000), torch.zeros(2000))[:, 0]
        is_flipped = (greys - flipped).abs().amax(dim=(1, 2)) < 1e-4
        assert is_flipped.float().mean().item() == pytest.approx(0.5, abs=0.04)

    def test_seeds(self) -> None:
        x = images(3, c=1)
        torch.manual_seed(1)
        first = RandomViews()(x)
        torch.manual_seed(1)
        assert torch.equal(RandomViews()(x), first)
        assert not torch.equal(RandomViews()(x), first)
        assert first.min() >= 0
        assert first.max() <= 1
