"""Which clusters to trust: those of low variance (equation 2 of Li et al., DUAD)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_array

from dross.parameters import check_choice, check_number
from dross.rows import sample_rows

__all__ = ["VarianceSelection", "cluster_variances"]

_ROUNDING = 1e-12  # 1 - .9 of 100 is less than 10


def cluster_variances(X: NDArray[Any], labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return each cluster's mean squared distance to its mean: the trace of its covariance.

    Parameters
    ----------
    X : array of shape (n, d)
    labels : int array of shape (n,)
        Clusters 0..k-1; -1 is no cluster.

    Returns
    -------
    ndarray of shape (k,)
        NaN for a cluster without members.

    Examples
    --------
    >>> cluster_variances(np.array([[0.0], [2.0], [5.0], [9.0]]), np.array([0, 0, 1, -1])).tolist()
    [1.0, 0.0]
    """
    is_member = labels >= 0
    members, labels = X[is_member].astype(np.float64, copy=False), labels[is_member]
    if not len(labels):
        return np.empty(0)
    sizes = np.bincount(labels).astype(np.float64)
    sizes[sizes == 0] = np.nan
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
    sums = np.full((len(sizes), X.shape[1]), np.nan)
    sums[labels[order][starts]] = np.add.reduceat(members[order], starts)
    members -= (sums / sizes[:, None])[labels]
    return np.asarray(np.bincount(labels, np.einsum("ij,ij->i", members, members), len(sizes)) / sizes)


@dataclass(kw_only=True, eq=False, repr=False)
class VarianceSelection(BaseEstimator):  # type: ignore[misc]
    """Keeps the clusters of least variance: anomalies come from distributions of high variance.

    Parameters
    ----------
    clusterer : clusterer or mixture of scikit-learn's kind
        Anything with ``fit_predict``; -1 among its labels is no cluster and never kept.
    p : float in [0, 1), default 0.3
        The share left out (DUAD's on KDD Cup 99): what is presumed anomalous, or a little more.
    count : "clusters" or "rows", default "clusters"
        What the share counts: "clusters" keeps those with at most the (1 - p) percentile of the clusters'
        variances, however large they are (the paper's words); "rows" adds clusters by rising variance as
        long as at most 1 - p of the rows are kept, and at least one.
    max_samples : int, default 20 000
        Rows that a clusterer with ``predict`` is fitted on, evenly drawn; one without sees all.
    random_state : int, default 0
        Of that draw.

    Attributes
    ----------
    labels_ : int array of shape (n,)
        The cluster of each row.
    variances_ : ndarray of shape (n_clusters,)
        See `cluster_variances`.
    is_kept_ : bool array of shape (n_clusters,)
    is_selected_ : bool array of shape (n,)
        The rows of the clusters kept; none where there is no cluster.

    References
    ----------
    Li, Wang, Liu, Lin: Deep unsupervised anomaly detection. WACV 2021.

    Examples
    --------
    >>> from sklearn.cluster import KMeans
    >>> X = np.array([[0.0], [0.1], [0.2], [5.0], [9.0], [7.0]])
    >>> selection = VarianceSelection(clusterer=KMeans(2, n_init=1, random_state=0), p=0.5).fit(X)
    >>> selection.is_selected_.tolist()
    [True, True, True, False, False, False]
    """

    clusterer: Any
    p: float = 0.3
    count: Literal["clusters", "rows"] = "clusters"
    max_samples: int = 20_000
    random_state: int = 0

    def fit(self, X: NDArray[Any], y: object = None) -> Self:
        """Cluster the rows ``(n, d)`` and choose among the clusters; ``y`` is ignored.

        Raises
        ------
        ParameterError
            For a share outside [0, 1), an unknown ``count`` or no samples.
        """
        check_number(self, "p", float, 0, 1, excluding=(1,))
        check_choice(self, "count", "clusters", "rows")
        check_number(self, "max_samples", int, 1)
        X = check_array(X)
        self.labels_ = np.asarray(self._cluster(X))
        self.variances_ = cluster_variances(X, self.labels_)
        self.is_kept_ = self._choose(np.bincount(self.labels_[self.labels_ >= 0], minlength=0))
        # One more place, so that -1 finds its own.
        self.is_selected_ = np.append(self.is_kept_, False)[self.labels_]
        return self

    def _cluster(self, X: NDArray[Any]) -> NDArray[np.integer]:
        clusterer = clone(self.clusterer)
        if not hasattr(clusterer, "predict") or len(X) <= self.max_samples:
            return np.asarray(clusterer.fit_predict(X))
        clusterer.fit(X[sample_rows(len(X), self.max_samples, self.random_state)])
        return np.asarray(clusterer.predict(X))

    def _choose(self, sizes: NDArray[np.integer]) -> NDArray[np.bool_]:
        if not len(sizes):
            return np.zeros(0, bool)
        if self.count == "clusters":
            return np.asarray(self.variances_ <= np.nanpercentile(self.variances_, 100 * (1 - self.p)))
        order = np.argsort(self.variances_, kind="stable")  # empty clusters, NaN, come last
        most = (1 - self.p) * len(self.labels_) * (1 + _ROUNDING)
        n_kept = max(1, int((np.cumsum(sizes[order]) <= most).sum()))
        is_kept = np.zeros(len(sizes), bool)
        is_kept[order[:n_kept]] = True
        return is_kept
