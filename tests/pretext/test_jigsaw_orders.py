"""Orders of patches: as far apart as can be, and always the same."""

from __future__ import annotations

from itertools import combinations, permutations

import pytest

from dross.pretext.jigsaw import patch_orders


def test_four_patches_have_24_orders() -> None:
    orders = patch_orders(2, 100)
    assert len(orders) == 24
    assert set(orders) == set(permutations(range(4)))


@pytest.mark.parametrize(("n", "shared"), [(2, 0), (9, 1), (24, 2)])
def test_nine_patches_share_few_places(n: int, shared: int) -> None:
    orders = patch_orders(3, n)
    assert orders[0] == tuple(range(9))
    assert len(set(orders)) == n
    for a, b in combinations(orders, 2):
        assert sum(x == y for x, y in zip(a, b, strict=True)) <= shared
    assert orders == patch_orders(3, n)
