"""Which detector `auto` takes: every shallow detector and the autoencoder on development draws.

Labels make the draws and the metrics; nothing is fitted or chosen per cell. Seeds start at 100, so that
reported tables (seeds 0 to 4) never use a draw that a choice was made on.

    python benchmarks/choices.py --data DIR [--family table|image|text]   # measures first
    python benchmarks/choices.py                    # rewrites the tables of docs/choices.md
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import tarfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.metrics import average_precision_score, roc_auc_score

from dross import registry
from dross.features.table_encoder import TableEncoder
from dross.features.tfidf import TfidfFeatures
from dross.model import versions
from dross.sources import open_source
from dross.sources.base import ReadOptions

SEEDS = (100, 101)
RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[1] / "docs" / "choices.md"
DETECTORS = ("isolation_forest", "guarded_forest", "knn", "lof", "pca", "ocsvm", "kde", "autoencoder")
Cell = tuple[str, NDArray[Any], NDArray[np.bool_]]


def draw(
    normal: NDArray[np.int64], others: NDArray[np.int64], share: float, n: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return shuffled row numbers, ``share`` of the total from ``others``, and which those are."""
    rng = np.random.default_rng(seed)
    n_normal = min(n, len(normal))
    n_others = min(round(n_normal * share / (1 - share)), len(others))
    rows = np.concatenate(
        [rng.choice(normal, n_normal, replace=False), rng.choice(others, n_others, replace=False)]
    )
    order = rng.permutation(len(rows))
    return rows[order], (np.arange(len(rows)) >= n_normal)[order]


def encoded(frame: pd.DataFrame) -> NDArray[np.float32]:
    source = open_source(frame, ReadOptions())
    encoder = TableEncoder().fit(source)
    return np.asarray(encoder.transform(source))


def tables(data: Path) -> Iterator[Cell]:
    kdd = pd.read_csv(data / "kddcup99_10_percent.gz", header=None)
    is_normal = (kdd[41] == "normal.").to_numpy()
    kdd = kdd.drop(columns=41)
    attacks, normals = np.flatnonzero(~is_normal), np.flatnonzero(is_normal)
    heart = pd.read_csv(data / "arrhythmia.data", header=None, na_values="?")
    heart_is_anomaly = heart[279].isin([3, 4, 5, 7, 8, 9, 14, 15]).to_numpy()
    cancer, wine = load_breast_cancer(as_frame=True), load_wine(as_frame=True)
    for seed in SEEDS:
        for share in (0.05, 0.2):
            rows, y = draw(attacks, normals, share, 5000, seed)
            yield f"kdd attacks + {share:.0%} normal", encoded(kdd.iloc[rows]), y
            rows, y = draw(normals, attacks, share, 5000, seed)
            yield f"kdd normal + {share:.0%} attacks", encoded(kdd.iloc[rows]), y
        rows, y = draw(np.flatnonzero(~heart_is_anomaly), np.flatnonzero(heart_is_anomaly), 0.15, 10**6, seed)
        yield "arrhythmia", encoded(heart.drop(columns=279).iloc[rows]), y
        rows, y = draw(
            np.flatnonzero(cancer.target == 1), np.flatnonzero(cancer.target == 0), 0.05, 10**6, seed
        )
        clean = cancer.data.iloc[rows].reset_index(drop=True)
        yield "breast cancer + 5%", encoded(clean), y
        yield "breast cancer + 5%, messy", encoded(messy(clean, seed)), y
        rows, y = draw(np.flatnonzero(wine.target != 2), np.flatnonzero(wine.target == 2), 0.1, 10**6, seed)
        yield "wine + 10%", encoded(wine.data.iloc[rows]), y
        yield from slips(cancer.data[cancer.target == 1], seed)


