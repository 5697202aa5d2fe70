"""CIFAR-10 and CIFAR-100: 32×32 colour images, labels by name; the coarse classes of CIFAR-100 are `groups`.

The python batches are pickles. They are read by an unpickler that can make nothing but numbers, bytes, lists,
dicts and numpy arrays: a batch that asks for anything else is refused, and nothing of it is run.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dross.bench.datasets.base import ArrayRows, Data, Dataset, Layout
from dross.bench.datasets.files import read_npz
from dross.bench.datasets.images import Images, ImageSlices
from dross.errors import InputError
from dross.sources.streams import damage_named

__all__ = ["CIFAR10", "CIFAR10_CLASSES", "CIFAR100", "read_batch"]

CIFAR10_CLASSES = np.array(
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
)
_BATCHES = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5")
_PIXELS = 3 * 32 * 32
_RECONSTRUCT = np.zeros(0).__reduce__()[0]  # what a pickled array names, wherever this numpy keeps it
_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class _BatchUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no batch needs") from None


def read_batch(path: Path) -> dict[bytes, Any]:
    """Read a pickled dict of bytes, lists and arrays; nothing else can come out of it.

    Raises
    ------
    InputError
        If the file is damaged, or asks for any other class or function.
    """
    with damage_named(path), path.open("rb") as file:
        try:
            batch = _BatchUnpickler(file, encoding="bytes").load()
        except (pickle.UnpicklingError, TypeError, AttributeError, IndexError, OverflowError) as error:
            raise InputError(f"{path} is no batch of CIFAR: {error}.") from error
        if not isinstance(batch, dict):
            raise InputError(f"{path} is no batch of CIFAR: it holds no dict.")
        return {key.encode() if isinstance(key, str) else key: value for key, value in batch.items()}


def _parts(path: Path, *keys: bytes) -> list[NDArray[Any]]:
    """Return the pixels and the labels by `keys` of one pickled batch."""
    batch = read_batch(path)
    with damage_named(path):
        pixels = np.asarray(batch[b"data"], np.uint8)
        return [pixels.reshape(-1, 3, 32, 32), *(np.asarray(batch[key], np.int64) for key in keys)]


def _binary_parts(path: Path, n_labels: int) -> list[NDArray[Any]]:
    """Return the pixels and each of the labels of one binary batch: label bytes, then 3 072 pixels a row."""
    with damage_named(path):
        rows = np.fromfile(path, np.uint8)
        rows = rows.reshape(-1, n_labels + _PIXELS)
    labels = [rows[:, j].astype(np.int64) for j in range(n_labels)]
    return [rows[:, n_labels:].reshape(-1, 3, 32, 32), *labels]


def _joined(batches: list[list[NDArray[Any]]]) -> tuple[ArrayRows, list[NDArray[Any]], NDArray[np.bool_]]:
    """Join batches, of which the last is the test split; return rows, labels and the split."""
    n_test = len(batches[-1][0])
    images, *labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return ArrayRows(images), labels, np.arange(len(images)) >= len(images) - n_test


def _named(codes: NDArray[Any], names: NDArray[Any], path: Path) -> NDArray[Any]:
    if len(codes) and not 0 <= codes.min() <= codes.max() < len(names):
        raise InputError(f"{path} is damaged: labels go up to {codes.max()} with {len(names)} classes.")
    return np.asarray(names[codes])


def _read_python_10(place: Path) -> Data:
    rows, (codes,), is_test = _joined([_parts(place / name, b"labels") for name in (*_BATCHES, "test_batch")])
    return Data(rows, _named(codes, CIFAR10_CLASSES, place), is_test)


def _read_binary_10(place: Path) -> Data:
    names = [f"{name}.bin" for name in (*_BATCHES, "test_batch")]
    rows, (codes,), is_test = _joined([_binary_parts(place / name, 1) for name in names])
    return Data(rows, _named(codes, CIFAR10_CLASSES, place), is_test)


def _read_jpeg_10(place: Path) -> Data:
    path = place / "cifar10_jpeg.npz"
    train, train_offsets, test, test_offsets, y_train, y_test, classes = read_npz(
        path, "train_bytes", "train_offsets", "test_bytes", "test_offsets", "y_train", "y_test", "classes"
    )
    offsets = np.concatenate([train_offsets, test_offsets[1:] + len(train)])
    images = Images(ImageSlices(np.concatenate([train, test]), offsets, path), 32, path)
    return Data(
        rows=images,
        labels=_named(np.concatenate([y_train, y_test]), classes, path),
        is_test=np.arange(len(images)) >= len(train_offsets) - 1,
        note="CIFAR-10 (JPEG copy)",
    )


def _read_python_100(place: Path) -> Data:
    parts = [_parts(place / name, b"fine_labels", b"coarse_labels") for name in ("train", "test")]
    meta = read_batch(place / "meta")
    with damage_named(place / "meta"):
        names = [[name.decode() for name in meta[key + b"_label_names"]] for key in (b"fine", b"coarse")]
    return _data_100(parts, names, place)


def _read_binary_100(place: Path) -> Data:
    batches = [_binary_parts(place / f"{name}.bin", 2) for name in ("train", "test")]
    parts = [[images, fine, coarse] for images, coarse, fine in batches]
    names = [(place / f"{kind}_label_names.txt").read_text("utf-8").split() for kind in ("fine", "coarse")]
    return _data_100(parts, names, place)


def _data_100(parts: list[list[NDArray[Any]]], names: list[list[str]], place: Path) -> Data:
    rows, codes, is_test = _joined(parts)
    fine, coarse = (_named(code, np.array(name), place) for code, name in zip(codes, names, strict=True))
    return Data(rows, fine, is_test, groups=coarse)


_SOURCE = "https://www.cs.toronto.edu/~kriz/cifar.html"

CIFAR10 = Dataset(
    name="cifar10",
    title="CIFAR-10",
    kind="image",
    layouts=(
        Layout(
            (*_BATCHES, "test_batch"),
            _read_python_10,
            ("cifar-10-batches-py", "cifar10/cifar-10-batches-py", ""),
        ),
        Layout(
            tuple(f"{name}.bin" for name in (*_BATCHES, "test_batch")),
            _read_binary_10,
            ("cifar-10-batches-bin", "cifar10/cifar-10-batches-bin", ""),
        ),
        Layout(("cifar10_jpeg.npz",), _read_jpeg_10),
    ),
    source=_SOURCE,
    licence="not stated",
)
CIFAR100 = Dataset(
    name="cifar100",
    title="CIFAR-100",
    kind="image",
    layouts=(
        Layout(
            ("train", "test", "meta"), _read_python_100, ("cifar-100-python", "cifar100/cifar-100-python")
        ),
        Layout(
            ("train.bin", "test.bin", "fine_label_names.txt", "coarse_label_names.txt"),
            _read_binary_100,
            ("cifar-100-binary", "cifar100/cifar-100-binary"),
        ),
    ),
    source=_SOURCE,
    licence="not stated",
)
