"""Distribution clustering against a literal, slow reference; thresholds by coverage; new rows; landmarks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from dross.bench.datasets import DATASETS
from dross.clustering.distance_profiles import squared_distances, unit_rows
from dross.clustering.distribution_clustering import DistributionClustering
from dross.errors import ParameterError

Array = NDArray[Any]


def reference(
    D: Array, threshold: float, max_distance: float = 2.0, min_size: int = 5, landmarks: Any = None
):
    """Return labels and distances as the algorithm is written down, with loops over pairs and rows."""
    n = len(D)
    columns = np.arange(n) if landmarks is None else np.asarray(landmarks)
    labels, distances = np.full(n, -1), []
    pairs = sorted((D[i, j], i, j) for i in range(n) for j in range(i + 1, n))
    for delta, i, j in pairs:
        if labels[i] >= 0 or labels[j] >= 0:
            continue
        if delta > max_distance:
            break
        if delta == 0:
            continue
        a, b = D[i].copy(), D[j].copy()
        a[j] = b[i] = 0
        if np.abs(a - b)[columns].sum() / len(columns) > threshold:
            continue
        members = [i, j]
        grow(D, members, delta, threshold, labels, columns)
        delta = np.mean([D[k, other] for k in members for other in members if k != other])
        grow(D, members, delta, threshold, labels, columns)
        if len(members) > min_size:
            labels[members] = len(distances)
            distances.append(delta)
    return labels, np.array(distances)


def grow(D: Array, members: list[int], delta: float, threshold: float, labels: Array, columns: Array) -> None:
    own = D + delta * np.eye(len(D))
    profile = own[members].mean(axis=0)
    changed = True
    while changed:
        changed = False
        for k in range(len(D)):
            if labels[k] >= 0 or k in members:
                continue
            gap = np.abs(profile - own[k])[columns].mean()
            if gap < threshold and abs(D[k, members].mean() - delta) < threshold:
                members.append(k)
                changed = True


def assert_as_reference(X: Array, **parameters: Any) -> DistributionClustering:
    clustering = DistributionClustering(**parameters).fit(X)
    rows = unit_rows(np.asarray(X, np.float64))
    m = parameters.pop("n_landmarks", None)
    landmarks = None if m is None else np.linspace(0, len(X) - 1, m).round().astype(int)
    labels, distances = reference(
        squared_distances(rows, rows), parameters.pop("threshold", 0.07), landmarks=landmarks, **parameters
    )
    np.testing.assert_array_equal(clustering.labels_, labels)
    np.testing.assert_allclose(clustering.cluster_distances_, distances, rtol=0, atol=1e-12)
    assert clustering.n_clusters_ == len(distances)
    return clustering


def mixture(n: int, d: int, seed: int) -> Array:
    """Rows of five distributions about means of their own, each with a deviation of its own, shuffled."""
    rng = np.random.default_rng(seed)
    which = rng.integers(0, 5, n)
    means, deviations = rng.normal(size=(5, d)), np.linspace(0.1, 1.5, 5)
    return means[which] + deviations[which, None] * rng.normal(size=(n, d))


class TestDistances:
    @pytest.mark.parametrize(("n", "d"), [(1, 1), (50, 3), (300, 784)])
    def test_they_are_those_of_unit_rows(self, n: int, d: int) -> None:
        X = np.random.default_rng(0).normal(size=(n, d))
        X[0] = 0
        rows = X / np.maximum(np.linalg.norm(X, axis=1), 1e-300)[:, None]
        expected = cdist(rows, rows, "sqeuclidean")
        np.testing.assert_allclose(squared_distances(unit_rows(X), unit_rows(X)), expected, atol=1e-11)

    def test_equal_rows_are_at_zero_and_equally_far_from_others(self) -> None:
        X = np.random.default_rng(0).normal(size=(60, 501))
        twice = unit_rows(np.vstack([X, 3 * X]))
        D = squared_distances(twice, twice)
        np.testing.assert_array_equal(np.diag(D, 60), 0)
        np.testing.assert_array_equal(D[:, :60], D[:, 60:])

    def test_zero_rows_stay_zero_and_large_numbers_finite(self) -> None:
        rows = unit_rows(np.array([[0.0, 0.0], [3e300, 4e300], [3e-300, 4e-300]]))
        np.testing.assert_allclose(rows, [[0, 0], [0.6, 0.8], [0.6, 0.8]])


class TestReference:
    @pytest.mark.parametrize("threshold", [0.02, 0.07, 0.15, 0.3, 0.8])
    @pytest.mark.parametrize(("n", "d"), [(30, 2), (80, 5), (150, 40), (120, 600)])
    def test_mixtures(self, n: int, d: int, threshold: float) -> None:
        assert_as_reference(mixture(n, d, seed=n + d), threshold=threshold)

    def test_mixtures_do_have_clusters(self) -> None:
        clustering = assert_as_reference(mixture(150, 40, seed=1), threshold=0.15)
        assert clustering.n_clusters_ >= 4
        assert 0.3 < (clustering.labels_ >= 0).mean() < 1

    @pytest.mark.parametrize("max_distance", [0.1, 0.5, 3.9])
    def test_largest_distance_of_a_seed(self, max_distance: float) -> None:
        assert_as_reference(mixture(120, 20, seed=2), threshold=0.3, max_distance=max_distance)

    @pytest.mark.parametrize("min_size", [1, 2, 20])
    def test_smallest_cluster(self, min_size: int) -> None:
        clustering = assert_as_reference(mixture(100, 30, seed=3), threshold=0.1, min_size=min_size)
        assert (np.bincount(clustering.labels_[clustering.labels_ >= 0]) > min_size).all()

    def test_duplicates(self) -> None:
        X = mixture(40, 30, seed=4)
        assert_as_reference(np.vstack([X, X, X[:20]]), threshold=0.15)

    def test_rows_of_zeros(self) -> None:
        X = mixture(80, 30, seed=5)
        X[::7] = 0
        for threshold in (0.15, 1.0):
            assert_as_reference(X, threshold=threshold)

    def test_more_rows_than_a_block_and_several_bands(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("dross.clustering.cluster_growth._ROWS_PER_BLOCK", 7)
        monkeypatch.setattr("dross.clustering.cluster_growth._PAIRS_PER_BAND", 500)
        monkeypatch.setattr("dross.clustering.cluster_growth._PAIRS_AT_ONCE", 11)
        monkeypatch.setattr("dross.clustering.cluster_growth._CHUNK_VALUES", 1000)
        for threshold in (0.05, 0.2, 0.5):
            assert_as_reference(mixture(150, 20, seed=6), threshold=threshold)

    @pytest.mark.parametrize("threshold", [0.07, 0.2, 0.4])
    def test_landmarks_where_all_rows_are_neighbours(self, threshold: float) -> None:
        for m in (1, 20, 59):
            assert_as_reference(mixture(60, 30, seed=7), threshold=threshold, n_landmarks=m)

    @pytest.mark.data
    @pytest.mark.parametrize("threshold", [0.07, 0.12])
    def test_mnist(self, data_dir: Path, threshold: float) -> None:
        data = DATASETS["mnist"].load(data_dir)
        X = data.rows.take(np.arange(0, 300 * 17, 17)).reshape(300, -1)
        assert assert_as_reference(X, threshold=threshold).n_clusters_ > 0


class TestEdges:
    @pytest.mark.parametrize("n", [1, 2, 5])
    def test_few_rows_are_unassigned(self, n: int) -> None:
        clustering = DistributionClustering().fit(mixture(n, 4, seed=0))
        np.testing.assert_array_equal(clustering.labels_, np.full(n, -1))
        np.testing.assert_array_equal(clustering.predict(np.ones((3, 4))), [-1, -1, -1])
        assert clustering.misfit(np.ones((3, 4))).shape == (3, 0)

    @pytest.mark.parametrize("value", [0.0, 1.0])
    def test_all_rows_equal(self, value: float) -> None:
        clustering = DistributionClustering().fit(np.full((50, 4), value))
        np.testing.assert_array_equal(clustering.labels_, np.full(50, -1))

    def test_length_of_rows_does_not_matter(self) -> None:
        X = mixture(100, 30, seed=1)
        lengths = np.random.default_rng(0).uniform(1e-3, 1e3, size=(100, 1))
        one, other = (DistributionClustering(threshold=0.15).fit(rows) for rows in (X, X * lengths))
        np.testing.assert_array_equal(one.labels_, other.labels_)

    @pytest.mark.parametrize(
        ("parameters", "what"),
        [
            ({"threshold": 0}, "threshold of DistributionClustering must be a finite number above 0, got 0"),
            ({"threshold": "high"}, "must be a finite number above 0, got 'high'"),
            ({"threshold": float("nan")}, "threshold of"),
            (
                {"coverage": 1.1},
                "must be None or a number from 0 to 1, excluding 0, got 1.1",
            ),
            ({"max_distance": -1}, "max_distance of"),
            (
                {"min_size": 0},
                "min_size of .* must be a whole number of at least 1, got 0",
            ),
            ({"min_size": 2.5}, "min_size of"),
            ({"n_landmarks": 0}, "must be None or a whole number of at least 1, got 0"),
        ],
    )
    def test_wrong_parameters(self, parameters: dict[str, Any], what: str) -> None:
        with pytest.raises(ParameterError, match=what):
            DistributionClustering(**parameters).fit(mixture(20, 4, seed=0))


class TestMeaning:
    def test_distance_is_twice_the_variance_of_unit_rows(self) -> None:
        X = np.random.default_rng(0).normal(1.0, 0.2, size=(60, 2000))
        clustering = DistributionClustering().fit(X)
        np.testing.assert_array_equal(clustering.labels_, np.zeros(60))
        rows = unit_rows(X)
        variance = ((rows - rows.mean(axis=0)) ** 2).sum() / 59
        assert clustering.cluster_distances_[0] == pytest.approx(2 * variance, rel=1e-9)

    def test_little_variance_comes_first(self) -> None:
        rng = np.random.default_rng(0)
        X = np.vstack([rng.normal(rng.normal(size=2000), s, size=(30, 2000)) for s in (1.0, 0.3, 2.0, 0.1)])
        clustering = DistributionClustering(threshold=0.15).fit(X)
        np.testing.assert_array_equal(clustering.labels_, np.repeat([2, 1, 3, 0], 30))


class TestCoverage:
    @pytest.mark.parametrize("wanted", [0.3, 0.6, 0.9])
    def test_about_that_share_is_assigned(self, wanted: float) -> None:
        X = mixture(400, 60, seed=8)
        clustering = DistributionClustering(coverage=wanted).fit(X)
        assert (clustering.labels_ >= 0).mean() == pytest.approx(wanted, abs=0.05)
        again = DistributionClustering(threshold=clustering.threshold_).fit(X)
        np.testing.assert_array_equal(again.labels_, clustering.labels_)

    def test_what_cannot_be_reached_ends(self) -> None:
        clustering = DistributionClustering(coverage=1.0).fit(np.ones((30, 3)))
        assert (clustering.labels_ == -1).all()
        assert clustering.threshold_ == 0.07

    def test_landmarks_search_neighbours_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from dross.clustering import distribution_clustering

        calls = []
        search = distribution_clustering.nearest_pairs
        monkeypatch.setattr(
            distribution_clustering, "nearest_pairs", lambda *some: calls.append(1) or search(*some)
        )
        clustering = DistributionClustering(coverage=0.8, n_landmarks=50).fit(mixture(300, 60, seed=8))
        assert len(calls) == 1
        assert clustering.threshold_ != 0.07


class TestNewRows:
    def test_misfit_by_hand(self) -> None:
        X = mixture(150, 40, seed=1)
        clustering = DistributionClustering(threshold=0.15).fit(X)
        rows, new = unit_rows(X), unit_rows(mixture(20, 40, seed=9))
        profiles = cdist(new, rows, "sqeuclidean")
        for c in range(clustering.n_clusters_):
            members = np.flatnonzero(clustering.labels_ == c)
            gap = np.abs(profiles - clustering.cluster_profiles_[c]).mean(axis=1)
            distance = np.abs(profiles[:, members].mean(axis=1) - clustering.cluster_distances_[c])
            expected = np.maximum(gap, distance) - 0.15
            np.testing.assert_allclose(clustering.misfit(new)[:, c], expected, atol=1e-9)

    def test_first_cluster_that_fits(self) -> None:
        X = mixture(300, 200, seed=1)
        clustering = DistributionClustering(threshold=0.15).fit(X)
        new = mixture(300, 200, seed=1)[::3] + 0.01
        misfit, predicted = clustering.misfit(new), clustering.predict(new)
        for row, label in zip(misfit, predicted, strict=True):
            assert label == next((c for c, value in enumerate(row) if value < 0), -1)

    def test_new_rows_of_the_same_distributions_find_their_cluster(self) -> None:
        rng = np.random.default_rng(0)
        means, deviations = rng.normal(size=(3, 2000)), (0.2, 0.7, 1.5)
        draw = lambda: np.vstack([rng.normal(m, s, (40, 2000)) for m, s in zip(means, deviations)])  # noqa: B905, E731
        clustering = DistributionClustering(threshold=0.2).fit(draw())
        np.testing.assert_array_equal(clustering.predict(draw()), np.repeat([0, 1, 2], 40))
        assert (clustering.predict(rng.normal(size=(20, 2000))) == -1).all()


def test_landmarks_come_near_the_full_result() -> None:
    X = mixture(800, 300, seed=10)
    full = DistributionClustering(threshold=0.15).fit(X)
    near = DistributionClustering(threshold=0.15, n_landmarks=200).fit(X)
    assert full.n_clusters_ >= 4
    assert adjusted_rand_score(full.labels_, near.labels_) > 0.9


_TWO_COLUMNS = "wants blobs in two columns told apart: rows of length 1 lie on a circle, most beyond 0.07"


@parametrize_with_checks(
    [DistributionClustering(), DistributionClustering(coverage=0.9), DistributionClustering(n_landmarks=10)],
    expected_failed_checks=lambda estimator: (
        {"check_clustering": _TWO_COLUMNS} if estimator.coverage is None else {}
    ),
)
def test_scikit_learn_contract(estimator: Any, check: Any) -> None:
    check(estimator)
