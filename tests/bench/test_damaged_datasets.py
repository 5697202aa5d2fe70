"""Loaders and damaged or hostile files: one sentence that names the file, and nothing of it is run."""

from __future__ import annotations

import gzip
import pickle
from collections.abc import Callable
from pathlib import Path

import mini_data as mini
import numpy as np
import pytest

from dross.bench.datasets import DATASETS
from dross.errors import InputError

N = 8


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every data set with few rows, in the layout of `mini_data`; only read it."""
    path = tmp_path_factory.mktemp("data")
    mini.mini_data(path, rows_per_class=N)
    return path


class Attack:
    """What a pickle of this runs when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        import os

        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("name", ["data_batch_1", "test_batch"])
def test_a_batch_that_would_run_code_is_refused(tmp_path: Path, name: str) -> None:
    mini.write_cifar10_python(tmp_path, mini.pictures(10, N, (3, 32, 32), seed=8))
    marker = tmp_path / "code_was_run"
    path = tmp_path / "cifar-10-batches-py" / name
    path.write_bytes(pickle.dumps({b"data": Attack(marker), b"labels": []}))
    with pytest.raises(InputError, match=f"{name} is no batch of CIFAR: it asks for posix.mkdir"):
        DATASETS["cifar10"].load(tmp_path)
    assert not marker.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        pickle.dumps([1]),
        pickle.dumps({b"data": b"", b"label": []}),
        mini.python_2_pickle({b"data": np.zeros((2, 7), np.uint8), b"labels": [1, 2]}),
        mini.python_2_pickle({b"data": np.zeros((2, 3072), np.uint8), b"labels": [1, 10]}),
        mini.python_2_pickle({b"data": np.zeros((2, 3072), np.uint8), b"labels": [1]}),
        mini.python_2_pickle({b"data": np.zeros((2, 3072), np.uint8), b"labels": [1, 2]})[:-2000],
    ],
)
def test_a_damaged_batch_is_named(tmp_path: Path, content: bytes) -> None:
    mini.write_cifar10_python(tmp_path, mini.pictures(10, N, (3, 32, 32), seed=8))
    (tmp_path / "cifar-10-batches-py" / "data_batch_3").write_bytes(content)
    with pytest.raises(InputError, match="cifar-10-batches-py"):
        DATASETS["cifar10"].load(tmp_path)


def test_a_cut_binary_batch_is_named(tmp_path: Path) -> None:
    mini.write_cifar10_binary(tmp_path, mini.pictures(10, N, (3, 32, 32), seed=8))
    cut(tmp_path / "cifar-10-batches-bin" / "data_batch_2.bin", 100)
    with pytest.raises(InputError, match=r"data_batch_2\.bin cannot be read"):
        DATASETS["cifar10"].load(tmp_path)


def cut(path: Path, n_bytes: int) -> None:
    path.write_bytes(path.read_bytes()[:-n_bytes])


def _wrong_magic(content: bytes) -> bytes:
    return b"\0\0\x0d\x03" + content[4:]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: gzip.compress(content)[:-30], "cannot be read"),
        (lambda content: content[:-1], "its header says"),
        (lambda content: content + b"\0", "its header says"),
        (lambda content: content[:6], "cannot be read"),
        (_wrong_magic, "begins with 00 00 0d 03"),
        (lambda content: b"", "begins with nothing"),
    ],
    ids=["cut gzip", "cut", "longer", "cut header", "wrong magic", "empty"],
)
def test_a_damaged_idx_file_is_named(tmp_path: Path, damage: Callable[[bytes], bytes], message: str) -> None:
    mini.write_idx(tmp_path / "mnist", mini.pictures(10, N, (28, 28), seed=9), compressed=False)
    path = tmp_path / "mnist" / "train-images-idx3-ubyte"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=f"train-images-idx3-ubyte.*{message}"):
        DATASETS["mnist"].load(tmp_path)


@pytest.mark.parametrize("file", ["mnist.npz", "arrhythmia.npz", "ucfcrime_c3d_sample.npz"])
@pytest.mark.parametrize("damage", ["cut", "empty", "pickled", "foreign"])
def test_a_damaged_array_file_is_named(tmp_path: Path, root: Path, file: str, damage: str) -> None:
    path = tmp_path / file
    path.write_bytes((root / file).read_bytes())
    if damage == "cut":
        cut(path, 500)
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "pickled":
        with np.load(root / file) as arrays:
            np.savez(path, **{name: np.array([None], dtype=object) for name in arrays})
    else:
        np.savez(path, other=np.zeros(3))
    dataset = next(d for d in DATASETS.values() if str(d.find(tmp_path)) == file)
    with pytest.raises(InputError, match=file):
        dataset.load(tmp_path)


