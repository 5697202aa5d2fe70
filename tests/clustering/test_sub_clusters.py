"""Clusters of a neighbour graph: shapes, their number, degenerate rows."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.cluster import SpectralClustering
from sklearn.datasets import make_blobs, make_moons
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import kneighbors_graph
from sklearn.utils.estimator_checks import parametrize_with_checks

from dross.clustering.sub_clusters import SubClusters
from dross.errors import ParameterError


def blobs(n: int, k: int, d: int = 4, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    centers = 10 * np.random.default_rng(seed).normal(size=(k, d))
    X, y = make_blobs(n, centers=centers, cluster_std=1.0, random_state=seed)
    return X, y


@parametrize_with_checks([SubClusters(random_state=0)])
@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_contract(estimator: object, check: object) -> None:
    check(estimator)  # type: ignore[operator]


@pytest.mark.parametrize("n", [300, 1200])  # all eigenvectors, and some of them
@pytest.mark.parametrize("k", [2, 5, 11])
def test_number_is_found(n: int, k: int) -> None:
    X, y = blobs(n, k)
    found = SubClusters(random_state=0).fit(X)
    assert found.n_clusters_ == k
    assert adjusted_rand_score(y, found.labels_) > 0.99


@pytest.mark.parametrize("n", [480, 1200])
def test_more_parts_than_may_be_found(n: int) -> None:
    X = np.repeat(1000.0 * np.arange(24)[:, None], n // 24, axis=0)
    X = X + np.random.default_rng(0).normal(size=X.shape)
    found = SubClusters(max_clusters=8, n_neighbors=5, random_state=0).fit(X)
    assert found.n_clusters_ == 8
    parts = found.labels_.reshape(24, -1)
    assert (parts == parts[:, :1]).all()  # no part is torn
    assert np.bincount(parts[:, 0]).tolist() == [1] * 7 + [17]  # as large as one another


def test_shape_does_not_matter() -> None:
    X, y = make_moons(400, noise=0.05, random_state=0)
    found = SubClusters(n_clusters=2, random_state=0).fit(X)
    assert adjusted_rand_score(y, found.labels_) == 1.0


def test_clusters_are_those_of_scikit_learn() -> None:
    X = np.random.default_rng(0).normal(size=(250, 2))
    ours = SubClusters(n_clusters=6, random_state=0).fit(X)
    graph = kneighbors_graph(X, 10)
    theirs = SpectralClustering(6, affinity="precomputed", random_state=0).fit(graph.maximum(graph.T))
    assert adjusted_rand_score(ours.labels_, theirs.labels_) > 0.7


def test_eigenvalues_are_those_of_the_laplacian() -> None:
    # Two pairs, each a graph of two rows: eigenvalues 0 and 2 twice.
    X = np.array([[0.0], [1.0], [50.0], [51.0]])
    found = SubClusters(n_neighbors=1, max_clusters=3, random_state=0).fit(X)
    assert found.eigenvalues_.tolist() == pytest.approx([0.0, 0.0, 2.0])
    assert found.n_clusters_ == 2
    assert found.labels_[0] == found.labels_[1] != found.labels_[2] == found.labels_[3]


def test_new_rows_take_the_cluster_of_their_neighbours() -> None:
    X, _ = blobs(300, 3)
    found = SubClusters(random_state=0).fit(X)
    assert found.predict(X + 0.01).tolist() == found.labels_.tolist()


@pytest.mark.parametrize("n", [2, 3, 12])
def test_few_or_equal_rows(n: int) -> None:
    for X in (np.ones((n, 2)), np.arange(2.0 * n).reshape(n, 2)):
        found = SubClusters(random_state=0).fit(X)
        assert len(found.labels_) == n
        assert 2 <= found.n_clusters_ <= n


@pytest.mark.parametrize(("name", "value"), [("n_clusters", 0), ("max_clusters", 1), ("n_neighbors", 0)])
def test_bad_parameters(name: str, value: int) -> None:
    with pytest.raises(ParameterError, match=rf"{name} of SubClusters must be .*a whole number of at least"):
        SubClusters(**{name: value}).fit(np.zeros((5, 2)))
