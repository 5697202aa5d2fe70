"""MNIST and Fashion-MNIST: 28×28 grey images, labels 0 to 9."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dross.bench.datasets.base import ArrayRows, Data, Dataset, Layout, locate
from dross.bench.datasets.files import read_npz
from dross.errors import InputError
from dross.sources.streams import damage_named, open_bytes

__all__ = ["FASHION_MNIST", "MNIST", "read_idx"]

_IDX = tuple(
    f"{part}-{content}-ubyte[.gz]" for part in ("train", "t10k") for content in ("images-idx3", "labels-idx1")
)


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read an array of bytes in the idx format, compressed or not.

    Raises
    ------
    InputError
        If the file is none, or has more or fewer values than its header says.
    """
    with damage_named(path), open_bytes(path) as file:
        magic = file.read(4)
        if len(magic) < 4 or magic[:3] != b"\0\0\x08":
            raise InputError(f"{path} is no idx file of bytes: it begins with {magic.hex(' ') or 'nothing'}.")
        shape = np.frombuffer(file.read(4 * magic[3]), ">u4").astype(np.int64)
        content = file.read()
        if len(shape) != magic[3] or len(content) != shape.prod():
            raise InputError(
                f"{path} is damaged: it holds {len(content)} values, "
                f"and its header says {tuple(shape.tolist())}."
            )
        return np.frombuffer(content, np.uint8).reshape(shape)


def _read_idx_files(place: Path) -> Data:
    paths = [path for name in _IDX if (path := locate(place, name))]
    return _data([read_idx(path) for path in paths], place)


def _read_npz(name: str, place: Path) -> Data:
    return _data(read_npz(place / name, "x_train", "y_train", "x_test", "y_test"), place / name)


def _data(arrays: list[NDArray[Any]], path: Path) -> Data:
    x_train, y_train, x_test, y_test = arrays
    if x_train.shape[1:] != (28, 28) or x_test.shape[1:] != (28, 28) or y_train.ndim != 1 or y_test.ndim != 1:
        raise InputError(
            f"{path} has images of shape {x_train.shape} and labels of shape {y_train.shape}; "
            "needed are (n, 28, 28) and (n,)."
        )
    return Data(
        rows=ArrayRows(np.concatenate([x_train, x_test])[:, None].astype(np.uint8, copy=False)),
        labels=np.concatenate([y_train, y_test]).astype(np.int64),
        is_test=np.arange(len(x_train) + len(x_test)) >= len(x_train),
    )


def _layouts(name: str, folders: tuple[str, ...]) -> tuple[Layout, ...]:
    # The idx files of both have the same names: only the folder tells which they are.
    return Layout((f"{name}.npz",), partial(_read_npz, f"{name}.npz")), Layout(_IDX, _read_idx_files, folders)


MNIST = Dataset(
    name="mnist",
    title="MNIST",
    kind="image",
    layouts=_layouts("mnist", ("mnist", "MNIST/raw")),
    source="http://yann.lecun.com/exdb/mnist/",
    licence="not stated",
)
FASHION_MNIST = Dataset(
    name="fashion_mnist",
    title="Fashion-MNIST",
    kind="image",
    layouts=_layouts("fashion_mnist", ("fashion_mnist", "FashionMNIST/raw")),
    source="https://github.com/zalandoresearch/fashion-mnist",
    licence="MIT",
)
