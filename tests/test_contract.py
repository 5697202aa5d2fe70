"""Every registered detector keeps the contract: scikit-learn's on tables, our own list on images."""

from __future__ import annotations

import pickle
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from dross import base, registry
from dross.base import BaseDetector
from dross.deep import DeepDetector
from dross.errors import InputError, ParameterError
from quick import GENERATIVE_NAMES, LEAVE_ONE_OUT, VIEW_NAMES, quick

_LEAVE_ONE_OUT = (
    "training rows leave themselves out, so that the share flagged among them is not the share that predict "
    "flags when the same rows come back as new ones"
)
_FLOAT32 = (
    "scores are float32 sums, whose last digits depend on the batch, the place in it and the processor; "
    "test_batch_invariance and test_order_invariance hold them to 1e-5"
)

EXPECTED_FAILURES: dict[str, dict[str, str]] = {
    "knn": {"check_outliers_train": _LEAVE_ONE_OUT, "check_outliers_fit_predict": _LEAVE_ONE_OUT},
    "lof": {"check_outliers_train": _LEAVE_ONE_OUT, "check_outliers_fit_predict": _LEAVE_ONE_OUT},
    "kde": {"check_outliers_train": _LEAVE_ONE_OUT, "check_outliers_fit_predict": _LEAVE_ONE_OUT},
    "ocsvm": {"check_outliers_train": _LEAVE_ONE_OUT, "check_outliers_fit_predict": _LEAVE_ONE_OUT},
} | {
    name: {"check_methods_subset_invariance": _FLOAT32, "check_methods_sample_order_invariance": _FLOAT32}
    for name in registry.DETECTORS
    if issubclass(registry.get(name), DeepDetector)
}
"""Detector -> scikit-learn's check -> why it cannot pass."""

_HALF_SPACE = "its response rises along directions of the code: a row odd on the far side responds more"
_RELATIVE = "rows near the mean have large relative errors too, so that the odd row lies within the mixture"
_SURE = "it asks how sure the classifier is, not whether it is right: of the hole's edges it is"
_FAR = "of what lies far out on one cluster's side the classifier is surest"

_PASSES = {"e3outlier": 111, "geom": 72, "gt_lfr": 72, "jigsaw": 24, "rotnet": 72, "ssl": 36}
"""How often those that learn from views see an image: about once for each of its views, RotNet more often."""

_UNTRAINED = "the length of a code says nothing of an image before the generator has learnt to draw"

BLIND: dict[tuple[str, str], str] = {
    ("dagmm", "table"): _RELATIVE,
    ("joint_encoder", "image"): _UNTRAINED,
    ("ocnn", "heat map"): _HALF_SPACE,
    ("ocnn", "image"): _HALF_SPACE,
    ("rotnet", "image"): _SURE,
    ("sub_clusters", "heat map"): _FAR,
    ("sub_clusters", "image"): _FAR,
    ("sub_clusters", "table"): _FAR,
}
"""Detector and kind of rows, or "heat map" -> why the method, as published, is blind to what is planted."""


def expect_blindness(request: pytest.FixtureRequest, name: str, family: str) -> None:
    """Expect the test to fail for a detector of `BLIND`; once it passes, its entry has to go.

    What RotNet finds sure hangs on the seed: of four it saw the hole with two.
    """
    if (name, family) in BLIND:
        reason, strict = BLIND[name, family], name != "rotnet"
        request.applymarker(pytest.mark.xfail(reason=reason, raises=AssertionError, strict=strict))


NAMES = list(registry.DETECTORS)
TABLE_NAMES = [name for name in NAMES if "table" in registry.get(name).input_kinds]
IMAGE_NAMES = [name for name in NAMES if "image" in registry.get(name).input_kinds]


def make(name: str, **parameters: Any) -> BaseDetector:
    """Return a detector that is quick to train."""
    cls = registry.get(name)
    own = quick(name)
    if "max_epochs" in own and name not in VIEW_NAMES:
        own |= {"max_epochs": 3, "batch_size": 16}
    if "precision" in {field.name for field in fields(cls)}:
        own |= {"precision": "32"}
    if name in ("deep_svdd", "rsrae"):  # a published rate needs its published number of epochs
        own |= {"lr": 1e-3}
    return cls(**{"random_state": 0} | own | parameters)


