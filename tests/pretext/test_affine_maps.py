"""Random affine maps against matrix products of numpy."""

from __future__ import annotations

import numpy as np
import torch

from dross.pretext.affine_maps import RandomAffineMaps


def test_maps() -> None:
    torch.manual_seed(0)
    maps = RandomAffineMaps(7, 5, 3)
    x = torch.randn(4, 5)
    weight, offset = maps.weight.numpy(), maps.offset.numpy()
    expected = np.array([[w @ row + b for w, b in zip(weight, offset, strict=True)] for row in x.numpy()])
    np.testing.assert_allclose(maps.all(x), expected, rtol=1e-5, atol=1e-6)


def test_are_kept_with_a_module() -> None:
    maps, others = RandomAffineMaps(2, 3, 4), RandomAffineMaps(2, 3, 4)
    x = torch.randn(2, 3)
    assert not torch.equal(maps.all(x), others.all(x))
    others.load_state_dict(maps.state_dict())
    assert torch.equal(maps.all(x), others.all(x))
    assert not list(maps.parameters())
