"""Deep SVDD: center and distance by hand; no biases."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from dross.detectors.deep_svdd import DeepSVDD, DeepSVDDModule


def module() -> DeepSVDDModule:
    layer = nn.Linear(2, 2)
    layer.weight.data = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    layer.bias.data = torch.tensor([5.0, 5.0])
    return DeepSVDDModule(nn.Sequential(layer), 2)


def test_score_is_the_squared_distance_from_the_center() -> None:
    net = module()
    net.center.copy_(torch.tensor([1.0, -1.0]))
    # The bias is gone: (2, 1) has the code (2, 3), 1 and 4 away from the center.
    assert net.score(torch.tensor([[2.0, 1.0]])).tolist() == [17.0]
    assert net.loss(torch.tensor([[2.0, 1.0], [0.0, 0.0]])).item() == pytest.approx((17 + 2) / 2)


def test_center_stays_away_from_zero() -> None:
    net = module()
    net.place_center(torch.tensor([[0.02, -3.0], [0.0, -1.0]]))
    assert net.center.tolist() == pytest.approx([0.1, -2.0])
    net.place_center(torch.tensor([[-0.02, 0.0]]))
    assert net.center.tolist() == pytest.approx([-0.1, 0.1])


def test_columns_span_zero_to_one() -> None:
    X = np.array([[-1.0, 7.0], [3.0, 7.0], [0.0, 7.0]], np.float32)
    detector = DeepSVDD(max_epochs=1, random_state=0).fit(X)
    # The second column is constant: nothing to divide by.
    assert detector._standardised(torch.tensor([[-1.0, 7.0], [3.0, 7.0], [1.0, 8.0]])).tolist() == [
        [0.0, 0.0],
        [1.0, 0.0],
        [0.5, 1.0],
    ]


def test_channels_span_zero_to_one() -> None:
    images = np.zeros((2, 2, 8, 8), np.float32)
    images[0, 0, 1, 1], images[1, 1, 0, 0] = 4.0, -2.0
    detector = DeepSVDD(max_epochs=1, random_state=0).fit(images)
    spanned = detector._standardised(torch.from_numpy(images))
    assert spanned.amin((0, 2, 3)).tolist() == [0.0, 0.0]
    assert spanned.amax((0, 2, 3)).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("shape", [(30, 4), (30, 1, 16, 16), (30, 3, 16, 16)])
def test_nets_have_no_bias(shape: tuple[int, ...]) -> None:
    X = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    detector = DeepSVDD(max_epochs=1, batch_size=16, random_state=0).fit(X)
    assert not [name for name, _ in detector.module_.named_parameters() if name.endswith("bias")]
    assert (detector.module_.center.abs() >= 0.1 - 1e-6).all()
    # A row at the lower end of every range has a code of zeros, whatever the weights.
    if len(shape) == 2:
        lowest = torch.from_numpy(X.min(axis=0, keepdims=True))
        assert not detector.module_.codes(detector._standardised(lowest)).any()


def test_rate_falls_to_a_tenth_after_a_third_of_the_epochs() -> None:
    factors = [DeepSVDD()._lr_factor(epoch, 150) for epoch in (0, 49, 50, 149)]
    assert factors == [1.0, 1.0, 0.1, 0.1]
