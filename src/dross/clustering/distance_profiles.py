"""Squared distances of unit rows, and profiles: the distances of one row to all rows, or to landmarks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from dross.rows import batches

__all__ = ["DistanceProfiles", "Numbers", "RowNumbers", "squared_distances", "squared_lengths", "unit_rows"]

Numbers = NDArray[np.float64]
RowNumbers = NDArray[np.int64]

_GROUPS = 64
_CHUNK_VALUES = 4_000_000
_ROUNDING = 2.0**-40
_SLACK = 1e-9  # far above the rounding of a mean of distances


def unit_rows(X: Numbers) -> Numbers:
    """Return the rows of ``X``, shape ``(n, d)``, divided by their Euclidean length; a zero row stays zero.

    Examples
    --------
    >>> unit_rows(np.array([[3e200, 4e200], [0.0, 0.0]])).round(9).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    largest = np.abs(X).max(axis=1, keepdims=True)
    rows = X / np.where(largest > 0, largest, 1.0)  # so that no square overflows or vanishes
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    rows /= np.where(length > 0, length, 1.0)
    return rows


def squared_lengths(rows: Numbers) -> Numbers:
    """Return 1 for each unit row and 0 for each zero row, shape ``(n,)``, without rounding errors."""
    return np.asarray(rows.any(axis=1), np.float64)


def squared_distances(a: Numbers, b: Numbers) -> Numbers:
    """Return the squared distances of unit or zero rows, shape ``(len(a), len(b))``, from 0 to 4.

    They are rounded to multiples of 2^-40, about 1e-12. A matrix product adds up in an order that depends on
    the place in the matrix; rounded, the distances of equal rows are zero and equal distances are equal.

    Examples
    --------
    >>> squared_distances(np.eye(2), np.array([[0.6, 0.8]])).round(9).tolist()
    [[0.8], [0.4]]
    """
    distances = a @ b.T
    distances *= -2.0
    distances += squared_lengths(a)[:, None]
    distances += squared_lengths(b)
    return _rounded(distances)


def _rounded(distances: Numbers) -> Numbers:
    """Round in place; what cancelled to less than zero is zero."""
    distances /= _ROUNDING
    np.rint(distances, out=distances)
    distances *= _ROUNDING
    return np.maximum(distances, 0.0, out=distances)


