"""Views of images against slow references, their inverses, and each call against the other."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from dross.errors import ParameterError
from dross.pretext.transformations import (
    Geometric,
    IrregularAffine,
    PatchShuffles,
    Rotations,
    RotationsAndTranslations,
    Transformations,
    Union,
    e3outlier_transformations,
    square_side,
)

SHUFFLES = [(1, 0, 2, 3), (3, 2, 0, 1)]


def families(side: int) -> list[Transformations]:
    return [
        Rotations(side),
        Geometric(side),
        RotationsAndTranslations(side),
        PatchShuffles(side, SHUFFLES),
        IrregularAffine(side),
        e3outlier_transformations(side),
    ]


def images(b: int, c: int, side: int) -> Tensor:
    return torch.randn(b, c, side, side, generator=torch.Generator().manual_seed(0))


def moved(image: NDArray[np.float32], down: int, right: int) -> NDArray[np.float32]:
    """Move by whole pixels; scipy's "reflect", which GEOM's code uses, repeats the edge pixel."""
    step = image.shape[-1] // 4
    shift = (0, down * step, right * step)
    return np.asarray(ndimage.shift(image, shift, order=0, mode="reflect"))


@pytest.mark.parametrize("side", [4, 8, 9, 28])
@pytest.mark.parametrize("c", [1, 3])
class TestEveryFamily:
    def test_each_is_all(self, side: int, c: int) -> None:
        x = images(3, c, side)
        for family in families(side):
            every = family.all(x)
            assert every.shape == (3, len(family), c, side, side)
            for first in range(0, len(family), 3):
                which = torch.arange(first, first + 3) % len(family)
                torch.testing.assert_close(family.each(x, which), every[range(3), which], rtol=0, atol=0)

    def test_images_do_not_see_each_other(self, side: int, c: int) -> None:
        x = images(3, c, side)
        for family in families(side):
            torch.testing.assert_close(family.all(x)[1:2], family.all(x[1:2]))


def test_geometric_are_geoms() -> None:
    """A flip, a move, then quarter turns, as GEOM's code has them: the same set in another order."""
    x = images(1, 2, 8)
    views = Geometric(8).all(x)[0].numpy()
    expected = [
        np.rot90(moved(image, down, right), turns, (1, 2))
        for image in (x[0].numpy(), x[0].numpy()[..., ::-1])
        for down, right, turns in product((-1, 0, 1), (-1, 0, 1), range(4))
    ]
    assert {view.tobytes() for view in views} == {np.ascontiguousarray(view).tobytes() for view in expected}
    assert len({view.tobytes() for view in views}) == 72
    np.testing.assert_array_equal(views[4], x[0])


def test_geometric_numbering() -> None:
    x = images(1, 1, 8)
    views = Geometric(8).all(x)[0, :, 0].numpy()
    image = x[0].numpy()
    for t, v, h, down, right in product((0, 1), (0, 1), (0, 1), (0, 1, 2), (0, 1, 2)):
        laid = image.swapaxes(1, 2) if t else image
        laid = laid[:, :: -1 if v else 1, :: -1 if h else 1]
        number = ((t * 2 + v) * 2 + h) * 9 + down * 3 + right
        np.testing.assert_array_equal(views[number], moved(laid, 1 - down, 1 - right)[0])


def test_rotations_and_their_inverses() -> None:
    x = images(4, 1, 5)
    family = Rotations(5)
    every = family.all(x)
    for turns in range(4):
        np.testing.assert_array_equal(every[:, turns].numpy(), np.rot90(x.numpy(), turns, (2, 3)))
    which = torch.tensor([0, 1, 2, 3])
    assert torch.equal(family.each(family.each(x, which), (4 - which) % 4), x)


def test_rotations_and_translations() -> None:
    x = images(1, 1, 8)
    family = RotationsAndTranslations(8)
    views, heads = family.all(x)[0].numpy(), family.heads(torch.arange(36))
    for view, turn, vertical, horizontal in zip(views, *map(Tensor.tolist, heads), strict=True):
        turned = np.rot90(x[0].numpy(), turn, (1, 2))
        np.testing.assert_array_equal(view, moved(turned, 1 - vertical, 1 - horizontal))
    assert [int(head.max()) + 1 for head in heads] == list(family.HEADS)


@pytest.mark.parametrize("side", [8, 9])
def test_shuffles_and_their_inverses(side: int) -> None:
    orders = e3outlier_transformations(side).families[2].orders  # type: ignore[attr-defined]
    assert len(set(orders)) == 23
    back = [tuple(np.argsort(order).tolist()) for order in orders]
    x = images(23, 1, side)
    which = torch.arange(23)
    shuffled = PatchShuffles(side, orders).each(x, which)
    assert not (shuffled == x).flatten(1).all(dim=1).any()
    assert torch.equal(PatchShuffles(side, back).each(shuffled, which), x)


def test_shuffle_by_hand() -> None:
    x = torch.arange(16.0).view(1, 1, 4, 4)
    view = PatchShuffles(4, [(3, 0, 1, 2)]).all(x)[0, 0, 0]
    assert view.tolist() == [[10, 11, 0, 1], [14, 15, 4, 5], [2, 3, 8, 9], [6, 7, 12, 13]]


def test_irregular_affine_are_scipys_rotations() -> None:
    """Of an image that is 0 near its edges, where what comes in differs."""
    x = torch.zeros(1, 1, 32, 32)
    x[0, 0, 10:20, 8:24] = images(1, 1, 16)[0, 0, :10]
    views = IrregularAffine(32).all(x)[0, :, 0].numpy()
    degrees = [30, 60, 120, 150, 210, 240, 300, 330]
    image = x[0, 0].numpy()
    expected = [
        ndimage.rotate(flipped, angle, reshape=False, order=1)
        for flipped in (image, image[:, ::-1])
        for angle in degrees
    ]
    np.testing.assert_allclose(views, expected, atol=1e-4)


def test_union_in_order() -> None:
    x = images(2, 1, 8)
    both = Union(Rotations(8), PatchShuffles(8, SHUFFLES))
    assert len(both) == 6
    assert torch.equal(both.all(x)[:, :4], Rotations(8).all(x))
    assert torch.equal(both.all(x)[:, 4:], PatchShuffles(8, SHUFFLES).all(x))


def test_views_first_made_in_inference_mode_serve_training() -> None:
    x = images(2, 1, 8).requires_grad_()
    family = Rotations(8)
    with torch.inference_mode():
        family.all(x)
    family.each(x, torch.tensor([1, 2])).sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None


def test_refused() -> None:
    with pytest.raises(ParameterError, match="8 x 9"):
        square_side((1, 8, 9))
    with pytest.raises(ValueError, match="each of"):
        PatchShuffles(8, [(0, 0, 1, 2)])
    with pytest.raises(ValueError, match="3 pixels"):
        PatchShuffles(3, [tuple(range(16))])
