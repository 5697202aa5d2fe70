"""Distribution clustering (Lin et al., CVPR 2018)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from dross.clustering.cluster_growth import Cluster, all_pairs, find_clusters, likely_pairs, nearest_pairs
from dross.clustering.distance_profiles import (
    DistanceProfiles,
    Numbers,
    RowNumbers,
    squared_distances,
    squared_lengths,
    unit_rows,
)
from dross.parameters import check_number
from dross.rows import batches

__all__ = ["DistributionClustering"]

_MOST_ROWS_IN_FULL = 10_000
_LANDMARKS = 1_024
_FIRST_THRESHOLD = 0.07
_LARGEST_THRESHOLD = 4.0  # squared distances of unit rows differ by no more
_COVERAGE_TOLERANCE = 0.01
_MOST_THRESHOLDS = 12
_CHUNK_VALUES = 4_000_000


class DistributionClustering(ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """Clusters of rows that come from one distribution, ordered by little variance first.

    In high dimension the squared distance of two rows tends to a number that hangs on their two distributions
    only. So rows of one distribution have like *profiles*, their distances to all rows, and the mean squared
    distance of two of them is twice the distribution's variance. Rows are divided by their length. The pair
    of free rows that are nearest to each other, if their profiles are alike, is the seed of a cluster; rows
    join it while their profile is like the mean profile of the members, and their mean distance to the
    members like that of the members among each other. The next cluster comes from the rows that are left, so
    that variance mostly rises. Rows that fit nowhere stay unassigned. The number of clusters is found.

    Up to 10 000 rows the published algorithm is followed to the letter; time and memory grow with the square
    of the number of rows (see docs/benchmarks.md). Beyond that the result is an approximation: profiles are
    distances to landmarks, evenly spaced rows, and a seed has one of its rows among the 64 nearest of the
    other. Nothing is drawn at random.

    Deviations: equal rows never are a seed, as they tell nothing of a variance. Squared distances are rounded
    to 1e-12, so that they do not depend on how a matrix product was summed.

    Parameters
    ----------
    threshold : float > 0, default 0.07
        Largest mean difference of profiles, and of mean distances, within a cluster; in squared distances of
        unit rows (0 to 4). The default is the paper's. What share of the rows it assigns depends much on the
        data: see docs/clustering.md, and ``coverage``.
    coverage : float in (0, 1] or None, default None
        Choose the threshold so that this share of the rows is in a cluster, to within 0.01 if 12 thresholds
        are enough. A fit then clusters up to 12 times; distances are computed once. None takes ``threshold``.
    max_distance : float > 0, default 2.0
        Largest squared distance of a seed. The paper's; orthogonal rows have it.
    min_size : int >= 1, default 5
        A cluster has more members than this. The paper's.
    n_landmarks : int >= 1 or None, default None
        Number of landmarks; all rows are landmarks where there are no more. None takes all rows up to
        10 000, beyond that 1 024.

    Attributes
    ----------
    labels_ : int array of shape (n,)
        Cluster of each row in the order found, from 0; -1 = unassigned.
    cluster_distances_ : ndarray of shape (n_clusters_,)
        Mean squared distance of two members, twice the variance, when the cluster last grew.
    n_clusters_ : int
        May be 0.
    threshold_ : float
        The threshold used.
    landmark_rows_ : ndarray of shape (m, d)
        At most 1 024 evenly spaced training rows of length 1, which `misfit` compares new rows with.
    cluster_profiles_ : ndarray of shape (n_clusters_, m)
        Mean squared distances of each cluster's members to these.
    cluster_means_ : ndarray of shape (n_clusters_, d)
        Means of the members' unit rows.
    cluster_squares_ : ndarray of shape (n_clusters_,)
        Mean squared lengths of the members' unit rows: 1, but for rows of zeros.
    n_features_in_ : int

    References
    ----------
    Lin, Liu, Lai, Matsushita: Dimensionality's blessing: clustering images by underlying distribution.
    CVPR 2018, pages 5784-5793.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> tight, wide = rng.normal(1.0, 0.2, size=(50, 500)), rng.normal(-1.0, 1.0, size=(50, 500))
    >>> clustering = DistributionClustering(threshold=0.2).fit(np.vstack([wide, tight]))
    >>> clustering.labels_[[0, 49, 50, 99]].tolist()
    [1, 1, 0, 0]
    >>> clustering.cluster_distances_.round(1).tolist()  # 2 · 0.2² / (1 + 0.2²) and 2 · 1² / (1 + 1²)
    [0.1, 1.0]
    """

    def __init__(
        self,
        *,
        threshold: float = 0.07,
        coverage: float | None = None,
        max_distance: float = 2.0,
        min_size: int = 5,
        n_landmarks: int | None = None,
    ) -> None:
        self.threshold = threshold
        self.coverage = coverage
        self.max_distance = max_distance
        self.min_size = min_size
        self.n_landmarks = n_landmarks

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Find the clusters of ``X``, shape ``(n, d)``; ``y`` is ignored.

        Raises
        ------
        ParameterError
            If a parameter is out of range.
        """
        self.check_parameters()
        rows = unit_rows(validate_data(self, X, dtype=np.float64))
        landmarks = _evenly_spaced(len(rows), self._n_landmarks(len(rows)))
        find = self._finder(DistanceProfiles(rows, landmarks))
        if self.coverage is None:
            self.threshold_, found = float(self.threshold), find(self.threshold)
        else:
            self.threshold_, found = _cover(find, self.coverage * len(rows), len(rows))
        self._learn(rows, landmarks, found)
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """Return the first cluster that each row fits, or -1, shape ``(m,)``.

        The training rows' own clusters are `labels_`. Predicted anew, a few of them differ (1 to 9 of 100
        measured), as members joined when the cluster was smaller.
        """
        fits = self.misfit(X) < 0
        first = fits.argmax(axis=1) if fits.shape[1] else np.full(len(fits), -1)
        return np.where(fits.any(axis=1), first, -1)

    def misfit(self, X: ArrayLike) -> Numbers:
        """Return by how much each row misses each cluster, shape ``(m, n_clusters_)``; below 0 it fits.

        That is the larger of two differences, less the threshold: between the row's profile and the
        cluster's, and between the row's mean distance to the members and theirs among each other.
        """
        check_is_fitted(self)
        rows = unit_rows(validate_data(self, X, dtype=np.float64, reset=False))
        misfit = np.empty((len(rows), self.n_clusters_))
        if self.n_clusters_ == 0:
            return misfit
        m = len(self.landmark_rows_)
        for part in batches(len(rows), max(1, _CHUNK_VALUES // m)):
            some = rows[part]
            profiles = squared_distances(some, self.landmark_rows_)
            gaps = cdist(profiles, self.cluster_profiles_, "cityblock") / m
            squares = squared_lengths(some)[:, None] + self.cluster_squares_
            distances = squares - 2 * (some @ self.cluster_means_.T)
            misfit[part] = np.maximum(gaps, np.abs(distances - self.cluster_distances_))
        return misfit - self.threshold_

    def check_parameters(self) -> None:
        check_number(self, "threshold", float, 0, excluding=(0,))
        check_number(self, "coverage", float, 0, 1, excluding=(0,), optional=True)
        check_number(self, "max_distance", float, 0, excluding=(0,))
        check_number(self, "min_size", int, 1)
        check_number(self, "n_landmarks", int, 1, optional=True)

    def _n_landmarks(self, n: int) -> int:
        if self.n_landmarks is not None:
            return min(self.n_landmarks, n)
        return n if n <= _MOST_ROWS_IN_FULL else _LANDMARKS

    def _finder(self, space: DistanceProfiles) -> Callable[[float], list[Cluster]]:
        """Return the search as a function of the threshold, which shares what does not depend on it."""
        nearest = None if space.is_full else nearest_pairs(space, self.max_distance)

        def find(threshold: float) -> list[Cluster]:
            if nearest is None:
                pairs = all_pairs(space, self.max_distance, threshold)
            else:
                pairs = likely_pairs(space, nearest, threshold)
            return find_clusters(space, pairs, threshold, self.min_size)

        return find

    def _learn(self, rows: Numbers, landmarks: RowNumbers, found: list[Cluster]) -> None:
        self.n_clusters_ = k = len(found)
        self.labels_ = np.full(len(rows), -1)
        for label, cluster in enumerate(found):
            self.labels_[cluster.members] = label
        kept = _evenly_spaced(len(landmarks), min(len(landmarks), _LANDMARKS))
        members = [rows[cluster.members] for cluster in found]
        self.landmark_rows_ = rows[landmarks[kept]]
        self.cluster_distances_ = np.array([cluster.distance for cluster in found])
        self.cluster_profiles_ = np.reshape([cluster.profile[kept] for cluster in found], (k, len(kept)))
        self.cluster_means_ = np.reshape([some.mean(axis=0) for some in members], (k, rows.shape[1]))
        self.cluster_squares_ = np.array([squared_lengths(some).mean() for some in members])


def _cover(find: Callable[[float], list[Cluster]], wanted: float, n: int) -> tuple[float, list[Cluster]]:
    """Return the threshold that assigns the number of rows nearest to the wanted one, and its clusters.

    Doubled or halved until it is between two others, then the geometric mean of these: thresholds matter by
    their ratio. The number need not rise with the threshold everywhere, but it does on the whole.
    """
    low, high, threshold = 0.0, np.inf, _FIRST_THRESHOLD
    best: tuple[float, float, list[Cluster]] | None = None
    for _ in range(_MOST_THRESHOLDS):
        found = find(threshold)
        missing = wanted - sum(len(cluster.members) for cluster in found)
        if best is None or abs(missing) < best[0]:
            best = abs(missing), threshold, found
        if best[0] <= _COVERAGE_TOLERANCE * n or (missing > 0 and threshold >= _LARGEST_THRESHOLD):
            break
        low, high = (threshold, high) if missing > 0 else (low, threshold)
        if low == 0:
            threshold = high / 2
        else:
            threshold = min(2 * low, _LARGEST_THRESHOLD) if high == np.inf else float(np.sqrt(low * high))
    assert best is not None
    return best[1], best[2]


def _evenly_spaced(n: int, m: int) -> RowNumbers:
    return np.linspace(0, n - 1, m).round().astype(np.int64)
