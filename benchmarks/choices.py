"""Which detector `auto` takes: every shallow detector and the autoencoder on development draws.

Labels make the draws and the metrics; nothing is fitted or chosen per cell. Seeds start at 100, so that
reported tables (seeds 0 to 4) never use a draw that a choice was made on.

    python benchmarks/choices.py --data DIR [--family table|image|text] [--out FILE]
"""

from __future__ import annotations

import argparse
import io
import json
import tarfile
import time
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
DETECTORS = ("isolation_forest", "knn", "lof", "pca", "ocsvm", "kde", "autoencoder")
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
    y, documents_array = np.array(groups), np.array(documents, dtype=object)
    for seed in SEEDS:
        for group in ("sci.space", "rec.autos", "talk.politics.guns"):
            for share in (0.05, 0.2):
                rows, is_anomaly = draw(
                    np.flatnonzero(y == group), np.flatnonzero(y != group), share, 600, seed
                )
                frame = pd.DataFrame({"text": documents_array[rows]})
                source = open_source(frame, ReadOptions(text_column="text"))
                X = TfidfFeatures().fit(source).transform(source)
                yield f"20news {group} + {share:.0%}", np.asarray(X), is_anomaly


FAMILIES: dict[str, Callable[[Path], Iterator[Cell]]] = {"table": tables, "image": images, "text": texts}


def normal_scores(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return scores on one scale: deviations above the median, in units of the lower half's spread."""
    median = np.median(scores)
    return np.asarray((scores - median) / (median - np.quantile(scores, 0.1) + 1e-12))


def measure(cell: Cell, seed: int = 0) -> list[dict[str, Any]]:
    name, X, y = cell
    rows, kept = [], {}
    # Trained on pixels the autoencoder takes minutes where the others take seconds.
    names = DETECTORS if X.ndim == 2 else DETECTORS[:-1]
    for detector in names:
        began = time.perf_counter()
        scores = registry.get(detector)(random_state=seed).fit(X).anomaly_scores_
        kept[detector] = scores
        rows.append(row(name, detector, y, scores, time.perf_counter() - began))
    print(name, *(f"{r['detector']} {r['auroc']:.3f}" for r in rows), sep="  ", flush=True)
    pairs = {
        "mean rank of isolation_forest, knn, pca": ("isolation_forest", "knn", "pca"),
        "mean rank of isolation_forest, knn": ("isolation_forest", "knn"),
        "mean rank of isolation_forest, kde": ("isolation_forest", "kde"),
    }
    for label, names in pairs.items():
        rows.append(row(name, label, y, sum(kept[n].argsort().argsort() for n in names) / len(names), 0.0))
    return rows


def row(cell: str, detector: str, y: NDArray[np.bool_], scores: Any, seconds: float) -> dict[str, Any]:
    return {
        "cell": cell,
        "detector": detector,
        "auroc": round(float(roc_auc_score(y, scores)), 4),
        "aupr": round(float(average_precision_score(y, scores)), 4),
        "seconds": round(seconds, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--family", choices=sorted(FAMILIES), action="append")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    for family in arguments.family or sorted(FAMILIES):
        rows = [r for cell in FAMILIES[family](arguments.data) for r in measure(cell)]
        table = pd.DataFrame(rows).groupby(["cell", "detector"])["auroc"].mean().unstack()
        print(table.round(3).to_string(), table.mean().round(3).to_string(), sep="\n\n", flush=True)
        if arguments.out:
            out = arguments.out.with_name(f"{arguments.out.stem}-{family}.json")
            about = {"seeds": SEEDS, "versions": versions(), "hardware": "2 cores, CPU", "rows": rows}
            out.write_text(json.dumps(about, indent=1) + "\n")


if __name__ == "__main__":
    main()
