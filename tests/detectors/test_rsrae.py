"""Robust subspace recovery in an autoencoder against values computed by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dross.detectors.rsrae import RSRAE, RSRAEModule
from dross.errors import ParameterError
from dross.nets.lfr import LFRLayer
from dross.nets.rsrae import ScaleAndShift, rsrae_nets


def module() -> RSRAEModule:
    made = RSRAEModule(nn.Identity(), nn.Linear(1, 2), LFRLayer(2, 1))
    made.layer.weight.data = torch.tensor([[2.0, 0.0]])
    made.decoder.weight.data = torch.tensor([[0.0], [1.0]])
    made.decoder.bias.data = torch.tensor([1.0, 0.0])
    return made


def test_by_hand() -> None:
    x = torch.tensor([[3.0, 4.0], [-3.0, 0.0]])  # A z = 6 and -6, at length 1: 1 and -1
    assert module().reconstruct(x).tolist() == [[1.0, 1.0], [1.0, -1.0]]
    assert module().loss(x).item() == pytest.approx((13**0.5 + 17**0.5) / 2)
    assert module().projection_loss(x).item() == pytest.approx((97**0.5 + 9) / 2)
    assert module().orthogonality_loss().item() == 9.0
    assert module().score(x).tolist() == pytest.approx([-7 / 50**0.5, 3 / 18**0.5])


def test_a_row_of_zeros_scores_0() -> None:
    assert module().score(torch.zeros(1, 2)).tolist() == [0.0]


def test_three_steps_each_down_its_own_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[tuple[float, float]] = []
    expected: list[float] = []
    descend = RSRAE._descend
    rows = np.random.default_rng(0).normal(size=(32, 4))
    detector = RSRAE(max_epochs=1, random_state=0).fit(rows)
    net: Any = detector.module_
    x = torch.randn(16, 4, generator=torch.Generator().manual_seed(0))

    def watched(self: RSRAE, optimizer: Any, loss: Any) -> Tensor:
        losses = (net.loss(x), net.orthogonality_loss(), net.projection_loss(x))
        expected.append(float(losses[len(taken)].detach()))
        value = descend(self, optimizer, loss)
        taken.append((optimizer.param_groups[0]["lr"], float(value)))
        return value

    monkeypatch.setattr(RSRAE, "_descend", watched)
    net.train()
    optimizers = detector._configure_optimizers()
    detector._training_step(x, torch.arange(len(x)), optimizers)
    assert [rate for rate, _ in taken] == [2.5e-4, 2.5e-3, 2.5e-3]
    assert [loss for _, loss in taken] == pytest.approx(expected)


def test_the_third_step_moves_encoder_and_axes_only() -> None:
    detector = RSRAE(max_epochs=1, random_state=0).fit(np.random.default_rng(0).normal(size=(32, 4)))
    net: Any = detector.module_
    optimizer = detector._configure_optimizers()[2]
    before = {name: value.clone() for name, value in net.state_dict().items()}
    x = torch.randn(16, 4, generator=torch.Generator().manual_seed(0))
    detector._descend(optimizer, lambda: net.projection_loss(x))
    moved = {
        name.split(".")[0] for name, value in net.state_dict().items() if not torch.equal(value, before[name])
    }
    assert moved == {"encoder", "layer"}


def test_the_second_step_moves_the_axes_only() -> None:
    detector = RSRAE(max_epochs=1, random_state=0).fit(np.random.default_rng(0).normal(size=(32, 4)))
    optimizer = detector._configure_optimizers()[1]
    detector.module_.layer.weight.data.mul_(2)
    before = {name: value.clone() for name, value in detector.module_.state_dict().items()}
    detector._descend(optimizer, detector.module_.orthogonality_loss)
    moved = [n for n, v in detector.module_.state_dict().items() if not torch.equal(v, before[n])]
    assert moved == ["layer.weight"]


@pytest.mark.parametrize(
    ("low", "high", "standardize", "activation"),
    [
        (0, 2, False, "relu"),
        (-0.5, 1, False, "tanh"),
        (-0.5, 2, False, "tanh"),
        (0, 1, True, "leaky_relu"),
    ],
)
def test_activation_by_the_range(low: float, high: float, standardize: bool, activation: str) -> None:
    rows = np.random.default_rng(0).uniform(low, high, size=(30, 4))
    rows[0, :2] = low, high
    detector = RSRAE(max_epochs=1, standardize=standardize, random_state=0).fit(rows)
    assert detector.activation_ == activation
    restored = RSRAE(standardize=standardize).set_state(*detector.get_state())
    np.testing.assert_array_equal(restored.anomaly_score(rows), detector.anomaly_scores_)


def directions(n: int = 60) -> NDArray[np.float64]:
    """Return rows of length 1 between the first three of six axes, but for row 7, along the last."""
    rows = np.random.default_rng(0).uniform(0, 1, size=(n, 6)) ** 4
    rows[:, 3:] *= 0.1
    rows[7] = [0, 0, 0, 0, 0.1, 1]
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("length", [1, 6**0.5])
def test_directions_are_not_standardised(length: float) -> None:
    """A row of zeros, a text without words, does not count, nor do a few rows of other lengths."""
    rows = length * directions()
    rows[3] = 0
    rows[5] *= 1.5
    detector = RSRAE(max_epochs=30, batch_size=8, lr=1e-3, random_state=0).fit(rows)
    assert not detector.standardizes_
    assert np.argsort(detector.anomaly_scores_)[-1] in (3, 7)
    restored = RSRAE().set_state(*detector.get_state())
    np.testing.assert_array_equal(restored.anomaly_score(rows), detector.anomaly_scores_)


def test_what_is_no_direction_is_standardised() -> None:
    rows, rng = directions(), np.random.default_rng(1)
    dominated = np.column_stack([rng.normal(1000, 0.1, 60), rows])
    for other in (
        2 * rows,  # of one length, but another
        rows * rng.uniform(0.5, 1, (60, 1)),
        dominated,
        dominated / np.linalg.norm(dominated, axis=1, keepdims=True),  # all in one direction
    ):
        assert RSRAE(max_epochs=1, random_state=0).fit(other).standardizes_


@pytest.mark.parametrize("rows", [np.zeros((8, 3)), np.full((8, 3), 1e200)])
def test_lengths_that_say_nothing(rows: NDArray[np.float64]) -> None:
    rows[0, 0] *= 2
    assert np.isfinite(RSRAE(max_epochs=1, random_state=0).fit(rows).anomaly_scores_).all()


def test_images_and_those_who_ask_are_standardised() -> None:
    rows = directions()
    assert RSRAE(max_epochs=1, standardize=True, random_state=0).fit(rows).standardizes_
    images = np.random.default_rng(0).choice([0.0, 1.0], size=(8, 1, 8, 8))
    images /= np.sqrt((images**2).sum(axis=(1, 2, 3), keepdims=True))
    assert RSRAE(max_epochs=1, random_state=0).fit(images).standardizes_


def test_the_net_sees_images_and_directions_at_length_1() -> None:
    images = np.random.default_rng(0).random((20, 3, 8, 8))
    for X, standardize in ((images, "auto"), (images, False), (9 * directions(), False)):
        detector = RSRAE(max_epochs=1, standardize=standardize, random_state=0).fit(X)
        seen = detector._map_batches(X, lambda x: x.flatten(1))
        np.testing.assert_allclose(np.linalg.norm(seen, axis=1), 1, rtol=1e-6)
        if standardize is False:
            for factor in (1e-9, 1e9):
                found = detector.anomaly_score(factor * X)
                np.testing.assert_allclose(found, detector.anomaly_scores_, atol=1e-5)


def test_what_is_rebuilt_has_the_length_of_its_row() -> None:
    X = directions()
    detector = RSRAE(max_epochs=3, batch_size=16, standardize=False, random_state=0).fit(X)
    lengths = np.random.default_rng(0).uniform(1e-3, 1e3, (len(X), 1))
    np.testing.assert_allclose(
        detector.reconstruct(lengths * X), lengths * detector.reconstruct(X), rtol=1e-4
    )
    images = 1e30 * np.random.default_rng(0).random((9, 1, 8, 8), np.float32)
    for standardize in (True, False):
        wide = RSRAE(max_epochs=1, standardize=standardize, random_state=0).fit(images)
        assert np.isfinite(wide.reconstruct(images)).all()


def test_more_components_than_the_code() -> None:
    with pytest.raises(ParameterError, match="129"):
        RSRAE(n_components=129).fit(np.zeros((4, 3)))


def test_scale_and_shift_is_batch_norm_without_statistics() -> None:
    x = torch.randn(5, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    layer, norm = ScaleAndShift(3), nn.BatchNorm2d(3, eps=0.0).eval()
    for parameters in (layer, norm):
        parameters.weight.data = torch.tensor([1.0, 2.0, 3.0])
        parameters.bias.data = torch.tensor([0.0, -1.0, 1.0])
    torch.testing.assert_close(layer(x), norm(x))


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (2, 9, 17), (1, 1, 1), (7,)])
@pytest.mark.parametrize("norm", ["none", "affine", "batch"])
def test_nets_give_back_the_shape(shape: tuple[int, ...], norm: Any) -> None:
    for latent_dim, n_decoded in ((None, 3), (6, None)):
        encoder, decoder, width = rsrae_nets(shape, latent_dim, n_decoded, norm=norm)
        codes = encoder(torch.zeros(2, *shape))
        assert codes.shape == (2, width)
        assert decoder(codes if n_decoded is None else torch.zeros(2, n_decoded)).shape == (2, *shape)