def _name(estimator: BaseDetector) -> str:
    return next(
        n for n, place in registry.DETECTORS.items() if place.endswith(f":{type(estimator).__name__}")
    )


def table(n: int = 200, d: int = 5, seed: int = 0) -> NDArray[np.float64]:
    """Rows near a plane, the first one far off it."""
    rng = np.random.default_rng(seed)
    basis = np.random.default_rng(0).normal(size=(2, d))
    X = rng.normal(size=(n, 2)) @ basis + 0.1 * rng.normal(size=(n, d))
    X[0] = 3 * np.linalg.svd(basis)[2][-1]
    return X


def images(n: int = 40, c: int = 1, side: int = 16, seed: int = 0) -> NDArray[np.float32]:
    """Shades of one ramp, the first one with a hole in it."""
    rng = np.random.default_rng(seed)
    ramp = np.outer(np.linspace(0, 1, side), np.ones(side))
    X = rng.uniform(0.5, 1, size=(n, c, 1, 1)) * ramp + 0.02 * rng.normal(size=(n, c, side, side))
    X[0, :, ::2, 4:12] = 0
    return X.astype(np.float32)


class Lazy:
    """Rows that are read in batches."""

    def __init__(self, rows: NDArray[Any]) -> None:
        self.rows, self.shape, self.dtype = rows, rows.shape, rows.dtype

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, indices: Any, /) -> NDArray[Any]:
        return np.asarray(self.rows[indices])


DATA = {"table": table, "image": images}
CASES = [(name, "table") for name in TABLE_NAMES] + [(name, "image") for name in IMAGE_NAMES]


@parametrize_with_checks(
    [make(name, contamination=0.1) for name in TABLE_NAMES],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES.get(_name(estimator), {}),
)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_contract(estimator: Any, check: Any) -> None:
    check(estimator)


def test_expected_failures_name_registered_detectors() -> None:
    assert set(EXPECTED_FAILURES) <= set(NAMES)


