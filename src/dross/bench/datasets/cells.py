"""Cells and debris in microscopy, 64×64: KTH-Cellvideos, or blood cells in their place.

KTH-Cellvideos has no public layout: crops are read from the folders ``cell`` and ``debris``. Where they are
not there, BCCD's blood cells stand in: red cells are "cell", white cells and platelets "debris". As no size
is common to them, each box is widened to a square round its middle, moved into the image, and resized.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from dross.bench.datasets.base import Data, Dataset, Indices, Layout
from dross.bench.datasets.files import read_tree
from dross.bench.datasets.folders import image_folders
from dross.bench.datasets.images import open_rgb, squash
from dross.errors import InputError

__all__ = ["KTH_CELLS", "Crops", "square_round"]

_SIZE = 64
_CLASSES = {"RBC": "cell", "WBC": "debris", "Platelets": "debris"}


@dataclass(frozen=True)
class Crops:
    """Squares cut from larger images, which are decoded once per `take`.

    Parameters
    ----------
    contents, names : sequences
        The images, encoded, and what to call them in messages.
    image_of : int array (n,)
        Which image each crop is cut from.
    boxes : float array (n, 4)
        Left, top, right, bottom in pixels.
    size : int
        Side of the rows.
    """

    contents: Sequence[bytes]
    names: Sequence[str]
    image_of: NDArray[np.int64]
    boxes: NDArray[np.float64]
    size: int

    def __len__(self) -> int:
        return len(self.boxes)

    def take(self, indices: Indices) -> NDArray[np.uint8]:
        """Cut some squares; return ``(m, 3, size, size)``."""
        rows = np.empty((len(indices), 3, self.size, self.size), np.uint8)
        which = self.image_of[indices]
        for i in np.unique(which):
            image = open_rgb(self.contents[i], self.names[i])
            for j in np.flatnonzero(which == i):
                box = square_round(self.boxes[indices[j]], image.size)
                rows[j] = squash(image, self.size, box)
        return rows


def square_round(box: NDArray[np.float64], shape: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return the smallest square round a box, moved and if need be shrunk to lie within an image.

    Examples
    --------
    >>> square_round(np.array([0, 10, 20, 20.0]), (100, 50))
    (0.0, 5.0, 20.0, 25.0)
    """
    left, top, right, bottom = box
    side = float(min(max(right - left, bottom - top), *shape))
    x = min(max((left + right - side) / 2, 0), shape[0] - side)
    y = min(max((top + bottom - side) / 2, 0), shape[1] - side)
    return float(x), float(y), float(x) + side, float(y) + side


def _read_bccd(path: str, place: Path) -> Data:
    tree = read_tree(place / path, lambda name: name.endswith((".jpg", ".xml")))
    files = {name.rpartition("/")[2]: i for i, name in enumerate(tree.names)}
    image_of: list[int] = []
    boxes: list[list[float]] = []
    labels: list[str] = []
    for name, content in zip(tree.names, tree.contents, strict=True):
        image = files.get(name.rpartition("/")[2].replace(".xml", ".jpg"))
        if not name.endswith(".xml") or image is None:
            continue
        for label, box in _boxes(content, f"{tree.path}/{name}"):
            image_of.append(image)
            boxes.append(box)
            labels.append(label)
    return Data(
        rows=Crops(
            contents=tree.contents,
            names=[f"{tree.path}/{name}" for name in tree.names],
            image_of=np.array(image_of, np.int64),
            boxes=np.array(boxes, np.float64).reshape(-1, 4),
            size=_SIZE,
        ),
        labels=np.array(labels, dtype=np.str_),
        note="blood cells (BCCD) stand in for KTH-Cellvideos",
    )


def _boxes(annotation: bytes, name: str) -> list[tuple[str, list[float]]]:
    """Return class and box of each object; boxes without area are left out."""
    try:
        found = []
        for item in ElementTree.fromstring(annotation).iter("object"):
            box = [float(item.findtext(f"bndbox/{side}", "")) for side in ("xmin", "ymin", "xmax", "ymax")]
            label = _CLASSES.get(item.findtext("name", ""))
            if label and box[0] < box[2] and box[1] < box[3]:
                found.append((label, box))
    except (ElementTree.ParseError, ValueError) as error:
        raise InputError(f"{name} is damaged: {error}.") from error
    return found


def _read_kth(place: Path) -> Data:
    return image_folders(
        place, _SIZE, lambda name: folder if (folder := name.partition("/")[0]) in _LABELS else None
    )


_LABELS = ("cell", "debris")

KTH_CELLS = Dataset(
    name="kth_cells",
    title="KTH-Cellvideos",
    kind="image",
    layouts=(
        Layout(("cell/", "debris/"), _read_kth, ("kth_cells",)),
        Layout(("BCCD/",), partial(_read_bccd, "BCCD"), ("", "BCCD_Dataset")),
        Layout(("bccd.tar.gz",), partial(_read_bccd, "bccd.tar.gz")),
    ),
    source="https://github.com/Shenggan/BCCD_Dataset",
    licence="MIT (BCCD, which stands in)",
)
