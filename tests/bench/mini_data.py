"""All data sets of the bench in tiny form, so that loaders and whole tables can be run in seconds.

Each class has its own pattern under noise, so that scores on it mean something.
"""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from python_2_pickle import python_2_pickle

from dross.bench.datasets.cifar import CIFAR10_CLASSES

Split = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]
"""x_train, y_train, x_test, y_test."""

TOPICS = ("earn", "acq", "crude", "trade", "money-fx")
GROUPS = (
    "alt.atheism comp.graphics comp.os.ms-windows.misc comp.sys.ibm.pc.hardware comp.sys.mac.hardware",
    "comp.windows.x misc.forsale rec.autos rec.motorcycles rec.sport.baseball rec.sport.hockey sci.crypt",
    "sci.electronics sci.med sci.space soc.religion.christian talk.politics.guns talk.politics.mideast",
    "talk.politics.misc talk.religion.misc",
)
CALTECH = (
    "Faces Faces_easy Leopards Motorbikes airplanes bonsai car_side chandelier hawksbill ketch watch",
    "BACKGROUND_Google crab",
)
CRIMES = (
    "Abuse Arrest Arson Assault Burglary Explosion Fighting",
    "RoadAccidents Robbery Shooting Shoplifting Stealing Vandalism",
)
IMAGENET = ("Samoyed, Samoyede", "Pomeranian", "toy poodle", "sea snake", "ambulance", "crane", "crane")
CIFAR100 = """
aquatic_mammals: beaver dolphin otter seal whale
fish: aquarium_fish flatfish ray shark trout
flowers: orchid poppy rose sunflower tulip
food_containers: bottle bowl can cup plate
fruit_and_vegetables: apple mushroom orange pear sweet_pepper
household_electrical_devices: clock keyboard lamp telephone television
household_furniture: bed chair couch table wardrobe
insects: bee beetle butterfly caterpillar cockroach
large_carnivores: bear leopard lion tiger wolf
large_man-made_outdoor_things: bridge castle house road skyscraper
large_natural_outdoor_scenes: cloud forest mountain plain sea
large_omnivores_and_herbivores: camel cattle chimpanzee elephant kangaroo
medium_mammals: fox porcupine possum raccoon skunk
non-insect_invertebrates: crab lobster snail spider worm
people: baby boy girl man woman
reptiles: crocodile dinosaur lizard snake turtle
small_mammals: hamster mouse rabbit shrew squirrel
trees: maple_tree oak_tree palm_tree pine_tree willow_tree
vehicles_1: bicycle bus motorcycle pickup_truck train
vehicles_2: lawn_mower rocket streetcar tank tractor
"""
TRAFFIC = {"normal": 300, "smurf": 500, "neptune": 200, "back": 20}


def words(lines: Iterable[str]) -> list[str]:
    """Split lines at blanks."""
    return [word for line in lines for word in line.split()]


