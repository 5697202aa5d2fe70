"""Image sets whose files tell the class by their folder or name: Caltech-101, Dogs vs. Cats."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from dross.bench.datasets.base import Data, Dataset, Layout
from dross.bench.datasets.files import read_tree
from dross.bench.datasets.images import Images
from dross.sources.archives import IMAGE_FORMATS

__all__ = ["CALTECH101", "CATS_DOGS", "image_folders"]

# The classes of at least 100 images, as RSRAE takes them; the background class is none.
_CALTECH_LINE = """
Faces Faces_easy Leopards Motorbikes airplanes bonsai car_side chandelier hawksbill ketch watch
"""
_CALTECH_CLASSES = frozenset(_CALTECH_LINE.split())


def image_folders(
    path: Path,
    size: int,
    label: Callable[[str], str | None],
    *,
    is_test: Callable[[str], bool] | None = None,
    note: str = "",
) -> Data:
    """Open the images of a folder or archive, sorted by name.

    Parameters
    ----------
    path : Path
        Of a folder nothing but the names is read; an archive is read into memory, but not decoded.
    size : int
        Side of the squares; see `dross.bench.datasets.images.squash`.
    label : callable
        Name relative to `path` -> class, or None to leave the file out.
    is_test : callable, optional
        Name relative to `path` -> whether it is of the test split.
    note : str
        For `Data`; how many files were left out because they have zero bytes is added.

    Raises
    ------
    InputError
        If there is no image with a class, or an archive is damaged.
    """
    tree = read_tree(path, lambda name: _is_image(name) and label(name) is not None)
    notes = [note] if note else []
    if tree.n_empty:
        notes.append(f"{tree.n_empty} files of zero bytes left out")
    return Data(
        rows=Images(tree.contents, size, path, tree.names),
        labels=np.array([label(name) for name in tree.names]),
        is_test=np.array([is_test(name) for name in tree.names]) if is_test else None,
        note="; ".join(notes),
    )


def _is_image(name: str) -> bool:
    return f".{name.rpartition('.')[2].lower()}" in IMAGE_FORMATS


def _folder_of(name: str) -> str:
    return name.split("/")[-2] if "/" in name else ""


def _caltech_class(name: str) -> str | None:
    folder = _folder_of(name)
    return folder if folder in _CALTECH_CLASSES else None


def _cat_or_dog(name: str) -> str | None:
    """Return the class by Kaggle's file name, ``cat.0.jpg``, or else by the folder."""
    for word in (name.rpartition("/")[2].partition(".")[0], _folder_of(name).lower()):
        if word in ("cat", "dog"):
            return word
    return None


def _read_caltech(path: str, note: str, place: Path) -> Data:
    return image_folders(place / path, 32, _caltech_class, note=note)


def _read_cats_dogs(path: str, note: str, place: Path) -> Data:
    return image_folders(place / path, 64, _cat_or_dog, note=note)


_CALTECH_FOLDERS = ("", "caltech101", "caltech-101")
_CATS_DOGS_FOLDERS = ("", "cats_dogs", "dogs-vs-cats")

CALTECH101 = Dataset(
    name="caltech101",
    title="Caltech-101 (the 11 classes of 100 images or more)",
    kind="image",
    layouts=(
        *(
            Layout((path,), partial(_read_caltech, path.rstrip("/"), ""), _CALTECH_FOLDERS)
            for path in ("101_ObjectCategories/", "101_ObjectCategories.tar.gz")
        ),
        Layout(
            ("caltech101_11.tar.gz",),
            partial(_read_caltech, "caltech101_11.tar.gz", "Caltech-101, at most 120 images a class"),
        ),
    ),
    source="https://data.caltech.edu/records/mzrjq-6wc02",
    licence="CC BY 4.0",
)
CATS_DOGS = Dataset(
    name="cats_dogs",
    title="Dogs vs. Cats",
    kind="image",
    layouts=(
        Layout(
            ("train/cat.*.jpg", "train/dog.*.jpg"), partial(_read_cats_dogs, "train", ""), _CATS_DOGS_FOLDERS
        ),
        Layout(
            ("PetImages/Cat/", "PetImages/Dog/"),
            partial(_read_cats_dogs, "PetImages", ""),
            _CATS_DOGS_FOLDERS,
        ),
        Layout(
            ("cats_dogs_128.tar.gz",),
            partial(
                _read_cats_dogs,
                "cats_dogs_128.tar.gz",
                "Dogs vs. Cats, a part of it with short sides of 128",
            ),
        ),
    ),
    source="https://www.kaggle.com/c/dogs-vs-cats",
    licence="rules of the Kaggle competition",
)