@pytest.mark.parametrize(("name", "family"), CASES)
class TestEveryDetector:
    def test_scores_point_upwards(self, request: pytest.FixtureRequest, name: str, family: str) -> None:
        expect_blindness(request, name, family)
        own: dict[str, Any] = {"max_epochs": 20} if hasattr(registry.get(name), "max_epochs") else {}
        if name in VIEW_NAMES:
            own = {"depth": 10, "width": 1, "max_epochs": _PASSES[name], "batch_size": 32}
        if (name, family) == ("pca", "image"):
            own = {"n_components": 1}  # a second component would take the hole itself
        detector = make(name, **own)
        scores = detector.fit(DATA[family]()).anomaly_scores_
        assert scores.dtype == np.float64
        assert scores[0] > np.quantile(scores, 0.9)

    def test_fit_returns_self_and_leaves_parameters_alone(self, name: str, family: str) -> None:
        detector = make(name)
        before = detector.get_params()
        assert detector.fit(DATA[family]()) is detector
        assert detector.get_params() == before

    def test_training_scores_are_scores_of_the_training_rows(self, name: str, family: str) -> None:
        X = DATA[family]()
        detector = make(name).fit(X)
        if name in LEAVE_ONE_OUT:
            assert not np.allclose(detector.anomaly_scores_, detector.anomaly_score(X))
        else:
            np.testing.assert_array_equal(detector.anomaly_scores_, detector.anomaly_score(X))

    def test_directions(self, name: str, family: str) -> None:
        X = DATA[family]()
        detector = make(name, contamination=0.1).fit(X)
        scores = detector.anomaly_score(X)
        np.testing.assert_array_equal(detector.score_samples(X), -scores)
        np.testing.assert_allclose(detector.decision_function(X), -scores - detector.offset_)
        np.testing.assert_array_equal(detector.predict(X) == -1, scores > -detector.offset_)

    def test_given_share_is_flagged(self, name: str, family: str) -> None:
        X = DATA[family]()
        detector = make(name, contamination=0.1).fit(X)
        assert (detector.anomaly_scores_ > -detector.offset_).sum() == round(0.1 * len(X))
        assert detector.contamination_interval_ == (0.1, 0.1)

    def test_estimated_share_lies_in_its_interval(self, name: str, family: str) -> None:
        detector = make(name).fit(DATA[family]())
        low, high = detector.contamination_interval_
        assert 0 <= low <= detector.contamination_ <= high <= 1

    def test_share_changes_no_score(self, name: str, family: str) -> None:
        X = DATA[family]()
        few, many = make(name, contamination=0.01).fit(X), make(name, contamination=0.4).fit(X)
        np.testing.assert_array_equal(few.anomaly_scores_, many.anomaly_scores_)

    def test_numbers_may_be_wider_or_narrower_than_those_of_the_fit(self, name: str, family: str) -> None:
        X = (DATA[family]() + 100).astype(np.float32)
        for dtype in (np.float32, np.float64):
            detector = make(name).fit(X.astype(dtype))
            narrow, wide = detector.anomaly_score(X), detector.anomaly_score(X.astype(np.float64))
            np.testing.assert_allclose(narrow, wide, rtol=0.02, atol=0.02 * float(np.ptp(wide)))

    def test_labels_change_no_score(self, name: str, family: str) -> None:
        if name == "sub_clusters":
            pytest.skip("its y are kinds of normal rows, to be learnt")
        X = DATA[family]()
        labels = (np.arange(len(X)) == 0).astype(int)
        np.testing.assert_array_equal(
            make(name).fit(X).anomaly_scores_, make(name).fit(X, labels).anomaly_scores_
        )

    def test_equal_seeds_equal_scores(self, name: str, family: str) -> None:
        X = DATA[family]()
        np.testing.assert_array_equal(make(name).fit(X).anomaly_scores_, make(name).fit(X).anomaly_scores_)

    def test_refit_forgets(self, name: str, family: str) -> None:
        X, other = DATA[family](), DATA[family](seed=1)
        np.testing.assert_array_equal(
            make(name).fit(other).fit(X).anomaly_scores_, make(name).fit(X).anomaly_scores_
        )

    def test_callers_generators_are_left_alone(self, name: str, family: str) -> None:
        import torch

        np.random.seed(3)  # noqa: NPY002
        torch.manual_seed(3)
        before = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
        make(name, random_state=None if name == "pca" else 1).fit(DATA[family]())
        assert torch.equal(torch.get_rng_state(), before[1])
        if name != "pca":
            np.testing.assert_array_equal(np.random.get_state()[1], before[0])  # noqa: NPY002

    def test_batch_invariance(self, name: str, family: str) -> None:
        X = DATA[family]()
        detector = make(name).fit(X)
        together = detector.anomaly_score(X)[:25]
        alone = np.concatenate([detector.anomaly_score(X[i : i + 1]) for i in range(25)])
        np.testing.assert_allclose(alone, together, rtol=1e-5, atol=1e-7)

    def test_order_invariance(self, name: str, family: str) -> None:
        X = DATA[family]()
        detector = make(name).fit(X)
        np.testing.assert_allclose(
            detector.anomaly_score(X[::-1]), detector.anomaly_score(X)[::-1], rtol=1e-5, atol=1e-7
        )

    def test_state_restores_equal_bits(self, name: str, family: str) -> None:
        X, new = DATA[family](), DATA[family](seed=2)
        detector = make(name).fit(X)
        restored = make(name).set_state(*detector.get_state())
        np.testing.assert_array_equal(restored.anomaly_score(new), detector.anomaly_score(new))
        np.testing.assert_array_equal(restored.predict(new), detector.predict(new))
        np.testing.assert_array_equal(restored.explain(new[:2]), detector.explain(new[:2]))

    def test_pickle_and_clone(self, name: str, family: str) -> None:
        X = DATA[family]()
        detector = make(name).fit(X)
        again = pickle.loads(pickle.dumps(detector))
        np.testing.assert_array_equal(again.anomaly_score(X), detector.anomaly_score(X))
        assert clone(detector).get_params() == detector.get_params()

    def test_two_rows_and_fewer_rows_than_a_batch(self, name: str, family: str) -> None:
        X = DATA[family]()
        for n in (2, 3, 17):  # 17: one row beyond a batch of 16
            detector = make(name).fit(X[:n])
            assert np.isfinite(detector.anomaly_score(X)).all()

    def test_one_row_is_scored(self, name: str, family: str) -> None:
        X = DATA[family]()
        assert make(name).fit(X).anomaly_score(X[:1]).shape == (1,)

    def test_duplicates_zeros_and_constants(self, name: str, family: str) -> None:
        X = DATA[family]()
        for same in (np.zeros_like(X), np.repeat(X[1:2], len(X), axis=0)):
            detector = make(name).fit(same)
            assert np.isfinite(detector.anomaly_scores_).all()
            assert not (detector.anomaly_scores_ > -detector.offset_).any()

    def test_huge_and_tiny_values(self, name: str, family: str) -> None:
        X = DATA[family]().astype(np.float64)
        for factor in (1e-30, 1e12):
            detector = make(name).fit(X * factor)
            assert np.isfinite(detector.anomaly_scores_).all()
        assert np.isfinite(make(name).fit(X).anomaly_score(X * 1e12)).all()
        if issubclass(registry.get(name), DeepDetector):
            detector = make(name, standardize=False).fit(X)
            assert np.isfinite(detector.anomaly_score(X * 1e300)).all()

    def test_rows_read_in_batches(self, name: str, family: str, tmp_path: Any) -> None:
        X = DATA[family]().astype(np.float32)
        lazy, array = make(name).fit(Lazy(X)), make(name).fit(X)
        np.testing.assert_allclose(lazy.anomaly_scores_, array.anomaly_scores_, rtol=1e-4, atol=1e-6)
        np.save(tmp_path / "rows.npy", X)
        mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
        np.testing.assert_allclose(
            make(name).fit(mapped).anomaly_score(mapped), array.anomaly_score(X), rtol=1e-4, atol=1e-6
        )

    def test_wrong_shape_names_both(self, name: str, family: str) -> None:
        X = DATA[family]()
        detector = make(name).fit(X)
        wrong = X[:, :-1] if family == "table" else X[..., :-1]
        with pytest.raises(ValueError, match=r"features|was fitted with"):
            detector.anomaly_score(wrong)

    def test_not_finite_is_refused(self, name: str, family: str) -> None:
        X = DATA[family]()
        X[3].flat[0] = np.nan
        with pytest.raises(ValueError, match="NaN"):
            make(name).fit(X)

    def test_not_finite_is_refused_batch_by_batch(self, name: str, family: str) -> None:
        detector, X = make(name).fit(DATA[family]()), DATA[family]()
        X[3].flat[0] = np.nan
        with pytest.raises(InputError, match="Row 3 holds a value that is NaN"):
            detector.anomaly_score(Lazy(X))
        with pytest.raises(InputError, match="Row 3 holds a value that is NaN"):
            make(name).fit(Lazy(X))

    def test_wrong_parameters(self, name: str, family: str) -> None:
        for share in (0, 0.7, -1, "some", True):
            with pytest.raises(ParameterError, match="contamination"):
                make(name, contamination=share).fit(DATA[family]())

    def test_explanations_have_their_shape(self, name: str, family: str) -> None:
        X = DATA[family]()
        contributions = make(name).fit(X).explain(X[:3])
        assert contributions.shape == ((3, 5) if family == "table" else (3, 16, 16))
        assert np.isfinite(contributions).all()