def mini_data(
    root: Path, *, rows_per_class: int = 40, imagenet_classes: Sequence[str] = IMAGENET, seed: int = 0
) -> None:
    """Write every data set into a folder; where there is a test split, a quarter of each class is in it."""
    root.mkdir(parents=True, exist_ok=True)
    n = rows_per_class
    write_npz(root / "mnist.npz", pictures(10, n, (28, 28), seed))
    write_npz(root / "fashion_mnist.npz", pictures(10, n, (28, 28), seed + 1))
    write_cifar10_python(root, pictures(10, n, (3, 32, 32), seed + 2))
    write_cifar100_python(root, pictures(100, max(n // 4, 4), (3, 32, 32), seed + 3))
    (root / "kddcup99_10_percent.gz").write_bytes(gzip.compress(kdd_lines(seed).encode()))
    write_arrhythmia(root, seed)
    write_tar(root / "reuters21578.tar.gz", reuters_files(n, seed))
    write_tar(root / "20news.tar.gz", newsgroup_files(n, seed))
    write_tar(root / "caltech101_11.tar.gz", caltech_files(n, seed))
    write_tar(root / "cats_dogs_128.tar.gz", cats_dogs_files(n, seed))
    write_files(root / "imagenet", imagenet_files(imagenet_classes, max(n // 4, 4), seed))
    write_tar(root / "bccd.tar.gz", bccd_files(n, seed))
    write_ucf_sample(root, seed)


def pictures(n_classes: int, n: int, shape: tuple[int, ...], seed: int) -> Split:
    """Draw images of classes: a smooth pattern each, and noise."""
    rng = np.random.default_rng(seed)
    small = rng.integers(30, 225, (n_classes, *shape[:-2], shape[-2] // 4, shape[-1] // 4))
    patterns = small.repeat(4, axis=-2).repeat(4, axis=-1)
    codes = rng.permutation(np.repeat(np.arange(n_classes), n)).astype(np.uint8)
    noise = rng.integers(-30, 31, (len(codes), *shape))
    images = np.clip(patterns[codes] + noise, 0, 255).astype(np.uint8)
    is_test = np.zeros(len(codes), bool)
    for code in range(n_classes):
        is_test[np.flatnonzero(codes == code)[: n // 4]] = True
    return images[~is_test], codes[~is_test], images[is_test], codes[is_test]


def write_npz(path: Path, split: Split) -> None:
    """Write the four arrays by the names that they usually have."""
    np.savez(path, **dict(zip(("x_train", "y_train", "x_test", "y_test"), split, strict=True)))


def idx(array: NDArray[np.uint8]) -> bytes:
    """Return an array in the idx format."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_idx(folder: Path, split: Split, *, compressed: bool) -> None:
    """Write the four idx files of MNIST."""
    folder.mkdir(parents=True)
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    for name, array in zip(names, split, strict=True):
        content = gzip.compress(idx(array)) if compressed else idx(array)
        (folder / f"{name}-ubyte{'.gz' if compressed else ''}").write_bytes(content)


def _batches(split: Split) -> Iterable[tuple[str, NDArray[np.uint8], NDArray[np.uint8]]]:
    x_train, y_train, x_test, y_test = split
    parts = zip(np.array_split(x_train, 5), np.array_split(y_train, 5), strict=True)
    yield from ((f"data_batch_{i}", x, y) for i, (x, y) in enumerate(parts, start=1))
    yield "test_batch", x_test, y_test


def write_cifar10_python(root: Path, split: Split) -> None:
    """Write cifar-10-batches-py."""
    (folder := root / "cifar-10-batches-py").mkdir()
    for name, x, y in _batches(split):
        batch = {b"data": x.reshape(len(x), -1), b"labels": y.tolist()}
        (folder / name).write_bytes(python_2_pickle(batch))


def write_cifar10_binary(root: Path, split: Split) -> None:
    """Write cifar-10-batches-bin."""
    (folder := root / "cifar-10-batches-bin").mkdir()
    for name, x, y in _batches(split):
        (folder / f"{name}.bin").write_bytes(np.hstack([y[:, None], x.reshape(len(x), -1)]).tobytes())


def write_cifar10_jpeg(root: Path, split: Split) -> None:
    """Write the copy of re-compressed files."""
    arrays: dict[str, NDArray[Any]] = {"classes": CIFAR10_CLASSES}
    for name, x, y in (("train", *split[:2]), ("test", *split[2:])):
        files = [encoded(image, quality=95) for image in x]
        arrays[f"{name}_bytes"] = np.frombuffer(b"".join(files), np.uint8)
        arrays[f"{name}_offsets"] = np.cumsum([0, *map(len, files)])
        arrays[f"y_{name}"] = y
    np.savez(root / "cifar10_jpeg.npz", **arrays)


def classes_100() -> dict[str, str]:
    """Return the coarse class of each fine one, both in the order of their codes."""
    lines = [line.split(": ") for line in CIFAR100.split("\n") if line]
    pairs = sorted((fine, coarse) for coarse, members in lines for fine in members.split())
    return dict(pairs)


def _coarse_codes(fine: NDArray[np.uint8]) -> NDArray[np.uint8]:
    coarse = list(classes_100().values())
    return np.unique(coarse, return_inverse=True)[1].astype(np.uint8)[fine]


def _names_100() -> tuple[list[str], list[str]]:
    return list(classes_100()), sorted(set(classes_100().values()))


def write_cifar100_python(root: Path, split: Split) -> None:
    """Write cifar-100-python."""
    (folder := root / "cifar-100-python").mkdir()
    for name, x, y in (("train", *split[:2]), ("test", *split[2:])):
        batch = {
            b"data": x.reshape(len(x), -1),
            b"fine_labels": y.tolist(),
            b"coarse_labels": _coarse_codes(y).tolist(),
        }
        (folder / name).write_bytes(python_2_pickle(batch))
    fine, coarse = ([name.encode() for name in names] for names in _names_100())
    meta = {b"fine_label_names": fine, b"coarse_label_names": coarse}
    (folder / "meta").write_bytes(python_2_pickle(meta))


def write_cifar100_binary(root: Path, split: Split) -> None:
    """Write cifar-100-binary."""
    (folder := root / "cifar-100-binary").mkdir()
    for name, x, y in (("train", *split[:2]), ("test", *split[2:])):
        rows = np.hstack([_coarse_codes(y)[:, None], y[:, None], x.reshape(len(x), -1)])
        (folder / f"{name}.bin").write_bytes(rows.tobytes())
    for kind, names in zip(("fine", "coarse"), _names_100(), strict=True):
        (folder / f"{kind}_label_names.txt").write_text("\n".join(names) + "\n")


def kdd_lines(seed: int) -> str:
    """Return lines of 41 columns and the label, shuffled."""
    rng = np.random.default_rng(seed)
    lines = []
    for code, (label, count) in enumerate(TRAFFIC.items()):
        for numbers in rng.poisson(3 * (1 + code), (count, 23)):
            rates = ",".join(f"{rate:.2f}" for rate in rng.beta(1 + code, 2, 15))
            head = f"{numbers[0]},{rng.choice(['tcp', 'udp'])},http,{'S0' if code == 2 else 'SF'}"
            middle = ",".join(map(str, numbers[1:21]))
            tail = (
                ",".join(rates.split(",")[:7])
                + f",{numbers[21]},{numbers[22]},"
                + ",".join(rates.split(",")[7:])
            )
            lines.append(f"{head},{middle},{tail},{label}.")
    return "".join(f"{lines[i]}\n" for i in rng.permutation(len(lines)))


def write_arrhythmia(root: Path, seed: int, n: int = 120) -> None:
    """Write the version of UCI, with missing values in the columns 11 to 15, and that of ODDS."""
    rng = np.random.default_rng(seed)
    classes = rng.permutation(np.resize([1, 1, 1, 2, 10, 16, 3], n))
    values = np.round(rng.normal(classes[:, None] == 3, 1, (n, 279)), 1)
    missing = rng.random((n, 279)) < 0.3
    missing[:, :10] = missing[:, 15:] = False
    texts = np.where(missing, "?", values.astype(str))
    lines = [",".join([*row, str(c)]) for row, c in zip(texts, classes, strict=True)]
    (root / "arrhythmia.data").write_text("\n".join(lines) + "\n")
    X = np.delete(values, slice(10, 15), axis=1)
    np.savez(root / "arrhythmia.npz", X=X, y=(classes == 3).astype(np.uint8))


def reuters_files(n: int, seed: int) -> dict[str, bytes]:
    """Return two files with `n` documents of each topic, and documents that are to be left out."""
    rng = np.random.default_rng(seed)
    documents = []
    for topic in TOPICS:
        for i in range(n):
            title, body = prose(rng, topic, 4).upper(), prose(rng, topic, 30)
            text = f"<TITLE>{title}</TITLE><BODY>{body} A &lt;AT&amp;T> share.\n Reuter\n&#3;</BODY>"
            text = f"\n{title} {body}\n&#3;\n" if i == 1 else text
            documents.append((i, _reuters_document([topic], text)))
    documents.append((n, _reuters_document(["earn", "acq"], "<TITLE>TWO TOPICS</TITLE>")))
    documents.append((n, _reuters_document([], "<TITLE>NO TOPIC</TITLE>")))
    documents.append((n, _reuters_document(["rare"], "<TITLE>A SMALL TOPIC</TITLE>")))
    ordered = [document for _, document in sorted(documents)]
    half = len(ordered) // 2
    head = '<!DOCTYPE lewis SYSTEM "lewis.dtd">\n'
    return {
        "reuters21578/README.txt": b"no documents here: <REUTERS>",
        "reuters21578/reut2-000.sgm": (head + "".join(ordered[:half])).encode("latin-1"),
        "reuters21578/reut2-001.sgm": (head + "".join(ordered[half:])).encode("latin-1"),
    }


def _reuters_document(topics: Sequence[str], text: str) -> str:
    inside = "".join(f"<D>{topic}</D>" for topic in topics)
    return (
        f'<REUTERS TOPICS="YES" LEWISSPLIT="TRAIN">\n<TOPICS>{inside}</TOPICS>\n<PLACES><D>usa</D></PLACES>\n'
        f"<TEXT>&#2;\n{text}</TEXT>\n</REUTERS>\n"
    )


def prose(rng: np.random.Generator, topic: str, n_words: int) -> str:
    """Return words, half of which only this topic uses; with a letter beyond ASCII."""
    own = [f"{topic}{i}" for i in range(20)]
    common = [f"word{i}" for i in range(40)]
    chosen = np.where(rng.random(n_words) < 0.5, rng.choice(own, n_words), rng.choice(common, n_words))
    return " ".join([*chosen, "café"])


def newsgroup_files(n: int, seed: int) -> dict[str, bytes]:
    """Return posts; a quarter of each group is of the test split."""
    rng = np.random.default_rng(seed)
    files = {}
    for group in words(GROUPS):
        for i in range(n):
            split = "test" if i < n // 4 else "train"
            post = f"From: someone\nSubject: {group}\n\n{prose(rng, group, 30)}\n"
            files[f"20news-bydate-{split}/{group}/{10000 + i}"] = post.encode("latin-1")
    return files


def encoded(image: NDArray[np.uint8], quality: int = 90) -> bytes:
    """Return an image (3, h, w) or (h, w) as JPEG."""
    pixels = image.transpose(1, 2, 0) if image.ndim == 3 else image
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _jpegs(names: Sequence[str], n: int, seed: int) -> Iterable[tuple[str, int, bytes]]:
    """Yield class, running number and file; no square, and the first of each class grey."""
    x_train, y_train, x_test, y_test = pictures(len(names), n, (3, 36, 48), seed)
    images, codes = np.concatenate([x_train, x_test]), np.concatenate([y_train, y_test])
    for code, name in enumerate(names):
        for i, image in enumerate(images[codes == code]):
            yield name, i, encoded(image if i else image[0])


def caltech_files(n: int, seed: int) -> dict[str, bytes]:
    """Return images of the 11 classes, of the background and of a small class."""
    return {f"{name}/image_{i:04}.jpg": content for name, i, content in _jpegs(words(CALTECH), n, seed)}


def cats_dogs_files(n: int, seed: int) -> dict[str, bytes]:
    """Return images of cats and dogs."""
    return {f"{name}/{name}.{i}.jpg": content for name, i, content in _jpegs(("cat", "dog"), n, seed)}


def imagenet_files(classes: Sequence[str], n: int, seed: int) -> dict[str, bytes]:
    """Return images in folders by made-up WordNet ids, a quarter of each class in val, and the mapping."""
    ids = [f"n{1_000_000 + i:08}" for i in range(len(classes))]
    mapping = "".join(f"{wnid} {name}\n" for wnid, name in zip(ids, classes, strict=True))
    files = {"LOC_synset_mapping.txt": mapping.encode()}
    for wnid, i, content in _jpegs(ids, n, seed):
        files[f"{'val' if i < n // 4 else 'train'}/{wnid}/{wnid}_{i}.JPEG"] = content
    return files


def bccd_files(n: int, seed: int) -> dict[str, bytes]:
    """Return images of 160×120 with 4 red cells, a white cell and a platelet each, and their boxes."""
    rng = np.random.default_rng(seed)
    files = {}
    for i in range(n):
        image = np.full((120, 160, 3), 200, np.uint8)
        objects = ""
        for j, name in enumerate(("RBC", "RBC", "RBC", "RBC", "WBC", "Platelets")):
            x, y = 5 + 52 * (j % 3), 5 + 58 * (j // 3)
            w, h = rng.integers(30, 45, 2)
            colour = {"RBC": (200, 60, 60), "WBC": (90, 60, 180), "Platelets": (150, 90, 150)}[name]
            image[y : y + h, x : x + w] = np.clip(rng.normal(colour, 12, (h, w, 3)), 0, 255)
            objects += bccd_object(name, x, y, x + w, y + h)
        objects += bccd_object("RBC", 10, 10, 10, 10)
        files[f"BCCD/JPEGImages/BloodImage_{i:05}.jpg"] = encoded(image.transpose(2, 0, 1))
        xml = f"<annotation><filename>BloodImage_{i:05}.jpg</filename>{objects}</annotation>"
        files[f"BCCD/Annotations/BloodImage_{i:05}.xml"] = xml.encode()
    return files


def bccd_object(name: str, left: int, top: int, right: int, bottom: int) -> str:
    """Return one box of an annotation."""
    sides = {"xmin": left, "ymin": top, "xmax": right, "ymax": bottom}
    box = "".join(f"<{side}>{value}</{side}>" for side, value in sides.items())
    return f"<object><name>{name}</name><bndbox>{box}</bndbox></object>"


def ucf_videos(seed: int) -> list[tuple[str, int, list[int], NDArray[np.float32]]]:
    """Return name, frames, two events (start and end, -1 for none) and features of a few videos."""
    rng = np.random.default_rng(seed)
    videos = []
    for category in [*words(CRIMES), "Normal_Videos_"]:
        for i in range(3):
            events = [-1] * 4 if category == "Normal_Videos_" else [100, 220, 400, 450]
            features = np.zeros((32, 4096), np.float32)
            features[:, :16] = np.round(rng.normal(1, 0.2, (32, 16)), 3)
            features[5:10, 8:16] += 1 if events[0] >= 0 else 0
            videos.append((f"{category}{i + 2:03}", 640 if i else 505, events, features))
    return videos


def write_ucf_sample(root: Path, seed: int) -> None:
    """Write the array file; an event covers the segments that it overlaps."""
    videos = ucf_videos(seed)
    labels = []
    for _, n_frames, events, _ in videos:
        starts, ends = np.arange(32) * n_frames / 32, np.arange(1, 33) * n_frames / 32
        pairs = [(start, end) for start, end in (events[:2], events[2:]) if start >= 0]
        labels.append(np.any([np.zeros(32, bool), *((starts < b) & (a < ends) for a, b in pairs)], axis=0))
    np.savez_compressed(
        root / "ucfcrime_c3d_sample.npz",
        features=np.stack([video[3] for video in videos]),
        names=np.array([video[0] for video in videos]),
        segment_label=np.array(labels),
    )


def write_ucf_texts(folder: Path, seed: int) -> None:
    """Write the authors' layout: a text file a video, their annotation, and the counts of frames."""
    folder.mkdir(parents=True)
    annotation, counts = "", ""
    for name, n_frames, events, features in ucf_videos(seed):
        lines = [" ".join(f"{value:.6f}" for value in row[:16]) + " 0" * 4080 for row in features]
        (folder / f"{name}_x264.txt").write_text("\n".join(lines) + "\n")
        annotation += f"{name}_x264.mp4  Class  {'  '.join(map(str, events))}  \n"
        counts += f"{name}_x264 {n_frames}\n"
    (folder / "Temporal_Anomaly_Annotation_for_Testing_Videos.txt").write_text(annotation)
    (folder / "frame_counts.txt").write_text(counts)


def write_tar(path: Path, files: Mapping[str, bytes]) -> None:
    """Write a compressed archive."""
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
