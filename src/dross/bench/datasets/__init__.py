"""Public data sets, read from a local folder; nothing is downloaded."""

from __future__ import annotations

import os
from pathlib import Path

from dross.bench.datasets.arrhythmia import ARRHYTHMIA
from dross.bench.datasets.base import ArrayRows, Data, Dataset, Layout, Rows, TableRows, TextRows
from dross.bench.datasets.cells import KTH_CELLS
from dross.bench.datasets.cifar import CIFAR10, CIFAR100
from dross.bench.datasets.folders import CALTECH101, CATS_DOGS
from dross.bench.datasets.imagenet import IMAGENET
from dross.bench.datasets.images import Images
from dross.bench.datasets.kdd import KDD
from dross.bench.datasets.mnist import FASHION_MNIST, MNIST
from dross.bench.datasets.newsgroups import NEWSGROUPS
from dross.bench.datasets.reuters import REUTERS
from dross.bench.datasets.ucf_crime import UCF_CRIME

__all__ = [
    "DATASETS",
    "ArrayRows",
    "Data",
    "Dataset",
    "Images",
    "Layout",
    "Rows",
    "TableRows",
    "TextRows",
    "data_root",
]

_ALL = (
    MNIST,
    FASHION_MNIST,
    CIFAR10,
    CIFAR100,
    KDD,
    ARRHYTHMIA,
    REUTERS,
    NEWSGROUPS,
    CALTECH101,
    CATS_DOGS,
    IMAGENET,
    KTH_CELLS,
    UCF_CRIME,
)

DATASETS: dict[str, Dataset] = {dataset.name: dataset for dataset in _ALL}
"""By name."""


def data_root() -> Path:
    """Return the folder that the environment variable DROSS_DATA names, by default ``data`` right here."""
    return Path(os.environ.get("DROSS_DATA") or "data")
