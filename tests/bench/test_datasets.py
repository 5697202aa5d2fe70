"""Loaders: every layout in tiny form, and what the real files hold."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import mini_data as mini
import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from PIL import Image

from dross.bench.datasets import DATASETS, Data, data_root
from dross.bench.datasets.cells import square_round
from dross.errors import InputError

N = 8


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every data set with few rows, in the layout of `mini_data`; only read it."""
    path = tmp_path_factory.mktemp("data")
    mini.mini_data(path, rows_per_class=N)
    return path


def everything(data: Data) -> Any:
    return data.rows.take(np.arange(len(data.labels)))


def assert_equal(one: Data, other: Data) -> None:
    np.testing.assert_array_equal(one.labels, other.labels)
    for a, b in ((one.is_test, other.is_test), (one.groups, other.groups)):
        assert (a is None) == (b is None)
        if a is not None and b is not None:
            np.testing.assert_array_equal(a, b)
    rows, others = everything(one), everything(other)
    if isinstance(rows, np.ndarray):
        np.testing.assert_array_equal(rows, others)
    else:
        assert rows == others


SHAPES = {
    "mnist": (1, 28, 28),
    "fashion_mnist": (1, 28, 28),
    "cifar10": (3, 32, 32),
    "cifar100": (3, 32, 32),
    "caltech101": (3, 32, 32),
    "cats_dogs": (3, 64, 64),
    "imagenet": (3, 224, 224),
    "kth_cells": (3, 64, 64),
    "arrhythmia": (274,),
    "ucf_crime": (4096,),
}
N_CLASSES = {
    "mnist": 10,
    "fashion_mnist": 10,
    "cifar10": 10,
    "cifar100": 100,
    "kdd": 4,
    "arrhythmia": 2,
    "reuters": 5,
    "20news": 20,
    "caltech101": 11,
    "cats_dogs": 2,
    "imagenet": 7,
    "kth_cells": 2,
    "ucf_crime": 2,
}
HAVE_SPLIT = {"mnist", "fashion_mnist", "cifar10", "cifar100", "20news", "imagenet"}


@pytest.mark.parametrize("name", DATASETS)
def test_every_data_set_hands_out_rows_in_the_order_asked(root: Path, name: str) -> None:
    dataset = DATASETS[name]
    assert dataset.find(root) is not None
    data = dataset.load(root)
    assert len(data.rows) == len(data.labels) == (len(data.is_test) if name in HAVE_SPLIT else len(data.rows))
    assert (data.is_test is not None) == (name in HAVE_SPLIT)
    assert len(np.unique(data.labels)) == N_CLASSES[name]
    indices = np.array([len(data.rows) - 1, 0, 3, 3])
    rows = data.rows.take(indices)
    assert len(rows) == 4
    assert len(data.rows.take(indices[:0])) == 0
    if name in SHAPES:
        assert rows.shape == (4, *SHAPES[name])
        assert rows.dtype == (np.uint8 if len(SHAPES[name]) == 3 else np.float32)
        np.testing.assert_array_equal(rows, everything(data)[indices])
        assert not np.shares_memory(rows, data.rows.take(indices))
    elif dataset.kind == "text":
        assert rows == [everything(data)[i] for i in indices]
    else:
        assert rows.equals(everything(data).take(pa.array(indices)))


@pytest.mark.parametrize("name", sorted(HAVE_SPLIT))
def test_a_quarter_is_of_the_test_split(root: Path, name: str) -> None:
    data = DATASETS[name].load(root)
    assert data.is_test is not None
    assert data.is_test.mean() == pytest.approx(0.25)
    assert set(data.labels[data.is_test]) == set(data.labels)


@pytest.mark.parametrize("name", DATASETS)
def test_an_absent_data_set_says_what_it_needs(tmp_path: Path, name: str) -> None:
    dataset = DATASETS[name]
    assert dataset.find(tmp_path) is None
    assert dataset.find(tmp_path / "nowhere") is None
    with pytest.raises(InputError) as error:
        dataset.load(tmp_path)
    for layout in dataset.layouts:
        assert str(layout) in str(error.value)
    assert dataset.source in str(error.value)


def test_data_root_is_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DROSS_DATA", "/somewhere")
    assert data_root() == Path("/somewhere")
    monkeypatch.setenv("DROSS_DATA", "")
    assert data_root() == Path("data")