def test_labels_that_do_not_fit_the_rows_are_refused(tmp_path: Path) -> None:
    x_train, y_train, x_test, y_test = mini.pictures(10, N, (28, 28), seed=9)
    mini.write_npz(tmp_path / "mnist.npz", (x_train, y_train[1:], x_test, y_test))
    with pytest.raises(InputError, match=r"mnist\.npz hold 80 rows and 79 labels"):
        DATASETS["mnist"].load(tmp_path)


@pytest.mark.parametrize("damage", ["cut", "ragged", "words"])
def test_a_damaged_kdd_file_is_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "kddcup99_10_percent.gz"
    text = mini.kdd_lines(seed=0)
    if damage == "ragged":
        text += "0,tcp,http\n"
    elif damage == "words":
        text = "zero" + text[1:]
    path.write_bytes(gzip.compress(text.encode()))
    if damage == "cut":
        cut(path, 3000)
    with pytest.raises(InputError, match=r"kddcup99_10_percent\.gz cannot be read"):
        DATASETS["kdd"].load(tmp_path)


@pytest.mark.parametrize(
    ("old", "new"), [(",3\n", "\n"), ("?", "what"), ("-", "?")], ids=["ragged", "a word", "missing elsewhere"]
)
def test_a_damaged_arrhythmia_file_is_named(tmp_path: Path, old: str, new: str) -> None:
    mini.write_arrhythmia(tmp_path, seed=1)
    (tmp_path / "arrhythmia.npz").unlink()
    path = tmp_path / "arrhythmia.data"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(InputError, match=r"arrhythmia\.data"):
        DATASETS["arrhythmia"].load(tmp_path)


def test_empty_images_are_left_out_and_damaged_ones_are_named(tmp_path: Path) -> None:
    mini.write_files(tmp_path / "PetImages", {"Cat/1.jpg": b"", "Dog/1.jpg": b""})
    with pytest.raises(InputError, match="has none of the files"):
        DATASETS["cats_dogs"].load(tmp_path)
    files = mini.cats_dogs_files(2, seed=0)
    mini.write_files(tmp_path / "PetImages", {"Cat/2.jpg": files["cat/cat.1.jpg"][:400], "Dog/2.jpg": b"BM"})
    data = DATASETS["cats_dogs"].load(tmp_path)
    assert data.note == "2 files of zero bytes left out"
    for i, name in enumerate(("Cat/2.jpg", "Dog/2.jpg")):
        with pytest.raises(InputError, match=f"PetImages/{name} cannot be decoded"):
            data.rows.take(np.array([i]))


@pytest.mark.parametrize(
    "file", ["reuters21578.tar.gz", "20news.tar.gz", "caltech101_11.tar.gz", "bccd.tar.gz"]
)
@pytest.mark.parametrize("damage", ["cut", "empty", "nothing of it"])
def test_a_damaged_archive_is_named(tmp_path: Path, root: Path, file: str, damage: str) -> None:
    path = tmp_path / file
    content = (root / file).read_bytes()
    path.write_bytes(content[: len(content) // 2] if damage == "cut" else b"")
    if damage == "nothing of it":
        mini.write_tar(path, {"other.txt": b"something else"})
    dataset = next(d for d in DATASETS.values() if str(d.find(tmp_path)) == file)
    with pytest.raises(InputError, match=file):
        dataset.load(tmp_path)


@pytest.mark.parametrize("annotation", [b"<annotation><object>", b"<a><object><name>RBC</name></object></a>"])
def test_a_damaged_annotation_is_named(tmp_path: Path, annotation: bytes) -> None:
    files = mini.bccd_files(2, seed=0)
    files["BCCD/Annotations/BloodImage_00001.xml"] = annotation
    mini.write_files(tmp_path, files)
    with pytest.raises(InputError, match=r"BloodImage_00001\.xml is damaged"):
        DATASETS["kth_cells"].load(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("frame_counts.txt", "Abuse002_x264 505\n", "has no line for Abuse003_x264"),
        ("frame_counts.txt", "Abuse002_x264\n", "frame_counts.txt cannot be read"),
        ("Abuse002_x264.txt", "1 2 3\n", "has 3 numbers"),
        ("Abuse002_x264.txt", "one\n", "Abuse002_x264.txt cannot be read"),
    ],
)
def test_damaged_ucf_text_files_are_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    mini.write_ucf_texts(tmp_path / "ucf_crime", seed=0)
    (tmp_path / "ucf_crime" / name).write_text(content)
    with pytest.raises(InputError, match=message):
        DATASETS["ucf_crime"].load(tmp_path)
