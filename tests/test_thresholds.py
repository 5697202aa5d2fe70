from __future__ import annotations

import gzip
import time

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors

from dross.errors import ParameterError
from dross.thresholds import estimate_share, threshold_for_share


def isolation_forest(X):
    return -IsolationForest(random_state=0).fit(X).score_samples(X)


def knn(X):
    return NearestNeighbors(n_neighbors=5).fit(X).kneighbors()[0][:, -1]


def lof(X):
    return -LocalOutlierFactor().fit(X).negative_outlier_factor_


def mahalanobis(X):
    Z = X - X.mean(axis=0)
    return ((Z @ np.linalg.pinv(np.cov(Z.T))) * Z).sum(axis=1)


def clean(kind, n, d, seed=0):
    rng = np.random.default_rng(seed)
    if kind == "student":
        return rng.standard_t(3, size=(n, d))
    return {"gauss": rng.normal, "lognormal": rng.lognormal, "uniform": rng.uniform}[kind](size=(n, d))


def mixture(n, share, seed):
    rng = np.random.default_rng(seed)
    y = np.arange(n) < round(share * n)
    X = rng.normal(size=(n, 8))
    X[y] = rng.uniform(-10, 10, size=(int(y.sum()), 8))
    return X, y


# --- clean data: next to nothing is flagged


@pytest.mark.parametrize("detector", [isolation_forest, knn, mahalanobis, lof])
@pytest.mark.parametrize(("n", "d"), [(2000, 10), (2000, 2), (200, 10)])
@pytest.mark.parametrize("kind", ["gauss", "lognormal", "student", "uniform"])
def test_clean_data_is_left_alone(kind, n, d, detector):
    found = estimate_share(detector(clean(kind, n, d)))
    assert found.share <= (0.005 if kind == "gauss" else 0.02)


def test_clean_gaussian_at_full_size():
    X = clean("gauss", 20_000, 10)
    for detector in (isolation_forest, mahalanobis):
        found = estimate_share(detector(X))
        assert found.share <= 0.005
        assert not found.separated


def test_false_alarms_are_rare():
    flagged = [estimate_share(np.random.default_rng(seed).normal(size=500)).share > 0 for seed in range(200)]
    assert np.mean(flagged) <= 0.03


@pytest.mark.parametrize("tail", [0.5, 1, 2, 4])
def test_a_pareto_tail_is_no_group(tail):
    scores = np.random.default_rng(0).pareto(tail, size=20_000)
    assert estimate_share(scores).share <= 0.005


# --- mixtures that the detector separates


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2])
def test_share_of_separated_mixtures(share):
    covered, widths = 0, []
    for seed in range(10):
        X, y = mixture(5000, share, seed)
        found = estimate_share(mahalanobis(X))
        assert found.share == pytest.approx(share, abs=0.02)
        assert found.separated
        covered += found.interval[0] <= y.mean() <= found.interval[1]
        widths.append(found.interval[1] - found.interval[0])
    assert covered >= 8
    assert np.median(widths) <= 0.06


@pytest.mark.parametrize("detector", [isolation_forest, knn])
@pytest.mark.parametrize("share", [0.05, 0.1, 0.2])
def test_share_with_other_detectors(detector, share):
    X, y = mixture(5000, share, 0)
    scores = detector(X)
    found = estimate_share(scores)
    assert found.share == pytest.approx(share, abs=0.02)
    assert found.interval[0] <= share <= found.interval[1]
    assert np.mean((scores > found.threshold) == y) > 0.99


@pytest.mark.parametrize(("n", "share"), [(500, 0.01), (500, 0.02), (500, 0.3), (5000, 0.005), (50_000, 0.1)])
def test_other_sizes_and_shares(n, share):
    found = estimate_share(mahalanobis(mixture(n, share, 1)[0]))
    assert found.share == pytest.approx(share, abs=max(0.1 * share, 1.5 / n))
    assert found.separated


@pytest.mark.parametrize("detector", [isolation_forest, knn, mahalanobis, lof])
def test_a_few_far_rows_are_found(detector):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(5000, 8))
    X[:5] = 8 + 0.1 * X[:5]
    scores = detector(X)
    assert np.flatnonzero(scores > estimate_share(scores).threshold).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("detector", [knn, mahalanobis, lof])
def test_one_extreme_row_is_found(detector):
    X = np.random.default_rng(4).normal(size=(1000, 8))
    X[17] = 9
    scores = detector(X)
    assert np.flatnonzero(scores > estimate_share(scores).threshold).tolist() == [17]


def test_groups_at_two_heights_are_both_counted():
    rng = np.random.default_rng(0)
    scores = np.concatenate([rng.normal(size=1800), rng.normal(15, 1, 180), [1e6] * 10, [1e12] * 10])
    found = estimate_share(scores)
    assert found.share == pytest.approx(0.1)
    assert found.separated


