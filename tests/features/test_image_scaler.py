"""Scaling images to [0, 1], and saying where an image is odd."""

from __future__ import annotations

import json
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dross.base import BaseDetector
from dross.detectors.pca import PCA
from dross.errors import InputError, ModelFileError
from dross.features import image_scaler
from dross.features.image_scaler import ImageScaler, ScaledRows
from dross.sources.base import ReadOptions, RowSource
from dross.sources.images import ImageSource, image_array


def source_of(array: NDArray[Any]) -> ImageSource:
    return image_array(array, "demo", ReadOptions())


def noise(n: int = 20, *, side: int = 16, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=(n, 1, side, side))


class Heat:
    """A detector that gives prepared heat maps, and notes how many rows it was asked for at once."""

    def __init__(self, maps: NDArray[Any]) -> None:
        self.maps = maps
        self.asked: list[int] = []

    def explain(self, X: NDArray[Any], groups: None = None) -> NDArray[Any]:
        done = sum(self.asked)
        self.asked.append(len(X))
        return self.maps[done : done + len(X)]


def reason_for(heat: NDArray[Any]) -> str:
    source = source_of(noise(6, side=heat.shape[0]))
    scaler = ImageScaler().fit(source)
    detector = cast("BaseDetector", Heat(heat[None]))
    return scaler.explain(detector, source, scaler.transform(source), np.array([2])).reasons[0]


def spot(top: int, left: int, height: int, width: int, side: int = 48) -> NDArray[np.float64]:
    heat = np.random.default_rng(0).uniform(0, 0.02, (side, side))
    heat[top : top + height, left : left + width] = 1
    return heat


def test_bytes_are_divided_by_255() -> None:
    array = np.random.default_rng(0).integers(0, 256, (9, 20, 20, 3), dtype=np.uint8)
    source = source_of(array)
    X = ImageScaler().fit(source).transform(source)
    assert X.shape == (9, 3, 20, 20)
    assert X.dtype == np.float32
    assert isinstance(X, RowSource)
    np.testing.assert_allclose(X[:], array.transpose(0, 3, 1, 2) / 255, atol=1e-7)
    np.testing.assert_array_equal(X[np.array([7, 2])], X[:][[7, 2]])


def test_bytes_of_a_small_range_are_spread() -> None:
    array = np.random.default_rng(0).integers(
        0, 17, (9, 16, 16), dtype=np.uint8
    )  # as in scikit-learn's digits
    source = source_of(array)
    np.testing.assert_allclose(ImageScaler().fit(source).transform(source)[:], array[:, None] / 16, atol=1e-6)


def test_other_values_are_scaled_by_their_usual_range() -> None:
    array = np.random.default_rng(0).uniform(-3, 5, (100, 16, 16))
    array[:, 0, 0], array[:, 0, 1] = -3, 5
    array[7, 4, 4], array[8, 4, 4] = 1e30, -1e300
    source = source_of(array)
    scaler = ImageScaler().fit(source)
    assert (scaler.low, scaler.high) == (-3, 5)
    X = scaler.transform(source)[:]
    np.testing.assert_allclose(X[:7, 0], (array[:7] + 3) / 8, atol=1e-6)
    assert (X[7, 0, 4, 4], X[8, 0, 4, 4]) == (1, 0)


