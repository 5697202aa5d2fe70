"""Clusters of a neighbour graph, and how many there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh
from scipy.sparse import diags_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import LinearOperator, eigsh
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import KMeans
from sklearn.neighbors import KNeighborsClassifier, kneighbors_graph
from sklearn.preprocessing import normalize
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from dross.parameters import check_number

__all__ = ["SubClusters", "cut"]

_LEAST_ROWS = 20  # in a cluster of a finer clustering, on average
_DENSE_ROWS = 500  # up to here all eigenvectors are computed: it is quicker, and takes any number of them


@dataclass(kw_only=True, eq=False, repr=False)
class SubClusters(ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """Spectral clustering of the nearest-neighbour graph, which finds the number of clusters.

    The graph of rows and their neighbours falls into k parts, with few edges between them, where its
    normalised Laplacian has k small eigenvalues and then a gap. The number of clusters is where the gap is
    largest, from 2 on. Clusters may have any shape: only who is near whom counts, so that it serves
    embeddings that keep neighbours together and spread everything else. A graph of more parts without an
    edge between them than clusters may be found gives the largest parts, and one cluster of the others.

    Parameters
    ----------
    n_clusters : int or None, default None
        None finds the number.
    max_clusters : int, default 20
        The most it finds, and on average two rows for each neighbour in each: the eigenvalues of smaller
        parts are noise.
    n_neighbors : int, default 10
        Of each row in the graph, scikit-learn's default for spectral clustering; at most all others.
    random_state : int, RandomState or None, default None

    Attributes
    ----------
    labels_ : int array of shape (n,)
        From 0.
    n_clusters_ : int
    eigenvalues_ : ndarray
        The smallest of the Laplacian, rising; one more than the clusters that could have been found.

    References
    ----------
    von Luxburg: A tutorial on spectral clustering. Statistics and Computing 17, 2007 (section 8.3 for the
    gap).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(90, 2)) * 0.3 + np.repeat([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]], 30, axis=0)
    >>> SubClusters(random_state=0).fit(X).n_clusters_
    3
    """

    n_clusters: int | None = None
    max_clusters: int = 20
    n_neighbors: int = 10
    random_state: int | np.random.RandomState | None = None

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Cluster rows.

        Parameters
        ----------
        X : array of shape (n, d)
            At least two rows.
        y : ignored

        Raises
        ------
        ParameterError
            If a parameter is out of range.
        """
        check_number(self, "n_clusters", int, 1, optional=True)
        check_number(self, "max_clusters", int, 2, optional=self.n_clusters is not None)
        check_number(self, "n_neighbors", int, 1)
        rows: NDArray[Any] = validate_data(self, X, ensure_min_samples=2)
        random = check_random_state(self.random_state)
        n_neighbors = min(self.n_neighbors, len(rows) - 1)
        graph = kneighbors_graph(rows, n_neighbors)
        graph = graph.maximum(graph.T)
        at_most = self.n_clusters or min(self.max_clusters, max(2, len(rows) // (2 * n_neighbors)))
        at_most = min(at_most, len(rows) - 1)
        n_parts, part = connected_components(graph)
        if n_parts > at_most:
            self.eigenvalues_ = np.zeros(at_most + 1)
            self.n_clusters_ = min(self.n_clusters or at_most, len(rows))
            by_size = np.argsort(np.argsort(-np.bincount(part), kind="stable"))
            self.labels_ = np.minimum(by_size[part], self.n_clusters_ - 1)
        else:
            self.eigenvalues_, vectors = _spectrum(graph, part, at_most + 1, random)
            gaps = np.diff(self.eigenvalues_)[1:]  # after the second, the third, ...
            found = 2 + int(gaps.argmax()) if len(gaps) else 2
            self.n_clusters_ = min(self.n_clusters or found, len(rows))
            means = KMeans(self.n_clusters_, n_init=10, random_state=random)
            self.labels_ = means.fit_predict(normalize(vectors[:, : self.n_clusters_])).astype(np.int64)
        self._nearest = KNeighborsClassifier(1).fit(rows, self.labels_)
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """Return the cluster of each row's nearest fitted row, shape (m,)."""
        check_is_fitted(self)
        return np.asarray(self._nearest.predict(validate_data(self, X, reset=False)))


def cut(rows: NDArray[Any], n_clusters: int | Sequence[int] | None, random_state: int) -> NDArray[np.int64]:
    """Return clusterings of rows by `SubClusters`, coarse to fine.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
    n_clusters : int, sequence of int or None
        Clusters of each; None takes the number k that is found, 2 k, 4 k and 8 k, as far as there are 20 rows
        for each cluster.
    random_state : int

    Returns
    -------
    int array of shape (n, n_clusterings)

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(90, 2)) + np.repeat([[0.0], [9.0]], 45, axis=0)
    >>> cut(rows, (2, 5), 0).max(axis=0).tolist()
    [1, 4]
    """
    found: list[SubClusters] = []
    if n_clusters is None:
        found.append(SubClusters(random_state=random_state).fit(rows))
        k = found[0].n_clusters_
        at_most = max(k, len(rows) // _LEAST_ROWS)
        n_clusters = sorted({min(k * times, at_most) for times in (2, 4, 8)} - {k})
    found += [
        SubClusters(n_clusters=int(k), random_state=random_state).fit(rows) for k in np.atleast_1d(n_clusters)
    ]
    return np.column_stack([one.labels_ for one in found])


def _spectrum(
    graph: Any, part: NDArray[np.integer], n: int, random: np.random.RandomState
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the n least eigenvalues of a graph's Laplacian, rising, and their vectors as columns.

    ``part`` numbers the connected part of each row, less than n of them.
    """
    roots = np.sqrt(np.asarray(graph.sum(axis=1)).ravel())
    scale = diags_array(1 / roots)
    adjacency = scale @ graph @ scale  # 1 - the Laplacian
    if len(roots) <= _DENSE_ROWS:
        values, vectors = eigh(adjacency.toarray(), subset_by_index=[len(roots) - n, len(roots) - 1])
        return 1 - values[::-1], vectors[:, ::-1]
    # Parts without an edge between them share the eigenvalue 0, of which an iteration may miss some.
    n_parts = int(part.max()) + 1
    known = np.zeros((len(roots), n_parts))
    known[np.arange(len(roots)), part] = roots
    known /= np.linalg.norm(known, axis=0)
    rest = LinearOperator(adjacency.shape, lambda x: adjacency @ x - known @ (known.T @ x), dtype=float)
    values, vectors = eigsh(rest, k=n - n_parts, which="LA", v0=random.uniform(-1, 1, len(roots)))
    return (
        np.concatenate([np.zeros(n_parts), 1 - values[::-1]]),
        np.column_stack([known, vectors[:, ::-1]]),
    )