@pytest.mark.parametrize(
    ("name", "family"), [case for case in CASES if issubclass(registry.get(case[0]), DeepDetector)]
)
def test_what_is_rebuilt_is_like_the_rows(name: str, family: str) -> None:
    """In their shape and unit; a detector that has no way back says so."""
    X = 1000 + 50 * DATA[family]()
    detector: Any = make(name).fit(X)
    if not hasattr(detector.module_, "decoder") and not hasattr(detector.module_, "reconstruct"):
        with pytest.raises(ParameterError, match=r"rebuilds nothing|no latent space"):
            detector.reconstruct(X)
        return
    rebuilt = detector.reconstruct(X)
    assert rebuilt.shape == X.shape
    assert np.median(np.abs(rebuilt - X)) < 200


_DIRECTIONS = {
    "distribution_clustering": "it sees directions only, and of these it finds no cluster at its threshold",
    "rsrae": "it scores directions: a shifted column changes the others' part of it too (82 of 100)",
}
"""Detectors to which the one shifted column is not the one that stands out."""


@pytest.mark.parametrize("name", TABLE_NAMES)
def test_shifted_column_is_the_first_reason(request: pytest.FixtureRequest, name: str) -> None:
    """Shift one column of a normal row: it is the first reason in at least 90 of 100."""
    expect_blindness(request, name, "table")
    if name in _DIRECTIONS:
        request.applymarker(pytest.mark.xfail(reason=_DIRECTIONS[name], raises=AssertionError, strict=True))
    rng = np.random.default_rng(5)
    mixing = rng.normal(size=(4, 8))
    X = rng.normal(size=(1000, 4)) @ mixing + 0.5 * rng.normal(size=(1000, 8))
    X /= X.std(axis=0)
    detector = make(name, max_epochs=30, batch_size=64) if name in ("autoencoder", "toll") else make(name)
    detector.fit(X)
    normal = np.argsort(detector.anomaly_scores_)[:500]
    hits = 0
    for trial in range(100):
        row, column = X[rng.choice(normal)].copy(), trial % 8
        row[column] += 6 * rng.choice([-1, 1])
        hits += int(detector.explain(row[None])[0].argmax() == column)
    assert hits >= 90


