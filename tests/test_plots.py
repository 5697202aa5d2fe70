"""Plots of a latent space hold what was computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from dross.detectors.autoencoder import AutoEncoder
from dross.detectors.deep_svdd import DeepSVDD
from dross.detectors.drae import DRAE
from dross.detectors.vae import VAE
from dross.errors import ParameterError
from dross.plots import (
    CodeView,
    draw_codes,
    draw_coefficients,
    draw_distances,
    draw_history,
    draw_matches,
    draw_norms,
    neighbour_map,
)

X = np.random.default_rng(0).normal(size=(60, 5))
GROUPS = np.where(np.arange(60) < 20, "odd", "even")


@pytest.fixture(scope="module")
def view() -> CodeView:
    detector = AutoEncoder(latent_dim=2, max_epochs=1, random_state=0).fit(X)
    return CodeView.of(detector, X, GROUPS)


def axis() -> Any:
    return Figure().subplots()


def test_codes_of_any_detector_with_a_latent_space(view: CodeView) -> None:
    assert view.codes.shape == (60, 2)
    assert view.group_names == ("even", "odd")
    assert (view.group == (np.arange(60) < 20)).all()
    np.testing.assert_allclose(view.norms, np.sqrt((view.codes**2).sum(axis=1)))
    assert CodeView.of(VAE(latent_dim=3, max_epochs=1, random_state=0).fit(X), X).codes.shape == (60, 3)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_reconstructions_are_in_the_unit_of_the_rows(dtype: str) -> None:
    rows = (100 + 5 * X[:, :1] * [1.0, 2.0, 3.0, -1.0, 0.5]).astype(dtype)
    detector = AutoEncoder(latent_dim=2, max_epochs=150, batch_size=16, lr=0.01, stop_at=None, random_state=0)
    detector.fit(rows)
    assert np.abs(detector.reconstruct(rows) - rows).mean() < 2.0


def test_what_has_no_way_back_says_so() -> None:
    detector = DeepSVDD(max_epochs=1, random_state=0).fit(X)
    with pytest.raises(ParameterError, match=r"DeepSVDD (rebuilds nothing|has no latent space)"):
        detector.reconstruct(X)


def test_any_detectors_history() -> None:
    detector = DRAE(max_epochs=3, random_state=0).fit(X)
    drawn = axis()
    draw_history(drawn, detector.history_, ["loss", "inliers", "nothing"])
    assert [line.get_label() for line in drawn.lines] == ["loss", "inliers"]
    np.testing.assert_array_equal(drawn.lines[0].get_xdata(), [1, 2, 3])
    np.testing.assert_array_equal(drawn.lines[0].get_ydata(), [entry["loss"] for entry in detector.history_])


def test_groups_must_fit(view: CodeView) -> None:
    detector = AutoEncoder(latent_dim=2, max_epochs=1, random_state=0).fit(X)
    with pytest.raises(ParameterError, match=r"60 rows, and groups of shape \(3,\)"):
        CodeView.of(detector, X, GROUPS[:3])


def test_map_takes_few_codes_and_is_the_same_each_time() -> None:
    first = neighbour_map(X[:6])
    np.testing.assert_array_equal(first, neighbour_map(X[:6]))
    with pytest.raises(ParameterError, match="at least 3 codes, got 2"):
        neighbour_map(X[:2])


def test_map_takes_codes_of_one_number() -> None:
    positions = neighbour_map(np.r_[X[:10, :1], 100 + X[:10, :1]])
    assert positions.shape == (20, 2)
    assert np.ptp(positions[:10], axis=0).max() < np.ptp(positions, axis=0).max()


def test_codes_are_drawn_by_group(view: CodeView) -> None:
    one = axis()
    draw_codes(one, view)
    assert [len(points.get_offsets()) for points in one.collections] == [40, 20]


def test_histograms_are_shares(view: CodeView) -> None:
    for draw in (draw_coefficients, draw_norms):
        one = axis()
        draw(one, view, bins=7)
        for patch in one.patches:
            assert patch.get_data().values.sum() == pytest.approx(1.0)
            assert len(patch.get_data().values) == 7


def test_distances_and_matches() -> None:
    one = axis()
    draw_distances(one, np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    assert one.collections[0].get_offsets().tolist() == [[3.0, 1.0], [4.0, 2.0]]
    queries = np.random.default_rng(0).uniform(2, 4, (3, 3, 8, 8))
    figure = Figure()
    draw_matches(figure, queries, [("a", queries), ("b", queries[:, ::-1])])
    assert len(figure.axes) == 9
    shown = figure.axes[0].images[0].get_array()
    np.testing.assert_allclose(shown, (np.moveaxis(queries[0], 0, -1) - queries.min()) / np.ptp(queries))