@pytest.mark.filterwarnings("error")
@example(dtype="f8", values=[6e307, 6e307], background=0.0)
@settings(max_examples=60, deadline=None)
@given(
    dtype=st.sampled_from(["f8", "f4", "f2", ">f8", "i8", "u8", "u2", "i1", "?"]),
    values=st.lists(st.floats(width=64), min_size=1, max_size=30),
    background=st.sampled_from([0.0, 1.0, 100.0]),
)
def test_any_values_end_in_the_unit_interval(dtype: str, values: list[float], background: float) -> None:
    array = np.full((6, 16, 16), background, dtype)
    with np.errstate(all="ignore"):
        array.reshape(-1)[:: 1536 // len(values)][: len(values)] = np.array(values).astype(dtype)
    source = source_of(array)
    try:
        scaler = ImageScaler().fit(source)
    except InputError:  # all equal
        return
    X = scaler.transform(source)[:]
    assert X.dtype == np.float32
    assert np.isfinite(X).all()
    assert X.min() >= 0
    assert X.max() <= 1


def test_missing_values_take_the_median() -> None:
    array = np.tile(np.arange(256.0).reshape(16, 16), (6, 1, 1))
    array[1:] += np.arange(1, 6)[:, None, None] / 10
    array[3, 2, 2], array[3, 2, 3] = np.nan, -np.inf
    source = source_of(array)
    scaler = ImageScaler().fit(source)
    X = scaler.transform(source)[:]
    np.testing.assert_allclose(
        X[3, 0, 2, 2:4], (scaler.fill - scaler.low) / (scaler.high - scaler.low), rtol=1e-6
    )
    assert scaler.fill == pytest.approx(127.75, abs=0.5)


def test_rows_are_scaled_a_batch_at_a_time() -> None:
    class Rows:
        shape, dtype = (10**9, 1, 16, 16), np.dtype(np.uint8)

        def __len__(self) -> int:
            return self.shape[0]

        def __getitem__(self, indices: Any) -> NDArray[np.uint8]:
            assert len(indices) == 2
            return np.full((2, 1, 16, 16), 51, np.uint8)

    X = ScaledRows(Rows(), 0, 255, 0)
    assert len(X) == 10**9
    np.testing.assert_allclose(X[np.array([5, 10**9 - 1])], 0.2, rtol=1e-6)


def test_too_few_or_equal_images() -> None:
    with pytest.raises(InputError, match="demo has 4 images; at least 5"):
        ImageScaler().fit(source_of(noise(4)))
    same = np.tile(noise(1), (700, 1, 1, 1))
    same[:, 0, 0, 0] = np.nan
    with pytest.raises(InputError, match="700 images, and all of them are equal"):
        ImageScaler().fit(source_of(same))
    same[650, 0, 5, 5] += 1e-9
    ImageScaler().fit(source_of(same))


def test_another_shape_is_refused() -> None:
    scaler = ImageScaler().fit(source_of(noise()))
    with pytest.raises(ModelFileError, match=r"are \(3, 16, 18\) .*; the model takes \(1, 16, 16\)"):
        scaler.transform(source_of(np.zeros((2, 3, 16, 18))))


def test_size_and_channels_for_new_images() -> None:
    assert ImageScaler().fit(source_of(noise())).image_form.size == 16
    wide = ImageScaler().fit(source_of(np.random.default_rng(0).normal(size=(5, 3, 20, 30))))
    assert (wide.image_form.size, wide.image_form.channels) == (None, 3)


def test_a_saved_scaler_is_equal_to_the_bit() -> None:
    source = source_of(noise())
    scaler = ImageScaler().fit(source)
    values, arrays = scaler.get_state()
    loaded = ImageScaler.from_state(json.loads(json.dumps(values)), arrays)
    np.testing.assert_array_equal(loaded.transform(source)[:], scaler.transform(source)[:])
    assert loaded.description == scaler.description
    assert loaded.image_form == scaler.image_form


def test_a_second_fit_forgets_the_first() -> None:
    scaler = ImageScaler().fit(source_of(noise()))
    array = np.random.default_rng(0).integers(0, 256, (9, 20, 20), dtype=np.uint8)
    scaler.fit(source_of(array))
    assert (scaler.low, scaler.high, scaler.shape) == (0, 255, (1, 20, 20))
    assert len(scaler.notes) == 1


@pytest.mark.parametrize(
    ("heat", "expected"),
    [
        (spot(2, 3, 5, 6), "strongest at the upper left, 6 x 5 px around x 6, y 4 of 48 x 48"),
        (spot(40, 38, 6, 8), "strongest at the lower right, 8 x 6 px around x 42, y 43 of 48 x 48"),
        (spot(20, 20, 8, 8), "strongest at the centre, 8 x 8 px around x 24, y 24 of 48 x 48"),
        (spot(21, 0, 6, 4), "strongest at the middle left, 4 x 6 px around x 2, y 24 of 48 x 48"),
        (spot(0, 0, 40, 40), "spread over the whole image, strongest at"),
        (np.ones((48, 48)), "spread over the whole image"),
        (np.zeros((48, 48)), "no single place stands out"),
        (np.full((48, 48), -1.0), "no single place stands out"),
        (np.full((48, 48), np.inf), "no single place stands out"),
    ],
)
def test_reasons_say_where(heat: NDArray[Any], expected: str) -> None:
    assert reason_for(heat).startswith(expected)


def test_heat_maps_are_given_as_they_are_and_in_batches() -> None:
    maps = np.random.default_rng(0).normal(size=(600, 16, 16)) * np.arange(600)[:, None, None]
    source = source_of(noise(700))
    scaler = ImageScaler().fit(source)
    detector = Heat(maps)
    explained = scaler.explain(
        cast("BaseDetector", detector), source, scaler.transform(source), np.arange(600)[::-1].copy()
    )
    assert explained.heatmaps is not None
    np.testing.assert_array_equal(explained.heatmaps, maps.astype(np.float32))
    assert max(detector.asked) <= 256
    assert len(explained.reasons) == 600


def test_maps_are_kept_of_the_first_rows_only_where_images_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_scaler, "_MAP_VALUES", 300 * 16 * 16)
    maps = np.random.default_rng(0).normal(size=(600, 16, 16))
    source = source_of(noise(600))
    scaler = ImageScaler().fit(source)
    X = scaler.transform(source)
    explained = scaler.explain(cast("BaseDetector", Heat(maps)), source, X, np.arange(600))
    assert explained.heatmaps is not None
    np.testing.assert_array_equal(explained.heatmaps, maps[:300].astype(np.float32))
    assert len(explained.reasons) == 600


def test_missing_and_clipped_values_are_named() -> None:
    array = noise(40)
    array[3, 0, 2, 2:5] = np.nan
    array[4, 0, 0, 0] = 1e9
    source = source_of(array)
    scaler = ImageScaler().fit(source)
    detector = cast("BaseDetector", Heat(np.ones((3, 16, 16))))
    reasons = scaler.explain(detector, source, scaler.transform(source), np.array([2, 3, 4])).reasons
    assert ";" not in reasons[0]
    assert reasons[1].endswith("; 3 values are missing or infinite")
    assert reasons[2].endswith("; 1 values lie outside the range")


def test_a_planted_patch_is_found_and_named() -> None:
    rng = np.random.default_rng(0)
    basis = rng.normal(size=(4, 32, 32))
    array = np.tensordot(rng.normal(size=(200, 4)), basis, 1) + rng.normal(size=(200, 32, 32)) * 0.1
    array[17, 4:10, 22:28] += 6
    source = source_of(array)
    scaler = ImageScaler().fit(source)
    X = scaler.transform(source)
    detector = PCA(n_components=4, random_state=0).fit(X)
    assert detector.anomaly_scores_.argmax() == 17
    explained = scaler.explain(detector, source, X, np.array([17]))
    assert explained.heatmaps is not None
    y, x = np.unravel_index(explained.heatmaps[0].argmax(), (32, 32))
    assert 4 <= y < 10
    assert 22 <= x < 28
    assert explained.reasons[0].startswith("strongest at the upper right")