@pytest.mark.parametrize("name", IMAGE_NAMES)
def test_heat_map_peaks_in_the_planted_patch(request: pytest.FixtureRequest, name: str) -> None:
    """Plant a patch in a normal image: the heat map's peak lies in it in at least 80 of 100."""
    if name in VIEW_NAMES:
        pytest.skip("a net that recognises anything has 5 000 occlusions, times its views, to look at here")
    if name in GENERATIVE_NAMES:
        pytest.skip("a generator that draws anything has taken a thousand steps")
    expect_blindness(request, name, "heat map")
    rng = np.random.default_rng(5)
    ramp = np.linspace(0, 1, 32, dtype=np.float32)
    X = np.stack([np.outer(np.roll(ramp, s), ramp[::-1]) for s in rng.integers(0, 8, 200)])[:, None]
    X += 0.05 * rng.normal(size=X.shape).astype(np.float32)
    short = {"max_epochs": 4, "batch_size": 32}
    own: dict[str, dict[str, int]] = {"autoencoder": short, "deep_svdd": {"max_epochs": 24}, "toll": short}
    detector = make(name, **own.get(name, {})).fit(X)
    hits = 0
    planted, places = X[rng.choice(200, 100)].copy(), rng.integers(0, 24, (100, 2))
    for image, (top, left) in zip(planted, places, strict=True):
        image[0, top : top + 8, left : left + 8] = 1 - image[0, top : top + 8, left : left + 8].round()
    for heat, (top, left) in zip(detector.explain(planted), places, strict=True):
        y, x = np.unravel_index(heat.argmax(), heat.shape)
        hits += int(top <= y < top + 8 and left <= x < left + 8)
    assert hits >= 80


@pytest.mark.parametrize("shape", [(4, 0, 8, 8), (4, 1, 0, 8)])
def test_images_without_pixels_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="have no pixels"):
        make("isolation_forest").fit(np.zeros(shape))


def test_a_choice_has_its_type() -> None:
    for wrong in (2.0, True):
        with pytest.raises(ParameterError, match="grid"):
            make("jigsaw", grid=wrong).fit(images())
    assert make("jigsaw", grid=np.int64(2)).check_parameters() is None


class LargeRows:
    """Images that are made when they are asked for, and how many values were asked for at once."""

    shape = (1_500, 3, 64, 64)
    dtype = np.dtype(np.float32)

    def __init__(self) -> None:
        self.most = 0

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, indices: Any, /) -> NDArray[np.float32]:
        rows = np.arange(len(self))[indices]
        found = np.sin(rows[:, None] * np.linspace(1, 2, 3 * 64 * 64)).astype(np.float32)
        self.most = max(self.most, found.size)
        return found.reshape(len(rows), 3, 64, 64)


def test_a_source_is_asked_for_batches_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "_REFERENCE_VALUES", 4_000_000)
    rows = LargeRows()
    make("isolation_forest").fit(rows)
    assert rows.most <= 4_000_000
