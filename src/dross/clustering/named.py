"""The clusterings that detectors take by name."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dross.clustering.distribution_clustering import DistributionClustering

__all__ = ["CLUSTERINGS", "clustering"]

CLUSTERINGS = ("distribution_clustering", "gmm", "hdbscan", "kmeans")

_MAX_FULL_DIM = 32  # columns up to which a mixture has full covariances: above, they cost more than they tell
_SMALLEST_VARIANCE = 1e-6


def clustering(name: str, X: NDArray[Any], n_clusters: int, seed: int) -> Any:
    """Return an unfitted clusterer for rows ``(n, d)``.

    Parameters
    ----------
    name : str
        One of `CLUSTERINGS`; HDBSCAN takes at least 5 members, as distribution clustering does.
    n_clusters : int
        Of a mixture or k-means: at most so many, as there may be fewer distinct rows.

    Examples
    --------
    >>> clustering("kmeans", np.array([[0.0], [0.0], [1.0]]), 20, 0).n_clusters
    2
    """
    from sklearn.cluster import HDBSCAN, KMeans
    from sklearn.mixture import GaussianMixture

    if name == "distribution_clustering":
        return DistributionClustering()
    if name == "hdbscan":
        return HDBSCAN(min_cluster_size=max(2, min(5, len(X))), copy=True)
    n_clusters = min(n_clusters, len(np.unique(X[:: max(1, len(X) // 1000)], axis=0)))
    if name == "kmeans":
        return KMeans(n_clusters, n_init=1, random_state=seed)
    return GaussianMixture(
        n_clusters,
        covariance_type="full" if X.shape[1] <= _MAX_FULL_DIM else "diag",
        reg_covar=max(_SMALLEST_VARIANCE, _SMALLEST_VARIANCE * float(X.var())),
        random_state=seed,
    )
