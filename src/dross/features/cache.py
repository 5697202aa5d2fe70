"""Vectors on disk, found again by the content they were computed from."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["KEY_BYTES", "VectorCache", "cache_root"]

KEY_BYTES = 16
_ADDED = 4_096  # what a killed run loses at most

Encoded = tuple[list[int], NDArray[np.float32]]
"""Rows, and their vectors."""


def cache_root() -> Path:
    """Return the folder that ``DROSS_CACHE`` names, else ``dross`` in the user's folder for caches."""
    if folder := os.environ.get("DROSS_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dross"


class VectorCache:
    """Vectors of one encoder by the digest of what was encoded.

    Parts are only ever added, each a file that appears whole: several runs may write at once, and one that is
    killed loses what it had not added yet. A folder that cannot be written costs the cache, not the run.

    Parameters
    ----------
    name : str
        Digest of the encoder and of everything else that decides its vectors.
    root : Path, optional
        Default: `cache_root`.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cache = VectorCache("encoder", Path(folder))
    ...     cache.add([b"a" * 16, b"b" * 16], np.eye(2, dtype=np.float32))
    ...     found, known = VectorCache("encoder", Path(folder)).look_up([b"b" * 16, b"c" * 16])
    >>> found.tolist(), known.tolist()
    ([[0.0, 1.0], [0.0, 0.0]], [True, False])
    """

    def __init__(self, name: str, root: Path | None = None) -> None:
        self.folder = (root or cache_root()) / "vectors" / name

    def look_up(self, keys: Sequence[bytes]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return vectors ``(n, d)``, zeros where there is none, and which there are; d is 0 without any."""
        known = np.zeros(len(keys), bool)
        found = np.zeros((len(keys), 0), np.float32)
        rows: dict[bytes, list[int]] = {}
        for row, key in enumerate(keys):
            rows.setdefault(key, []).append(row)
        for part in sorted(self.folder.glob("*.npy")) if self.folder.is_dir() else ():
            if (records := _read(part)) is None:
                continue
            if not found.shape[1]:
                found = np.zeros((len(keys), records.dtype["vector"].shape[0]), np.float32)
            stored = records["key"].tobytes()
            places = (stored[i : i + KEY_BYTES] for i in range(0, len(stored), KEY_BYTES))
            for place, key in enumerate(places):
                for row in rows.get(key, ()):
                    found[row] = records["vector"][place]
                    known[row] = True
        return found, known

    def complete(
        self, keys: Sequence[bytes], encode: Callable[[NDArray[np.int64]], Iterable[Encoded]]
    ) -> tuple[NDArray[np.float32], int]:
        """Return the vectors of all keys, and how many there were; ``encode`` is asked for the others.

        Of rows with equal keys only the first is encoded. ``encode`` yields rows and their vectors in
        batches, which are kept on disk every 4 096 vectors.
        """
        found, known = self.look_up(keys)
        missing = np.flatnonzero(~known).tolist()
        first: dict[bytes, int] = {}
        for row in missing:
            first.setdefault(keys[row], row)
        made: dict[bytes, NDArray[np.float32]] = {}
        waiting: list[bytes] = []
        for rows, batch in encode(np.array(list(first.values()), np.int64)):
            waiting += [keys[row] for row in rows]
            made |= {keys[row]: vector for row, vector in zip(rows, batch, strict=True)}
            if len(waiting) >= _ADDED or len(made) == len(first):
                self.add(waiting, np.stack([made[key] for key in waiting]))
                waiting = []
        if made and not found.shape[1]:
            found = np.zeros((len(keys), len(next(iter(made.values())))), np.float32)
        for row in missing:
            found[row] = made[keys[row]]
        return found, int(known.sum())

    def add(self, keys: Sequence[bytes], vectors: NDArray[np.float32]) -> None:
        """Add a part."""
        if not len(keys):
            return
        records = np.empty(len(keys), [("key", f"V{KEY_BYTES}"), ("vector", "<f4", (vectors.shape[1],))])
        records["key"] = np.frombuffer(b"".join(keys), f"V{KEY_BYTES}")
        records["vector"] = vectors
        name = blake2b(records.tobytes(), digest_size=16).hexdigest()
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.folder, prefix=".", delete=False) as file:
                try:
                    np.save(file, records, allow_pickle=False)
                    file.close()
                    Path(file.name).replace(self.folder / f"{name}.npy")
                finally:
                    Path(file.name).unlink(missing_ok=True)


def _read(part: Path) -> NDArray[np.void] | None:
    """Map one part; None if it is damaged."""
    try:
        records: NDArray[np.void] = np.load(part, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return records if records.dtype.names == ("key", "vector") and records.ndim == 1 else None
