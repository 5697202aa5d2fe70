"""What every data set offers: rows that are read when asked for, and labels for draws and metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dross.errors import InputError

__all__ = ["ArrayRows", "Data", "Dataset", "Layout", "Rows", "SparseRows", "TableRows", "TextRows", "locate"]

Indices = NDArray[np.int64]


class Rows(Protocol):
    """Rows of a data set; only those that are taken are read."""

    def __len__(self) -> int: ...

    def take(self, indices: Indices, /) -> Any:
        """Return some rows, in the order asked.

        That is a uint8 array ``(m, channels, height, width)`` of images, a float32 array ``(m, d)``, a
        ``pyarrow.Table``, or a list of texts.
        """


@dataclass(frozen=True)
class ArrayRows:
    """Rows of an array in memory."""

    array: NDArray[Any]

    def __len__(self) -> int:
        return len(self.array)

    def take(self, indices: Indices) -> NDArray[Any]:
        """Return ``(m, ...)``, a copy."""
        return np.asarray(self.array[np.asarray(indices, np.int64)])


@dataclass(frozen=True)
class TableRows:
    """Rows of an Arrow table in memory."""

    table: pa.Table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def take(self, indices: Indices) -> pa.Table:
        """Return a table of the same columns."""
        return self.table.take(pa.array(np.asarray(indices, np.int64)))


@dataclass(frozen=True)
class TextRows:
    """Documents in memory."""

    texts: list[str]
    _tfidf: dict[int, SparseRows] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, indices: Indices) -> list[str]:
        """Return the documents."""
        return [self.texts[i] for i in indices]

    def tfidf(self, n_terms: int) -> SparseRows:
        """Return the documents as TF-IDF of the ``n_terms`` most frequent terms of all of them.

        Each row has Euclidean norm 1. Computed once and kept.
        """
        if n_terms not in self._tfidf:
            from sklearn.feature_extraction.text import TfidfVectorizer

            vectorizer = TfidfVectorizer(max_features=n_terms, dtype=np.float32)
            self._tfidf[n_terms] = SparseRows(vectorizer.fit_transform(self.texts))
        return self._tfidf[n_terms]


@dataclass(frozen=True)
class SparseRows:
    """Rows of a sparse matrix in memory."""

    matrix: Any

    def __len__(self) -> int:
        return int(self.matrix.shape[0])

    def take(self, indices: Indices) -> NDArray[np.float32]:
        """Return ``(m, d)``, dense."""
        return np.asarray(self.matrix[indices].toarray(), np.float32)


@dataclass(frozen=True)
class Data:
    """One data set, opened.

    Attributes
    ----------
    rows : Rows
        What is fitted and scored.
    labels : array (n,)
        Class of each row, int or str. For draws and metrics only.
    is_test : bool array (n,) or None
        The data set's own split.
    note : str
        What a reader of results must know, such as "CIFAR-10 (JPEG copy)".
    groups : array (n,) of str, or None
        What several rows share: the video of a segment, the coarse class of a CIFAR-100 image.
    """

    rows: Rows
    labels: NDArray[Any]
    is_test: NDArray[np.bool_] | None = None
    note: str = ""
    groups: NDArray[Any] | None = None


@dataclass(frozen=True)
class Layout:
    """One way in which a data set lies on a disk.

    Parameters
    ----------
    paths : tuple of str
        What has to be there: files, folders (ending in ``/``) or patterns; ``[.gz]`` at the end says that
        the file may be compressed.
    read : callable
        Given the folder that `paths` are in, returns the data.
    folders : tuple of str
        Where `paths` may be, below the root of all data; the first is the usual one.
    """

    paths: tuple[str, ...]
    read: Callable[[Path], Data]
    folders: tuple[str, ...] = ("",)

    def place(self, root: Path) -> Path | None:
        """Return the folder that has all the paths, or None."""
        for folder in self.folders:
            if all(locate(root / folder, path) for path in self.paths):
                return root / folder
        return None

    def __str__(self) -> str:
        return ", ".join(f"{self.folders[0]}/{path}" if self.folders[0] else path for path in self.paths)


@dataclass(frozen=True)
class Dataset:
    """A public data set: where it comes from and how it is read from a local folder.

    Nothing is ever downloaded.

    Parameters
    ----------
    name, title : str
        For commands, and for people.
    kind : str
        What the rows are.
    layouts : tuple of Layout
        Tried in turn.
    source : str
        Address of the data set's own page.
    licence : str
        In a few words, as the owner states it.
    """

    name: str
    title: str
    kind: Literal["table", "image", "text", "video"]
    layouts: tuple[Layout, ...]
    source: str
    licence: str

    def find(self, root: Path) -> Layout | None:
        """Return the first layout that is present below `root`, or None."""
        return next((layout for layout in self.layouts if layout.place(root) is not None), None)

    def load(self, root: Path) -> Data:
        """Open the data set; images are decoded only when they are taken.

        Raises
        ------
        InputError
            If it is not there, with the layouts that are looked for, or if a file of it is damaged.
        """
        for layout in self.layouts:
            place = layout.place(root)
            if place is not None:
                data = layout.read(place)
                self._check(data, layout, place)
                return data
        needed = "; or ".join(str(layout) for layout in self.layouts)
        raise InputError(f"{self.title} is not in {root}. Needed is {needed}. It comes from {self.source}.")

    def _check(self, data: Data, layout: Layout, place: Path) -> None:
        lengths = {len(data.rows), len(data.labels)}
        lengths |= {len(part) for part in (data.is_test, data.groups) if part is not None}
        if len(lengths) > 1 or lengths == {0}:
            where = ", ".join(str(place / path) for path in layout.paths)
            raise InputError(
                f"{self.title} cannot be used: {where} hold {len(data.rows)} rows "
                f"and {len(data.labels)} labels."
            )


def locate(place: Path, path: str) -> Path | None:
    """Return the first match of one of the paths of a `Layout` in a folder, or None."""
    if path.endswith("[.gz]"):
        plain = path.removesuffix("[.gz]")
        return locate(place, plain) or locate(place, f"{plain}.gz")
    needs_folder = path.endswith("/")
    matches = (match for match in sorted(place.glob(path.rstrip("/"))) if match.is_dir() or not needs_folder)
    return next(matches, None)