@pytest.mark.parametrize(("compressed", "folder"), [(True, "fashion_mnist"), (False, "FashionMNIST/raw")])
def test_idx_files_equal_the_array_file(tmp_path: Path, compressed: bool, folder: str) -> None:
    split = mini.pictures(10, N, (28, 28), seed=5)
    mini.write_idx(tmp_path / "idx" / folder, split, compressed=compressed)
    mini.write_npz(tmp_path / "fashion_mnist.npz", split)
    dataset = DATASETS["fashion_mnist"]
    assert_equal(dataset.load(tmp_path / "idx"), dataset.load(tmp_path))
    np.testing.assert_array_equal(
        everything(dataset.load(tmp_path))[:, 0], np.concatenate([split[0], split[2]])
    )
    assert (
        DATASETS["mnist"].find(tmp_path / "idx") is None
    )  # the files' names are the same, the folder's is not


@pytest.mark.parametrize(("name", "n_classes"), [("cifar10", 10), ("cifar100", 100)])
def test_cifar_in_binary_equals_the_batches(tmp_path: Path, name: str, n_classes: int) -> None:
    split = mini.pictures(n_classes, 4, (3, 32, 32), seed=6)
    (one := tmp_path / "one").mkdir()
    (other := tmp_path / "other").mkdir()
    getattr(mini, f"write_{name}_python")(one, split)
    getattr(mini, f"write_{name}_binary")(other, split)
    data = DATASETS[name].load(one)
    assert_equal(data, DATASETS[name].load(other))
    np.testing.assert_array_equal(everything(data), np.concatenate([split[0], split[2]]))
    if name == "cifar100":
        assert data.groups is not None
        assert data.groups[data.labels == "shark"].tolist() == ["fish"] * 4


def test_the_jpeg_copy_of_cifar_is_close_named_and_decoded_only_when_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = mini.pictures(10, N, (3, 32, 32), seed=7)
    mini.write_cifar10_jpeg(tmp_path, split)
    decoded = []
    real_open = Image.open
    monkeypatch.setattr(
        Image, "open", lambda *args, **kwargs: decoded.append(1) or real_open(*args, **kwargs)
    )
    data = DATASETS["cifar10"].load(tmp_path)
    assert data.note == "CIFAR-10 (JPEG copy)"
    rows = data.rows.take(np.array([2, 61]))
    assert len(decoded) == 2
    for row, image in zip(rows, (split[0][2], split[2][1]), strict=True):
        file = io.BytesIO(mini.encoded(image, quality=95))
        np.testing.assert_array_equal(row, np.asarray(real_open(file)).transpose(2, 0, 1))


@pytest.mark.parametrize("name", ["kddcup.data_10_percent", "kdd/kddcup.data_10_percent.gz"])
def test_kdd_under_its_own_name(tmp_path: Path, root: Path, name: str) -> None:
    content = (root / "kddcup99_10_percent.gz").read_bytes()
    (tmp_path / "kdd").mkdir()
    (tmp_path / name).write_bytes(content if name.endswith(".gz") else gzip.decompress(content))
    data = DATASETS["kdd"].load(tmp_path)
    table = everything(data)
    assert table.equals(everything(DATASETS["kdd"].load(root)))
    assert dict(zip(*np.unique(data.labels, return_counts=True), strict=True)) == mini.TRAFFIC
    assert table.num_columns == 41
    assert table.schema.field("service").type == pa.string()
    assert table.schema.field("same_srv_rate").type == pa.float64()
    assert table.schema.field("src_bytes").type == pa.int64()


def test_arrhythmia_of_uci_equals_that_of_odds(tmp_path: Path) -> None:
    mini.write_arrhythmia(tmp_path, seed=1)
    odds = DATASETS["arrhythmia"].load(tmp_path)
    (tmp_path / "arrhythmia.npz").unlink()
    assert_equal(odds, DATASETS["arrhythmia"].load(tmp_path))
    assert set(odds.labels) == {"normal", "anomalous"}


