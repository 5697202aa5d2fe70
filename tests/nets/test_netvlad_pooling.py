"""NetVLAD pooling against a slow reference, one descriptor at a time."""

from __future__ import annotations

import math

import numpy as np
import torch

from dross.nets.netvlad import NetVLADPooling, sample_descriptors


def slow_sums(x: np.ndarray, centres: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Return how much of the descriptors ``(places, d)`` each centre ``(k, d)`` has, and their sums."""
    amounts, sums = np.zeros(len(centres)), np.zeros_like(centres)
    for descriptor in x:
        unit = descriptor / np.linalg.norm(descriptor)
        cosines = [unit @ centre / np.linalg.norm(centre) for centre in centres]
        weights = [math.exp(alpha * cosine) for cosine in cosines]
        for k, centre in enumerate(centres):
            amounts[k] += weights[k] / sum(weights)
            sums[k] += weights[k] / sum(weights) * (unit - centre)
    return amounts, sums


def test_pools_as_the_formula_says() -> None:
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(3, 5, 2, 4))
    centres = rng.normal(size=(4, 5))
    x = torch.from_numpy(maps)
    published = NetVLADPooling(torch.from_numpy(centres), 7.0)(x).numpy()
    plain = NetVLADPooling(torch.from_numpy(centres), 7.0, published=False)(x).numpy()
    for i, image in enumerate(maps):
        amounts, sums = slow_sums(image.reshape(5, -1).T, centres, 7.0)
        np.testing.assert_allclose(plain[i], np.column_stack([amounts, sums]).ravel() / 8, rtol=1e-9)
        units = np.array([one / np.linalg.norm(one) for one in sums]).ravel()
        np.testing.assert_allclose(published[i], units / np.linalg.norm(units), rtol=1e-9)


def test_finds_the_centres_of_two_heaps_and_how_far_they_are_apart() -> None:
    heaps = np.repeat(np.array([[1, 0, 0], [0, 1, 0]], np.float32), 50, axis=0)
    pooling = NetVLADPooling.from_descriptors(heaps, 2, seed=0)
    assert sorted(pooling.centres.round().tolist()) == [[0, 1, 0], [1, 0, 0]]
    assert math.isclose(pooling.alpha, math.log(100), rel_tol=1e-5)  # best cosine 1, second 0


def test_takes_no_more_centres_than_there_are_descriptors() -> None:
    pooling = NetVLADPooling.from_descriptors(np.eye(3, dtype=np.float32), 64, seed=0)
    assert len(pooling.centres) == 3
    assert len(NetVLADPooling.from_descriptors(np.eye(1, 3, dtype=np.float32), 64, seed=0).centres) == 1


def test_samples_as_many_descriptors_of_each_image() -> None:
    maps = torch.arange(2 * 3 * 4 * 4, dtype=torch.float32).reshape(2, 3, 4, 4) + 1
    found = sample_descriptors(maps, 5, torch.Generator().manual_seed(0))
    known = maps.flatten(2).transpose(1, 2).flatten(0, 1)
    known = known / known.norm(dim=1, keepdim=True)
    assert found.shape == (10, 3)
    for number, descriptor in enumerate(found):
        distances = (known - descriptor).norm(dim=1)
        assert distances.min() < 1e-6
        assert distances.argmin() // 16 == number // 5
    assert len({tuple(row) for row in found.tolist()}) == 10
