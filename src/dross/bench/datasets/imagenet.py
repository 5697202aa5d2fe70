"""ImageNet (ILSVRC 2012): images in folders by WordNet id, labels = class name in lower case."""

from __future__ import annotations

import csv
from pathlib import Path

from dross.bench.datasets.base import Data, Dataset, Layout, locate
from dross.bench.datasets.folders import image_folders
from dross.errors import InputError
from dross.sources.streams import damage_named

__all__ = ["IMAGENET", "synset_names"]

_SYNSET_FILES = ("LOC_synset_mapping.txt", "synset_words.txt")
_VALIDATION_FILE = "LOC_val_solution.csv"
_FOLDERS = ("imagenet", "imagenet/ILSVRC/Data/CLS-LOC", "ILSVRC/Data/CLS-LOC")


def synset_names(path: Path) -> dict[str, str]:
    """Read WordNet id -> class name in lower case from lines such as ``n02012849 crane``.

    The name is the first one of the synset. Where several synsets share it (crane, cardigan, maillot), the
    smallest id has it, and the others carry their id behind it.
    """
    names: dict[str, str] = {}
    with damage_named(path):
        lines = sorted(path.read_text("utf-8").splitlines())
    for line in lines:
        wnid, _, synset = line.strip().partition(" ")
        name = synset.partition(",")[0].strip().lower()
        if wnid:
            names[wnid] = f"{name} ({wnid})" if name in names.values() else name
    return names


def _read(place: Path) -> Data:
    """Read train/<id>/ and, where it is there, val/ as the test split.

    The validation images are in such folders too, or beside each other with Kaggle's LOC_val_solution.csv.
    """
    path = _above(place, *_SYNSET_FILES)
    if path is None:
        raise InputError(
            f"{place} has class folders by WordNet id; put {_SYNSET_FILES[0]} there, which names them."
        )
    names, loose = synset_names(path), _validation_classes(place)

    def label(name: str) -> str | None:
        parts = name.split("/")
        if parts[0] not in ("train", "val"):
            return None
        wnid = parts[1] if len(parts) == 3 else loose.get(parts[-1].partition(".")[0], "")
        return names.get(wnid)

    return image_folders(place, 224, label, is_test=lambda name: name.startswith("val/"))


def _validation_classes(place: Path) -> dict[str, str]:
    """Return image -> WordNet id from Kaggle's file, empty without it."""
    path = _above(place, _VALIDATION_FILE)
    if path is None:
        return {}
    with damage_named(path), path.open(encoding="utf-8", newline="") as file:
        return {row["ImageId"]: row["PredictionString"].partition(" ")[0] for row in csv.DictReader(file)}


def _above(place: Path, *names: str) -> Path | None:
    """Find a file in the folder, or in those above it in the layout as it is unpacked."""
    folders = [place, *place.parents[:3]] if place.name == "CLS-LOC" else [place]
    return next((path for folder in folders for name in names if (path := locate(folder, name))), None)


IMAGENET = Dataset(
    name="imagenet",
    title="ImageNet (ILSVRC 2012)",
    kind="image",
    layouts=(Layout(("train/n*/",), _read, _FOLDERS),),
    source="https://www.image-net.org/",
    licence="non-commercial research and education only",
)