def test_reuters_folder_equals_the_archive(tmp_path: Path, root: Path) -> None:
    mini.write_files(tmp_path, mini.reuters_files(N, seed=0))
    data = DATASETS["reuters"].load(tmp_path)
    assert_equal(data, DATASETS["reuters"].load(root))
    assert dict(zip(*np.unique(data.labels, return_counts=True), strict=True)) == dict.fromkeys(
        mini.TOPICS, N
    )
    texts = everything(data)
    assert not any("<TITLE>" in text or "\x03" in text or "&lt;" in text for text in texts)
    with_body = [text for text in texts if "Reuter" in text]
    assert len(with_body) == 5 * (N - 1)
    for text in with_body:
        assert "A <AT&T> share." in text
        assert "CAFÉ\n" in text


def test_newsgroups_folder_equals_the_archive(tmp_path: Path, root: Path) -> None:
    mini.write_files(tmp_path / "20news", mini.newsgroup_files(N, seed=0))
    data = DATASETS["20news"].load(tmp_path)
    assert_equal(data, DATASETS["20news"].load(root))
    assert all("Subject: " not in text and "café" in text for text in everything(data)), (
        "headers name the group"
    )


def test_caltech_folder_equals_the_archive_and_has_eleven_classes(tmp_path: Path, root: Path) -> None:
    mini.write_files(tmp_path / "101_ObjectCategories", mini.caltech_files(N, seed=0))
    data = DATASETS["caltech101"].load(tmp_path)
    assert_equal(data, DATASETS["caltech101"].load(root))
    assert set(data.labels) == set(mini.CALTECH[0].split())
    grey = everything(data)[0]
    np.testing.assert_array_equal(grey[0], grey[2])


@pytest.mark.parametrize("layout", ["train/{name}.{i}.jpg", "cats_dogs/PetImages/{folder}/{i}.jpg"])
def test_cats_and_dogs_by_name_or_folder(tmp_path: Path, root: Path, layout: str) -> None:
    for name, content in mini.cats_dogs_files(N, seed=0).items():
        label, _, rest = name.partition("/")
        path = tmp_path / layout.format(name=label, folder=label.title(), i=rest.split(".")[1])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    folder = path.parent
    (folder / "dog.notes.txt").write_text("no image")
    data = DATASETS["cats_dogs"].load(tmp_path)
    assert_equal(data, DATASETS["cats_dogs"].load(root))
    assert data.note == ""


def test_imagenet_names_splits_and_synsets_of_one_name(root: Path) -> None:
    data = DATASETS["imagenet"].load(root)
    assert set(data.labels) == {
        "samoyed",
        "pomeranian",
        "toy poodle",
        "sea snake",
        "ambulance",
        "crane",
        "crane (n01000006)",
    }


