"""Which clusters are kept, by variances computed by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.mixture import GaussianMixture

from dross.clustering.named import CLUSTERINGS, clustering
from dross.clustering.variance_selection import VarianceSelection, cluster_variances
from dross.errors import ParameterError


class Given(ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """Labels that somebody knows already."""

    def __init__(self, labels: list[int]) -> None:
        self.labels = labels

    def fit(self, X: NDArray[Any], y: object = None) -> Given:
        self.labels_ = np.array(self.labels)
        return self


# Three clusters of variance 0, 1 and 4, with 1, 2 and 6 members, and a row in none.
LABELS = [1, 1, 0, 2, 2, 2, 2, 2, 2, -1]
X = np.array([[-1.0], [1.0], [9.0], *[[48.0], [52.0]] * 3, [99.0]])


def selected(**parameters: Any) -> list[int]:
    selection = VarianceSelection(clusterer=Given(LABELS), **parameters).fit(X)
    return np.flatnonzero(selection.is_selected_).tolist()


def test_variances_by_hand() -> None:
    np.testing.assert_allclose(cluster_variances(X, np.array(LABELS)), [0, 1, 4])
    far = X + 1e8
    np.testing.assert_allclose(cluster_variances(far, np.array(LABELS)), [0, 1, 4])
    in_two = np.column_stack([X, 2 * X])
    np.testing.assert_allclose(cluster_variances(in_two, np.array(LABELS)), [0, 5, 20])


def test_a_number_without_members_has_no_variance() -> None:
    variances = cluster_variances(X[:3], np.array([0, 2, 2]))
    assert variances[0] == 0
    assert np.isnan(variances[1])
    assert variances[2] == 16


@pytest.mark.parametrize(
    ("p", "rows"),
    [(0.0, [0, 1, 2, 3, 4, 5, 6, 7, 8]), (0.3, [0, 1, 2]), (0.5, [0, 1, 2]), (0.6, [2]), (0.99, [2])],
)
def test_a_percentile_of_clusters(p: float, rows: list[int]) -> None:
    assert selected(p=p) == rows


@pytest.mark.parametrize(
    ("p", "rows"),
    [(0.1, [0, 1, 2, 3, 4, 5, 6, 7, 8]), (0.2, [0, 1, 2]), (0.7, [0, 1, 2]), (0.71, [2]), (0.95, [2])],
)
def test_a_share_of_rows(p: float, rows: list[int]) -> None:
    assert selected(p=p, count="rows") == rows


def test_a_share_of_rows_that_floats_miss() -> None:
    """1 - .9 of 100 rows is a little less than the 10 rows of the first two clusters."""
    labels = np.repeat([0, 1, 2], [1, 9, 90])
    rows = np.random.default_rng(0).normal(size=(100, 1)) * labels[:, None]
    selection = VarianceSelection(clusterer=Given(labels.tolist()), count="rows", p=0.9).fit(rows)
    assert selection.is_selected_.sum() == 10


def test_no_cluster_selects_nothing_and_one_selects_itself() -> None:
    for count in ("clusters", "rows"):
        nothing = VarianceSelection(clusterer=Given([-1] * 10), count=count).fit(X)
        assert not nothing.is_selected_.any()
        everything = VarianceSelection(clusterer=Given([0] * 10), count=count, p=0.5).fit(X)
        assert everything.is_selected_.all()


def test_wrong_parameters_are_refused() -> None:
    with pytest.raises(ParameterError, match=r"p of .* from 0 to 1, excluding 1, got 1"):
        selected(p=1)
    with pytest.raises(ParameterError, match="must be one of clusters, rows; got 'row'"):
        selected(count="row")


@pytest.mark.parametrize("clusterer", [GaussianMixture(3), KMeans(3, n_init=1), HDBSCAN(copy=True)])
def test_any_clusterer_feeds_it(clusterer: Any) -> None:
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(m, s, (200, 2)) for m, s in ((0, 0.1), (20, 0.2), (50, 4.0))])
    selection = VarianceSelection(clusterer=clusterer, p=0.4).fit(rows)
    assert selection.is_selected_[:200].mean() > 0.9
    assert not selection.is_selected_[400:].all()


def test_more_rows_than_are_clustered_are_all_labelled() -> None:
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(0, 0.1, (500, 2)), rng.normal(9, 3, (500, 2))])
    selection = VarianceSelection(clusterer=KMeans(2, n_init=1, random_state=0), p=0.5, max_samples=100)
    is_selected = selection.fit(rows).is_selected_
    assert len(selection.labels_) == 1000
    assert is_selected[:500].mean() > 0.95
    assert is_selected[500:].mean() < 0.05


@pytest.mark.parametrize("name", CLUSTERINGS)
@pytest.mark.parametrize("rows", [np.ones((30, 3)), np.zeros((30, 3)), np.eye(6), np.ones((2, 40))])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_named_clusterings_stand_points_that_are_alike(name: str, rows: NDArray[Any]) -> None:
    selection = VarianceSelection(clusterer=clustering(name, rows, 20, 0)).fit(rows)
    assert selection.is_selected_.shape == (len(rows),)