def slips(frame: pd.DataFrame, seed: int) -> Iterator[Cell]:
    """Slip the decimal point of one to three cells in 3 % of the rows, in a clean and in a messy table."""
    rng = np.random.default_rng(seed)
    frame = frame.reset_index(drop=True).astype(float)
    y = np.zeros(len(frame), bool)
    y[rng.choice(len(frame), round(0.03 * len(frame)), replace=False)] = True
    for row in np.flatnonzero(y):
        for column in rng.choice(frame.columns, rng.integers(1, 4), replace=False):
            frame.loc[row, column] *= 10
    yield "breast cancer, slips", encoded(frame), y
    yield "breast cancer, slips, messy", encoded(messy(frame, seed)), y


def messy(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return the rows with columns that say nothing, and 2 % of their cells missing."""
    rng = np.random.default_rng(seed)
    n = len(frame)
    frame = frame.mask(pd.DataFrame(rng.random(frame.shape) < 0.02, columns=frame.columns))
    frame["ward"] = rng.choice(["north", "south", "day clinic"], n, p=[0.5, 0.4, 0.1])
    frame["seen"] = pd.Timestamp("2024-01-08") + pd.to_timedelta(
        rng.integers(0, 180 * 96, n) * 15, unit="min"
    )
    words = [
        "routine",
        "check",
        "nothing",
        "to",
        "add",
        "sample",
        "taken",
        "twice",
        "see",
        "patient",
        "moved",
    ]
    frame["remark"] = [" ".join(rng.choice(words, rng.integers(3, 9))) for _ in range(n)]
    return frame


def pictures(path: Path, side: int = 32) -> tuple[NDArray[np.float32], NDArray[Any]]:
    images, classes = [], []
    with tarfile.open(path) as archive:
        for member in archive:
            if member.name.lower().endswith(".jpg") and (file := archive.extractfile(member)):
                image = (
                    Image.open(io.BytesIO(file.read()))
                    .convert("RGB")
                    .resize((side, side), Image.Resampling.BOX)
                )
                images.append(np.asarray(image))
                classes.append(Path(member.name).parent.name)
    return np.moveaxis(np.stack(images), 3, 1).astype(np.float32) / 255, np.array(classes)


def images(data: Path) -> Iterator[Cell]:
    for name, classes in (("mnist", (4, 9)), ("fashion_mnist", (0, 5))):
        with np.load(data / f"{name}.npz") as file:
            X, y = file["x_train"], file["y_train"]
        yield from class_cells(
            name, lambda rows, X=X: X[rows][:, None].astype(np.float32) / 255, y, classes, 1000
        )
    for name, path in (("caltech", "caltech101_11.tar.gz"), ("cats_dogs", "cats_dogs_128.tar.gz")):
        X, y = pictures(data / path)
        kinds = ("dog",) if name == "cats_dogs" else ("Leopards", "watch")
        yield from class_cells(name, lambda rows, X=X: X[rows], y, kinds, 1000)
    with np.load(data / "cifar10_jpeg.npz") as file:
        raw, offsets, y = file["test_bytes"], file["test_offsets"], file["y_test"]

    def decode(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        parts = [np.asarray(Image.open(io.BytesIO(raw[offsets[i] : offsets[i + 1]].tobytes()))) for i in rows]
        return np.moveaxis(np.stack(parts), 3, 1).astype(np.float32) / 255

    yield from class_cells("cifar10 (JPEG copy)", decode, y, (1, 8), 1000)


def class_cells(
    name: str, take: Callable[..., NDArray[np.float32]], y: NDArray[Any], classes: tuple[Any, ...], n: int
) -> Iterator[Cell]:
    for seed in SEEDS:
        for kind in classes:
            for share in (0.05, 0.2):
                rows, is_anomaly = draw(np.flatnonzero(y == kind), np.flatnonzero(y != kind), share, n, seed)
                yield f"{name} {kind} + {share:.0%}", take(rows), is_anomaly


def texts(data: Path) -> Iterator[Cell]:
    documents, groups = [], []
    with tarfile.open(data / "20news.tar.gz") as archive:
        for member in archive:
            if member.isfile() and (file := archive.extractfile(member)):
                documents.append(file.read().decode("latin-1"))
                groups.append(Path(member.name).parent.name)
    yield from text_cells("20news", documents, groups, ("sci.space", "rec.autos", "talk.politics.guns"), 600)
    yield from text_cells("reuters", *reuters(data / "reuters21578.tar.gz"), ("acq", "crude"), 600)


def reuters(path: Path) -> tuple[list[str], list[str]]:
    """Return the single-topic documents of the five largest topics."""
    topic = re.compile(r"<TOPICS><D>([^<]*)</D></TOPICS>.*?<BODY>(.*?)</BODY>", re.DOTALL)
    found = []
    with tarfile.open(path) as archive:
        for member in archive:
            if member.name.endswith(".sgm") and (file := archive.extractfile(member)):
                for document in file.read().decode("latin-1").split("</REUTERS>"):
                    found += [match.groups() for match in [topic.search(document)] if match]
    largest = {name for name, _ in Counter(name for name, _ in found).most_common(5)}
    kept = [(name, body) for name, body in found if name in largest]
    return [body for _, body in kept], [name for name, _ in kept]


def text_cells(
    name: str, documents: list[str], groups: list[str], kinds: tuple[str, ...], n: int
) -> Iterator[Cell]:
    def take(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        frame = pd.DataFrame({"text": [documents[row] for row in rows]})
        source = open_source(frame, ReadOptions(text_column="text"))
        return np.asarray(TfidfFeatures().fit(source).transform(source))

    yield from class_cells(name, take, np.array(groups), kinds, n)


FAMILIES: dict[str, Callable[[Path], Iterator[Cell]]] = {"table": tables, "image": images, "text": texts}


def measure(cell: Cell, seed: int = 0) -> list[dict[str, Any]]:
    name, X, y = cell
    rows = []
    for detector in DETECTORS:
        # Trained on pixels the autoencoder takes minutes where the others take seconds.
        if X.ndim == 4 and detector in ("guarded_forest", "autoencoder"):
            continue
        began = time.perf_counter()
        scores = registry.get(detector)(random_state=seed).fit(X).anomaly_scores_
        rows.append(row(name, detector, y, scores, time.perf_counter() - began))
    print(name, *(f"{r['detector']} {r['auroc']:.3f}" for r in rows), sep="  ", flush=True)
    return rows


def row(cell: str, detector: str, y: NDArray[np.bool_], scores: Any, seconds: float) -> dict[str, Any]:
    return {
        "cell": cell,
        "detector": detector,
        "auroc": round(float(roc_auc_score(y, scores)), 4),
        "aupr": round(float(average_precision_score(y, scores)), 4),
        "seconds": round(seconds, 2),
    }


def write_page() -> None:
    """Put the tables of the committed results between the marks in docs/choices.md."""
    page = PAGE.read_text(encoding="utf-8")
    for family in FAMILIES:
        rows = pd.DataFrame(
            json.loads((RESULTS / f"choices-{family}.json").read_text(encoding="utf-8"))["rows"]
        )
        means = rows.groupby(["cell", "detector"])["auroc"].mean().unstack()
        means = means[[name for name in DETECTORS if name in means]]
        means.loc["**mean**"] = means.mean()
        lines = [f"| draw | {' | '.join(means.columns)} |", "| --- |" + " ---: |" * len(means.columns)]
        lines += [f"| {cell} | {' | '.join(f'{v:.3f}' for v in row)} |" for cell, row in means.iterrows()]
        begin, end = f"<!-- {family} -->", f"<!-- end of {family} -->"
        head, _, rest = page.partition(begin)
        page = head + begin + "\n" + "\n".join(lines) + "\n" + end + rest.partition(end)[2]
    PAGE.write_text(page, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--family", choices=sorted(FAMILIES), action="append")
    arguments = parser.parse_args()
    for family in (arguments.family or sorted(FAMILIES)) if arguments.data else ():
        rows = [r for cell in FAMILIES[family](arguments.data) for r in measure(cell)]
        about = {
            "seeds": SEEDS,
            "versions": versions(),
            "hardware": f"{os.cpu_count()} cores, CPU",
            "rows": rows,
        }
        out = RESULTS / f"choices-{family}.json"
        out.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    write_page()


if __name__ == "__main__":
    main()