class DistanceProfiles:
    """The rows of a data set, each with its profile: its squared distances to the landmarks.

    An entry of a row for itself stands for a distance to a like row that is not there. It is left out, or
    takes a value that the caller gives as ``own``.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Of length 1, or zero.
    landmarks : int array of shape (m,)
        Numbers of the rows that profiles refer to; ``arange(n)`` for full profiles.

    Attributes
    ----------
    profiles : ndarray of shape (n, m)
        ``8 n m`` bytes.
    is_full : bool
        Whether every row is a landmark.
    """

    def __init__(self, rows: Numbers, landmarks: RowNumbers) -> None:
        n, m = len(rows), len(landmarks)
        self.rows = rows
        self.is_full = n == m
        if self.is_full:
            self.profiles = squared_distances(rows, rows)
        else:
            self.profiles = np.empty((n, m))
            for part in batches(n, max(1, _CHUNK_VALUES // m)):
                self.profiles[part] = squared_distances(rows[part], rows[landmarks])
        self._squares = squared_lengths(rows)
        self._place = np.full(n, -1)
        self._place[landmarks] = np.arange(m)
        # Sums over groups of landmarks: their differences bound those of whole profiles from below, the more
        # tightly the nearer to each other a group's landmarks are.
        self._group = _groups_of_near(rows[landmarks])
        self._sums = self.profiles @ self._group
        self._by_total = np.argsort(self._sums.sum(axis=1), kind="stable")
        self._sorted_sums = self._sums[self._by_total]
        self._sorted_totals = self._sorted_sums.sum(axis=1)

    # ------------------------------------------------------------------------- pairs

    def pair_distances(self, i: RowNumbers, j: RowNumbers) -> Numbers:
        """Return the squared distance of each pair."""
        if self.is_full:
            return self.profiles[i, j]
        distances = np.empty(len(i))
        for part in batches(len(i), max(1, _CHUNK_VALUES // self.rows.shape[1])):
            distances[part] = np.square(self.rows[i[part]] - self.rows[j[part]]).sum(axis=1)
        return _rounded(distances)

    def pairs_within(self, i: RowNumbers, j: RowNumbers, limit: float) -> NDArray[np.bool_]:
        """Mark the pairs with profiles that differ by at most ``limit`` in the mean, own entries left out."""
        m = self.profiles.shape[1]
        own = self._own_part(i, j)
        within = np.zeros(len(i), np.bool_)
        for part in batches(len(i), max(1, _CHUNK_VALUES // m)):
            gap = np.abs(self.profiles[i[part]] - self.profiles[j[part]]).sum(axis=1)
            within[part] = (gap - own[part]) / m <= limit
        return within

    def maybe_within(self, i: RowNumbers, j: RowNumbers, limit: float) -> NDArray[np.bool_]:
        """Mark all pairs of `pairs_within` and some others, in a fraction of the time."""
        gap = np.empty(len(i))
        for part in batches(len(i), _CHUNK_VALUES // _GROUPS):
            gap[part] = np.abs(self._sums[i[part]] - self._sums[j[part]]).sum(axis=1)
        return np.asarray(gap - self._own_part(i, j) <= (limit + _SLACK) * self.profiles.shape[1])

    def block_maybe_within(self, part: slice, limit: float) -> NDArray[np.bool_]:
        """Return `maybe_within` of some rows with all rows from the first of them on, of full profiles."""
        gap = cdist(self._sums[part], self._sums[part.start :], "cityblock")
        gap -= 2 * self.profiles[part, part.start :]
        return np.asarray(gap <= (limit + _SLACK) * len(self.rows))

    def _own_part(self, i: RowNumbers, j: RowNumbers) -> Numbers:
        """Return what the entries of the two rows for themselves add to the difference of their profiles."""
        places = self._place[i], self._place[j]
        own = np.where(places[0] >= 0, self.profiles[j, places[0]], 0.0)
        own += np.where(places[1] >= 0, self.profiles[i, places[1]], 0.0)
        return own

    # -------------------------------------------------------------------------- sets

    def mean_profile(self, members: RowNumbers, own: float) -> Numbers:
        """Return the mean of the members' profiles, shape ``(m,)``."""
        profile: Numbers = self.profiles[members].sum(axis=0)
        places = self._place[members]
        profile[places[places >= 0]] += own
        return profile / len(members)

    def gaps(self, rows: RowNumbers, profile: Numbers, own: float) -> Numbers:
        """Return the mean absolute difference between each row's profile and the given one."""
        gap = np.empty(len(rows))
        for part in batches(len(rows), max(1, _CHUNK_VALUES // len(profile))):
            gap[part] = cdist(self.profiles[rows[part]], profile[None], "cityblock")[:, 0]
        places = self._place[rows]
        given = profile[places]
        gap += np.where(places >= 0, np.abs(given - own) - np.abs(given), 0.0)
        return gap / len(profile)

    def candidates(self, free: NDArray[np.bool_], profile: Numbers, own: float, limit: float) -> RowNumbers:
        """Return all free rows with a gap below ``limit`` and some others, far faster than `gaps`.

        Parameters
        ----------
        free : bool array of shape (n,)
        """
        sums = profile @ self._group
        limit = (limit + _SLACK) * len(profile) + own
        total = float(sums.sum())
        first, last = np.searchsorted(self._sorted_totals, (total - limit, total + limit))
        gaps: Numbers = cdist(self._sorted_sums[first:last], sums[None], "cityblock")[:, 0]
        rows = self._by_total[first:last][gaps < limit]
        return np.sort(rows[free[rows]])

    def sums(self, rows: RowNumbers, members: RowNumbers) -> Numbers:
        """Return the sum of each row's squared distances to the members."""
        if self.is_full:
            return np.asarray(self.profiles[np.ix_(members, rows)].sum(axis=0))
        total = self.rows[members].sum(axis=0)
        squares = len(members) * self._squares[rows] + self._squares[members].sum()
        return np.asarray(squares - 2 * (self.rows[rows] @ total))

    def between(self, rows: RowNumbers) -> Numbers:
        """Return the squared distances between some rows."""
        if self.is_full:
            return np.asarray(self.profiles[np.ix_(rows, rows)])
        return squared_distances(self.rows[rows], self.rows[rows])


def _groups_of_near(rows: Numbers) -> Numbers:
    """Return which of at most 64 groups each row is in, as ones in a matrix: one step of k-means."""
    pivots = rows[np.unique(np.linspace(0, len(rows) - 1, _GROUPS).round().astype(np.int64))]
    ones = np.eye(len(pivots))
    group = ones[squared_distances(rows, pivots).argmin(axis=1)]
    means = (group.T @ rows) / np.maximum(group.sum(axis=0), 1)[:, None]
    nearest = (np.square(means).sum(axis=1) - 2 * (rows @ means.T)).argmin(axis=1)
    return np.asarray(ones[nearest])