def test_stragglers_in_the_valley_widen_the_interval():
    rng = np.random.default_rng(0)
    apart = np.concatenate([rng.normal(size=9000), rng.normal(15, 1, 1000)])
    stragglers = apart.copy()
    stragglers[:60] = rng.uniform(4, 12, 60)
    plain, blurred = estimate_share(apart), estimate_share(stragglers)
    assert plain.separated
    assert blurred.separated
    assert np.diff(blurred.interval) > np.diff(plain.interval)
    assert blurred.interval[0] <= 0.1 <= blurred.interval[1]


# --- scores that do not separate


@pytest.mark.parametrize("detector", [isolation_forest, knn, mahalanobis])
@pytest.mark.parametrize("share", [0.05, 0.1, 0.2])
def test_overlapping_mixtures_say_so(detector, share):
    X = np.random.default_rng(0).normal(size=(5000, 8))
    X[: round(5000 * share)] += 2
    found = estimate_share(detector(X))
    assert not found.separated
    assert found.interval[0] <= share <= found.interval[1]
    assert "no gap" in found.message


def test_a_long_tail_below_the_gap_leaves_the_share_open():
    rng = np.random.default_rng(0)
    found = estimate_share(np.concatenate([rng.pareto(1, 2000), rng.normal(1e6, 10, 100)]))
    assert found.share == pytest.approx(100 / 2100)
    assert not found.separated
    assert found.interval[1] == 0.5
    assert "long tail" in found.message


def test_mostly_equal_scores_leave_the_share_open():
    rng = np.random.default_rng(0)
    found = estimate_share(np.concatenate([np.zeros(900), rng.uniform(1, 2, 100), rng.uniform(50, 51, 10)]))
    assert not found.separated
    assert found.interval == (0.0, 0.5)


# --- small and degenerate input


@pytest.mark.parametrize("n", [1, 2, 5, 19, 33, 100])
def test_equal_scores_flag_nothing(n):
    found = estimate_share(np.full(n, 3.5))
    assert found.share == 0
    assert found.threshold == 3.5
    assert not found.separated


@pytest.mark.parametrize("ones", [1, 5, 49])
def test_two_distinct_values_are_too_few(ones):
    found = estimate_share([1.0] * ones + [0.0] * (100 - ones))
    assert found.share == 0
    assert found.interval == (0.0, 0.5)
    assert "2 distinct scores" in found.message


@pytest.mark.parametrize("n", range(1, 40))
def test_small_n_is_defined(n):
    scores = np.random.default_rng(n).normal(size=n)
    found = estimate_share(scores)
    assert 0 <= found.interval[0] <= found.share <= found.interval[1] <= 0.5
    assert np.mean(scores > found.threshold) == found.share


@pytest.mark.parametrize("bad", [[], [[1.0, 2.0]], 3.0, [1.0, np.nan], [1.0, -np.inf]])
def test_bad_scores_are_refused(bad):
    with pytest.raises(ParameterError):
        estimate_share(bad)
    with pytest.raises(ParameterError):
        threshold_for_share(bad, 0.1)


@pytest.mark.parametrize("level", [0, 1, -1, 90, float("nan")])
def test_bad_level_is_refused(level):
    with pytest.raises(ParameterError, match="level"):
        estimate_share([1.0, 2.0], level=level)


def test_level_widens_the_interval():
    scores = mahalanobis(mixture(2000, 0.1, 0)[0])
    narrow, wide = estimate_share(scores, level=0.5).interval, estimate_share(scores, level=0.99).interval
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_a_million_rows_take_a_moment():
    scores = np.random.default_rng(0).normal(size=1_000_000)
    scores[:50_000] += 20
    start = time.process_time()
    assert estimate_share(scores).share == pytest.approx(0.05)
    assert time.process_time() - start < 2


# --- properties

finite = st.floats(allow_nan=False, allow_infinity=False)
any_scores = hnp.arrays(np.float64, st.integers(1, 120), elements=finite)
few_values = hnp.arrays(np.float64, st.integers(1, 200), elements=st.sampled_from([0.0, 1.0, 2.0, 1e9, -3.0]))