def test_imagenet_of_kaggle_with_a_flat_validation_folder(tmp_path: Path, root: Path) -> None:
    files = mini.imagenet_files(mini.IMAGENET, max(N // 4, 4), seed=0)
    top, images = tmp_path / "ILSVRC", tmp_path / "ILSVRC/Data/CLS-LOC"
    solution = "ImageId,PredictionString\n"
    for name, content in files.items():
        split, _, rest = name.partition("/")
        wnid, _, file = rest.partition("/")
        if split == "val":
            solution += f"{file.removesuffix('.JPEG')},{wnid} 1 2 3 4 {wnid} 5 6 7 8\n"
        path = {"val": images / "val" / file, "train": images / name}.get(split, tmp_path / name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "LOC_val_solution.csv").write_text(solution)
    assert top.is_dir()
    assert_equal(DATASETS["imagenet"].load(tmp_path), DATASETS["imagenet"].load(root))


def test_imagenet_without_names_says_so(tmp_path: Path) -> None:
    files = mini.imagenet_files(mini.IMAGENET, 4, seed=0)
    del files["LOC_synset_mapping.txt"]
    mini.write_files(tmp_path / "imagenet", files)
    with pytest.raises(InputError, match=r"put LOC_synset_mapping\.txt there"):
        DATASETS["imagenet"].load(tmp_path)


def test_blood_cells_are_cut_by_their_boxes(tmp_path: Path, root: Path) -> None:
    archive = DATASETS["kth_cells"].load(root)
    assert "stand in" in archive.note
    assert np.unique(archive.labels, return_counts=True)[1].tolist() == [4 * N, 2 * N]
    mini.write_files(tmp_path, mini.bccd_files(N, seed=0))
    assert_equal(archive, DATASETS["kth_cells"].load(tmp_path))
    middles = everything(archive)[:, :, 24:40, 24:40].mean((2, 3))
    red, blue = middles[:, 0], middles[:, 2]
    assert (red[archive.labels == "cell"] > 170).all()
    assert (blue[archive.labels == "debris"] > 120).all()


def test_crops_of_the_authors_own_folders(tmp_path: Path) -> None:
    files = mini.cats_dogs_files(N, seed=0)
    renamed = {name.replace("cat/", "cell/").replace("dog/", "debris/"): file for name, file in files.items()}
    mini.write_files(tmp_path / "kth_cells", renamed)
    data = DATASETS["kth_cells"].load(tmp_path)
    assert data.note == ""
    assert np.unique(data.labels, return_counts=True)[1].tolist() == [N, N]


@pytest.mark.parametrize(
    ("box", "square"),
    [
        ((40, 10, 60, 20), (40, 5, 60, 25)),
        ((95, 40, 100, 50), (90, 40, 100, 50)),
        ((0, 0, 100, 9), (25, 0, 75, 50)),
    ],
)
def test_squares_lie_within_the_image(box: tuple[float, ...], square: tuple[float, ...]) -> None:
    assert square_round(np.array(box, float), (100, 50)) == square


def test_ucf_text_files_equal_the_sample(tmp_path: Path, root: Path) -> None:
    mini.write_ucf_texts(tmp_path / "ucf_crime", seed=0)
    texts, sample = DATASETS["ucf_crime"].load(tmp_path), DATASETS["ucf_crime"].load(root)
    assert texts.groups is not None
    assert sample.groups is not None
    assert np.unique(texts.groups).tolist() == np.unique(sample.groups).tolist()
    for video in ("Abuse002", "RoadAccidents003", "Normal_Videos_002"):
        mine, other = texts.groups == video, sample.groups == video
        np.testing.assert_array_equal(texts.labels[mine], sample.labels[other])
        np.testing.assert_allclose(
            texts.rows.take(np.flatnonzero(mine)), sample.rows.take(np.flatnonzero(other)), atol=1e-6
        )
    assert (texts.labels == "anomalous").sum() == (sample.labels == "anomalous").sum() > 0


def counts(values: NDArray[Any]) -> dict[Any, int]:
    names, numbers = np.unique(values, return_counts=True)
    return dict(zip(names.tolist(), numbers.tolist(), strict=True))


MNIST_TRAIN = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
REAL = {
    "mnist": (70_000, {0: 6903, 9: 6958}, 10_000),
    "fashion_mnist": (70_000, dict.fromkeys(range(10), 7000), 10_000),
    "cifar10": (60_000, {"airplane": 6000, "truck": 6000}, 10_000),
    "kdd": (494_021, {"smurf": 280_790, "normal": 97_278, "spy": 2}, None),
    "arrhythmia": (452, {"normal": 386, "anomalous": 66}, None),
    "reuters": (7383, {"earn": 3945, "acq": 2362, "crude": 408, "trade": 361, "money-fx": 307}, None),
    "20news": (18_846, {"alt.atheism": 799, "talk.religion.misc": 628}, 7532),
    "caltech101": (1281, {"Faces": 120, "ketch": 114, "chandelier": 107, "hawksbill": 100}, None),
    "cats_dogs": (1399, {"cat": 700, "dog": 699}, None),
    "kth_cells": (4886, {"cell": 4153, "debris": 733}, None),
    "ucf_crime": (320, {"normal": 273, "anomalous": 47}, None),
}


@pytest.mark.data
@pytest.mark.parametrize("name", REAL)
def test_the_real_files_have_the_counts_that_are_known(data_dir: Path, name: str) -> None:
    n, classes, n_test = REAL[name]
    data = DATASETS[name].load(data_dir)
    assert len(data.rows) == n
    assert counts(data.labels).items() >= classes.items()
    assert (None if data.is_test is None else data.is_test.sum()) == n_test
    assert len(data.rows.take(np.array([0, n - 1]))) == 2
    if name == "mnist":
        assert data.is_test is not None
        assert list(counts(data.labels[~data.is_test]).values()) == MNIST_TRAIN
        assert data.labels[:5].tolist() == [5, 0, 4, 1, 9]


@pytest.mark.data
def test_the_real_arrhythmia_files_agree(data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "arrhythmia.data").symlink_to(data_dir / "arrhythmia.data")
    assert_equal(DATASETS["arrhythmia"].load(data_dir), DATASETS["arrhythmia"].load(tmp_path))
