"""GOAD: losses and scores by hand; centers are means."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from dross.detectors.goad import GOAD, GOADModule, squared_distances, triplet_center_loss
from dross.pretext.affine_maps import RandomAffineMaps


def test_squared_distances_are_those() -> None:
    generator = torch.Generator().manual_seed(0)
    z, centers = torch.randn(4, 3, 5, generator=generator), torch.randn(3, 5, generator=generator)
    slow = torch.stack([((z - center) ** 2).sum(dim=2) for center in centers], dim=2)
    torch.testing.assert_close(squared_distances(z, centers), slow)


def test_triplet_center_loss_by_hand() -> None:
    # Two rows, two maps: centers at (0 + 2) / 2 = 1 and (10 + 12) / 2 = 11.
    z = torch.tensor([[[0.0], [10.0]], [[2.0], [12.0]]])
    assert triplet_center_loss(z, margin=1.0).item() == 0.0  # 1 + 1 - 81 at most
    # With a margin of 90: (1 + 90 - 121), (1 + 90 - 81), (1 + 90 - 81), (1 + 90 - 121), none below 0.
    assert triplet_center_loss(z, margin=90.0).item() == pytest.approx((0 + 10 + 10 + 0) / 4)


def test_score_by_hand() -> None:
    maps = RandomAffineMaps(2, 1, 1)
    maps.weight.copy_(torch.ones(2, 1, 1))
    maps.offset.copy_(torch.tensor([[0.0], [4.0]]))
    module = GOADModule(maps, nn.Identity(), 1, margin=1.0, triplet_weight=0.1)
    module.centers.copy_(torch.tensor([[0.0], [4.0]]))
    # A row at 1 has its views at 1 and 5: from the centers 1 and 9, and 25 and 1.
    expected = math.log(1 + math.exp(1 - 9)) + math.log(1 + math.exp(1 - 25))
    assert module.score(torch.tensor([[1.0]])).item() == pytest.approx(expected, rel=1e-4)


def test_loss_by_hand() -> None:
    maps = RandomAffineMaps(2, 1, 1)
    module = GOADModule(maps, nn.Linear(1, 3), 3, margin=2.0, triplet_weight=0.5)
    x = torch.tensor([[0.3], [-1.0], [2.0]])
    z = module.embed(x)
    errors = [
        -nn.functional.log_softmax(module.head(z[row, which]), dim=0)[which]
        for row in range(3)
        for which in range(2)
    ]
    expected = torch.stack(errors).mean() + 0.5 * triplet_center_loss(z, 2.0)
    assert module.loss(x).item() == pytest.approx(expected.item(), rel=1e-5)


def test_centers_are_the_means_of_all_views() -> None:
    X = np.random.default_rng(0).normal(size=(70, 3)).astype(np.float32)
    detector = GOAD(n_maps=6, map_width=4, max_epochs=2, random_state=0).fit(X)
    views = detector.module_.embed(detector._standardised(torch.from_numpy(X)))
    torch.testing.assert_close(detector.module_.centers, views.detach().mean(dim=0), rtol=1e-4, atol=1e-5)


def test_few_rows_are_scored_at_once() -> None:
    """With 256 maps a row has 65 536 distances: batches stay below 16 MiB of them."""
    detector = GOAD()
    assert detector._rows_at_once() * 256 * 256 * 4 <= 2**24