@st.composite
def plausible_scores(draw):
    """Return a body, a group and single rows of many shapes, in random order."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    body = rng.standard_gamma(draw(st.floats(0.5, 20)), size=draw(st.integers(40, 400)))
    group = rng.normal(draw(st.floats(0, 200)), draw(st.floats(0.1, 5)), size=draw(st.integers(0, 60)))
    return rng.permutation(np.concatenate([body, group, 10.0 ** rng.uniform(0, 5, draw(st.integers(0, 5)))]))


@settings(deadline=None, max_examples=200)
@given(any_scores | few_values | plausible_scores())
@example(np.array([-1.7e308, 1.7e308] * 40))
@example(np.concatenate([np.arange(100.0), [1.7e308]]))
@example(np.concatenate([np.arange(100) * 5e-324, [1e-300]]))
@example(np.append(np.linspace(1, 1 + 1e-14, 60), 2))
@example(2.0 ** np.arange(0, 1000, 10))
def test_always_finite_and_consistent(scores):
    found = estimate_share(scores)
    assert np.isfinite([found.share, *found.interval, found.threshold]).all()
    assert 0 <= found.interval[0] <= found.share <= found.interval[1] <= 0.5
    assert np.mean(scores > found.threshold) == found.share
    assert found.message.count("\n") == 0
    assert not (found.separated and found.share == 0)


@settings(deadline=None, max_examples=60)
@given(plausible_scores(), st.floats(1e-3, 1e3), st.floats(-1e3, 1e3))
def test_shift_and_scale_keep_the_labels(scores, factor, offset):
    moved = scores * factor + offset
    before, after = estimate_share(scores), estimate_share(moved)
    assert np.array_equal(scores > before.threshold, moved > after.threshold)


@settings(deadline=None, max_examples=40)
@given(plausible_scores(), st.randoms(use_true_random=False))
def test_order_of_rows_does_not_matter(scores, random):
    order = list(range(len(scores)))
    random.shuffle(order)
    assert estimate_share(scores[order]) == estimate_share(scores)


@pytest.mark.parametrize("transform", [np.log, np.sqrt, np.square, lambda s: np.exp(s / 4)])
@pytest.mark.parametrize("share", [0, 0.02, 0.1, 0.3])
def test_rising_transforms_change_little(transform, share):
    scores = knn(mixture(2000, share, 5)[0])
    assert estimate_share(transform(scores)).share == pytest.approx(share, abs=0.01)


# --- threshold_for_share


def test_threshold_matches_isolation_forest():
    X = np.random.default_rng(0).normal(size=(1000, 3))
    forest = IsolationForest(random_state=0, contamination=0.07).fit(X)
    scores = -forest.score_samples(X)
    assert np.array_equal(scores > threshold_for_share(scores, 0.07), forest.predict(X) == -1)


@settings(deadline=None)
@given(any_scores | few_values, st.floats(0, 1))
def test_never_more_than_the_share(scores, share):
    threshold = threshold_for_share(scores, share)
    flagged, wanted = int(np.sum(scores > threshold)), round(share * len(scores))
    if share < 1 and scores.min() > -1e308:
        assert flagged <= wanted
    border = np.sort(scores)[::-1]
    if 0 < wanted < len(scores) and border[wanted - 1] > border[wanted]:
        assert flagged == wanted


def test_threshold_lies_between_neighbours():
    assert threshold_for_share([4.0, 1.0, 2.0, 3.0], 0.5) == 2.5
    assert threshold_for_share([1.0, 2.0], 0) == 2
    assert threshold_for_share([1.0, 2.0], 1) < 1
    assert threshold_for_share([-1.7e308, 1.7e308], 0.5) == 0
    assert threshold_for_share([1.0, np.nextafter(1.0, 2)], 0.5) == 1


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_share_out_of_range_is_refused(share):
    with pytest.raises(ParameterError, match="between 0 and 1"):
        threshold_for_share([1.0, 2.0], share)


# --- real data


@pytest.mark.data
def test_one_mnist_digit_is_left_alone(data_dir):
    with np.load(data_dir / "mnist.npz") as data:
        X = data["x_train"][data["y_train"] == 4].reshape(-1, 784)[:3000] / 255
    for detector in (isolation_forest, knn):
        assert estimate_share(detector(X)).share <= 0.02


@pytest.mark.data
@pytest.mark.parametrize("share", [0.05, 0.2])
def test_kdd_does_not_separate(data_dir, share):
    with gzip.open(data_dir / "kddcup99_10_percent.gz", "rt") as file:
        rows = [line.rstrip("\n").split(",") for _, line in zip(range(60_000), file, strict=False)]
    y = np.array([row[-1] == "normal." for row in rows])
    X = np.array([[float(value) for value in row[4:41]] for row in rows])
    X = (X - X.mean(axis=0)) / np.where(X.std(axis=0) > 0, X.std(axis=0), 1)
    rng = np.random.default_rng(0)
    attacks = rng.choice(np.flatnonzero(~y), 4000, replace=False)
    others = rng.choice(np.flatnonzero(y), round(4000 * share / (1 - share)), replace=False)
    found = estimate_share(knn(X[np.concatenate([attacks, others])]))
    assert not found.separated
    assert found.interval[0] <= share <= found.interval[1]
