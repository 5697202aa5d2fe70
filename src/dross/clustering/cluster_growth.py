"""The greedy search of distribution clustering: pairs of rows by rising distance, each grown to a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dross.clustering.distance_profiles import DistanceProfiles, Numbers, RowNumbers
from dross.rows import batches

__all__ = ["Cluster", "Pairs", "all_pairs", "find_clusters", "likely_pairs", "nearest_pairs"]

Pairs = tuple[RowNumbers, RowNumbers, Numbers]
"""First and second row of each pair, in rising order, and their squared distances."""

_NEIGHBOURS = 64
_CHUNK_VALUES = 1_000_000
_PAIRS_PER_BAND = 1_000_000
_PAIRS_AT_ONCE = 4_096
_ROWS_PER_BLOCK = 128


@dataclass(frozen=True)
class Cluster:
    """Rows of one distribution.

    Attributes
    ----------
    members : int array
        Row numbers.
    distance : float
        Mean squared distance of two members: twice the distribution's variance.
    profile : ndarray of shape (m,)
        The mean profile that the last members were held against.
    """

    members: RowNumbers
    distance: float
    profile: Numbers


def find_clusters(space: DistanceProfiles, pairs: Pairs, threshold: float, min_size: int) -> list[Cluster]:
    """Return the clusters with more than ``min_size`` members, in the order in which they are found."""
    free = np.ones(len(space.rows), np.bool_)
    found = []
    for i, j, distance in _seeds(space, pairs, threshold, free):
        members = np.array([i, j])
        free[members] = False
        members, profile = _grow(space, members, distance, threshold, free)
        if len(members) > 2:  # otherwise the second growth would be the first one again
            distance = float(space.sums(members, members).sum()) / (len(members) * (len(members) - 1))
            members, profile = _grow(space, members, distance, threshold, free)
        if len(members) > min_size:
            found.append(Cluster(members, distance, profile))
        else:
            free[members] = True
    return found


# ----------------------------------------------------------------------------- seeds


def all_pairs(space: DistanceProfiles, max_distance: float, threshold: float) -> Pairs:
    """Return the pairs of different rows up to a distance whose profiles may differ by the threshold."""
    n = len(space.rows)
    found = []
    for part in batches(n, max(1, _CHUNK_VALUES // n)):
        i, j = np.nonzero(np.triu(space.block_maybe_within(part, threshold), 1))
        found.append(_pairs(space, i + part.start, j + part.start, max_distance))
    i, j, distance = (np.concatenate(values) for values in zip(*found, strict=True))
    return i, j, distance


def nearest_pairs(space: DistanceProfiles, max_distance: float) -> Pairs:
    """Return the pairs of different rows up to a distance, one among the 64 nearest of the other.

    Neighbours are found in float32, which may swap two at nearly the same distance.
    """
    rows = space.rows.astype(np.float32)
    n, k = len(rows), min(_NEIGHBOURS, len(rows) - 1)
    keys = []
    for part in batches(n, max(1, 8 * _CHUNK_VALUES // n)):
        likeness = rows[part] @ rows.T
        own = np.arange(part.start, part.stop)[:, None]
        np.put_along_axis(likeness, own, -np.inf, axis=1)
        near = np.argpartition(likeness, n - k, axis=1)[:, n - k :]
        keys.append((np.minimum(own, near) * n + np.maximum(own, near)).ravel())
    i, j = np.divmod(np.unique(np.concatenate(keys)), n)
    return _pairs(space, i, j, max_distance)


def likely_pairs(space: DistanceProfiles, pairs: Pairs, threshold: float) -> Pairs:
    """Return the pairs whose profiles may differ by the threshold."""
    i, j, distance = pairs
    maybe = space.maybe_within(i, j, threshold)
    return i[maybe], j[maybe], distance[maybe]


def _pairs(space: DistanceProfiles, i: RowNumbers, j: RowNumbers, max_distance: float) -> Pairs:
    distance = space.pair_distances(i, j)
    keep = (distance > 0) & (distance <= max_distance)
    return i[keep].astype(np.int32), j[keep].astype(np.int32), distance[keep]


def _seeds(
    space: DistanceProfiles, pairs: Pairs, threshold: float, free: NDArray[np.bool_]
) -> Iterator[tuple[int, int, float]]:
    """Yield the pairs of free rows with like profiles, by rising distance, then in the order of the rows.

    ``free`` is looked at before each pair; the caller changes it in between.
    """
    for band in _bands(pairs, free):
        for part in batches(len(band), _PAIRS_AT_ONCE):
            chunk = band[part]
            i, j, distance = pairs[0][chunk], pairs[1][chunk], pairs[2][chunk]
            some = np.flatnonzero(free[i] & free[j])
            some = some[space.pairs_within(i[some], j[some], threshold)]
            for k in some:
                if free[i[k]] and free[j[k]]:
                    yield int(i[k]), int(j[k]), float(distance[k])


def _bands(pairs: Pairs, free: NDArray[np.bool_]) -> Iterator[RowNumbers]:
    """Yield the numbers of the pairs in rising order, about a million at a time.

    So only pairs that are still free at their distance are ever sorted.
    """
    i, j, distance = pairs
    n_bands = len(distance) // _PAIRS_PER_BAND + 1
    sample = distance[::n_bands]
    edges: list[float] = np.quantile(sample, np.arange(1, n_bands) / n_bands).tolist() if n_bands > 1 else []
    for low, high in zip([0.0, *edges], [*edges, np.inf], strict=True):
        band = np.flatnonzero((distance > low) & (distance <= high) & free[i] & free[j])
        yield band[np.argsort(distance[band], kind="stable")]


# ----------------------------------------------------------------------------- growth


def _grow(
    space: DistanceProfiles, members: RowNumbers, distance: float, threshold: float, free: NDArray[np.bool_]
) -> tuple[RowNumbers, Numbers]:
    """Return the members with the rows that join them, and the profile that these were held against."""
    profile = space.mean_profile(members, distance)
    rows = space.candidates(free, profile, distance, threshold)
    growth = _Growth(space, profile, distance, threshold, rows, members)
    members = np.concatenate([members, growth.run()])
    free[members] = False
    return members, profile


class _Growth:
    """Rows join one after the other, again and again in their order, until none does.

    A row joins if its profile is like the given one, which does not change, and if its mean distance to the
    members is like the given one; that changes with every row that joins.
    """

    def __init__(
        self,
        space: DistanceProfiles,
        profile: Numbers,
        distance: float,
        threshold: float,
        rows: RowNumbers,
        members: RowNumbers,
    ) -> None:
        self._space, self._profile, self._distance, self._threshold = space, profile, distance, threshold
        self._rows = rows
        self._sums = space.sums(rows, members)  # of the distances to the members
        self._size = len(members)
        self._waits = np.ones(len(rows), np.bool_)  # neither joined nor found to have another profile
        self._fits = np.zeros(len(rows), np.bool_)  # found to have a like profile
        self._joined: list[RowNumbers] = []

    def run(self) -> RowNumbers:
        """Return the rows that join, in order."""
        start, n_before = 0, 0
        while True:
            near = self._near(slice(start, None), self._sums[start:])
            if near.any():
                start += int(near.argmax())  # nothing joins before it
                self._run_block(slice(start, start + _ROWS_PER_BLOCK))
                start += _ROWS_PER_BLOCK
            elif len(self._joined) > n_before:  # a row passed over earlier may join now
                start, n_before = 0, len(self._joined)
            else:
                return np.concatenate([*self._joined, np.empty(0, np.int64)])

    def _near(self, part: slice, sums: Numbers) -> NDArray[np.bool_]:
        return self._waits[part] & (np.abs(sums / self._size - self._distance) < self._threshold)

    def _run_block(self, part: slice) -> None:
        """Go once through a block of rows; sums outside of it are brought up to date afterwards."""
        rows, sums, between = self._rows[part], self._sums[part].copy(), None
        new: list[int] = []
        while True:
            near = self._near(part, sums)
            near[: new[-1] + 1 if new else 0] = False
            self._compare_profiles(part, near)
            near &= self._waits[part]
            if not near.any():
                break
            new.append(int(near.argmax()))
            if between is None:
                between = self._space.between(rows)
            sums += between[new[-1]]
            self._waits[part.start + new[-1]] = False
            self._size += 1
        if new:
            self._sums += self._space.sums(self._rows, rows[new])
            self._joined.append(rows[new])

    def _compare_profiles(self, part: slice, asked: NDArray[np.bool_]) -> None:
        """Find out for some rows of a block, once for each, whether their profiles are like the given one."""
        unknown = part.start + np.flatnonzero(asked & ~self._fits[part])
        if len(unknown):
            gaps = self._space.gaps(self._rows[unknown], self._profile, self._distance)
            self._fits[unknown] = self._waits[unknown] = gaps < self._threshold
