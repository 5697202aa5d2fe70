"""Measure `dross.thresholds.estimate_share` and write docs/contamination.md's tables.

    python benchmarks/contamination.py --data DIR [--jobs 2]     # measure, about 10 minutes on 2 cores
    python benchmarks/contamination.py --tables                  # only rewrite the tables from the results

DIR holds mnist.npz, fashion_mnist.npz, cifar10_jpeg.npz, kddcup99_10_percent.gz, arrhythmia.npz,
20news.tar.gz and reuters21578.tar.gz. Seeds 0-4 (coverage: 0-99); development used seeds from 100 on.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
import platform
import re
import tarfile
import time
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from itertools import chain, pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import sklearn
from numpy.typing import NDArray
from PIL import Image
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import minmax_scale, normalize, scale

from dross.metrics import auroc
from dross.thresholds import estimate_share

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "contamination.json"
DOC = HERE.parent / "docs" / "contamination.md"
SHARES = (0.05, 0.1, 0.3)
Array = NDArray[Any]
Draw = tuple[Array, NDArray[np.bool_]]  # rows, which of them are anomalies


# --- detectors: plain scikit-learn, so that the numbers do not hang on the rest of dross


def isolation_forest(X: Array, seed: int) -> Array:
    return -IsolationForest(random_state=seed).fit(X).score_samples(X)


def knn(X: Array, seed: int) -> Array:
    return NearestNeighbors(n_neighbors=5, algorithm=_search(X)).fit(X).kneighbors()[0][:, -1]


def lof(X: Array, seed: int) -> Array:
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # KDD's duplicate rows
        return -LocalOutlierFactor(20, algorithm=_search(X)).fit(X).negative_outlier_factor_


def _search(X: Array) -> str:
    return "kd_tree" if X.shape[1] <= 4 else "brute"  # the same neighbours, sooner


def mahalanobis(X: Array, seed: int) -> Array:
    Z = X - X.mean(axis=0)
    return ((Z @ np.linalg.pinv(np.cov(Z.T))) * Z).sum(axis=1)


def pca(X: Array, seed: int) -> Array:
    model = PCA(10, random_state=seed).fit(X)
    return ((X - model.inverse_transform(model.transform(X))) ** 2).mean(axis=1)


def autoencoder(X: Array, seed: int) -> Array:
    Z = scale(X)
    code = max(1, X.shape[1] // 2)
    model = MLPRegressor(hidden_layer_sizes=(32, code, 32), activation="tanh", learning_rate_init=0.003)
    model.set_params(max_iter=20, random_state=seed)
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):  # a fixed, short training
        model.fit(Z, Z)
    return ((model.predict(Z) - Z) ** 2).mean(axis=1)


def kde(X: Array, seed: int) -> Array:
    """Return minus the log density without the row itself, Gaussian kernel, Scott's bandwidth."""
    Z = scale(X)
    n, d = Z.shape
    squares, width, out = (Z**2).sum(axis=1), n ** (-1 / (d + 4)), np.empty(n)
    for start in range(0, n, 1000):
        rows = slice(start, min(start + 1000, n))
        logs = -(squares[rows, None] + squares - 2 * Z[rows] @ Z.T) / (2 * width**2)
        logs[np.arange(len(logs)), np.arange(rows.start, rows.stop)] = -np.inf
        out[rows] = -scipy.special.logsumexp(logs, axis=1)
    return out


Detector = Callable[[Array, int], Array]
TABLE: tuple[Detector, ...] = (isolation_forest, knn, mahalanobis, lof, autoencoder, kde)
REAL: tuple[Detector, ...] = (isolation_forest, knn, pca, lof)


# --- data


def clean(kind: str, n: int, d: int, seed: int) -> Draw:
    rng = np.random.default_rng(seed)
    draw = {
        "Gaussian": rng.normal,
        "log-normal": rng.lognormal,
        "Student-t(3)": partial(rng.standard_t, 3),
        "uniform": rng.uniform,
    }[kind]
    return draw(size=(n, d)), np.zeros(n, bool)


def uniform_mixture(n: int, share: float, seed: int) -> Draw:
    rng = np.random.default_rng(seed)
    y = np.arange(n) < round(share * n)
    X = rng.normal(size=(n, 8))
    X[y] = rng.uniform(-10, 10, size=(int(y.sum()), 8))
    return X, y


def tight_group(n: int, size: int, seed: int) -> Draw:
    """Return a normal cloud and a few rows at 8 standard deviations in each of 8 dimensions."""
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(n, 8)), np.arange(n) < size
    X[y] = 8 + 0.1 * X[y]
    return X, y


def shifted(share: float, seed: int) -> Draw:
    X, y = np.random.default_rng(seed).normal(size=(5000, 8)), np.arange(5000) < round(5000 * share)
    X[y] += 2
    return X, y


def one_class(X: Array, classes: Array, normal: Any, share: float, seed: int) -> Draw:
    """Return up to 2 000 rows of one class and, from all others, as many as make that share of the total."""
    rng = np.random.default_rng(seed)
    inside = np.flatnonzero(classes == normal)
    inside = rng.choice(inside, min(2000, len(inside)), replace=False)
    others = np.flatnonzero(classes != normal)
    outside = rng.choice(others, round(len(inside) * share / (1 - share)), replace=False)
    y = np.arange(len(inside) + len(outside)) >= len(inside)
    return X[np.concatenate([inside, outside])], y


def images(folder: Path, name: str) -> tuple[Array, Array]:
    with np.load(folder / f"{name}.npz") as data:
        return data["x_train"].reshape(-1, 784).astype(np.float32) / 255, data["y_train"]


def cifar(folder: Path) -> tuple[Array, Array]:
    """Return CIFAR-10's training images at 16 x 16."""
    with np.load(folder / "cifar10_jpeg.npz") as data:
        raw, offsets, y = data["train_bytes"], data["train_offsets"], data["y_train"]
    X = np.empty((len(y), 16 * 16 * 3), np.float32)
    for i, (start, stop) in enumerate(pairwise(offsets)):
        small = Image.open(io.BytesIO(raw[start:stop].tobytes())).resize((16, 16), Image.Resampling.BOX)
        X[i] = np.asarray(small, np.float32).ravel() / 255
    return X, y


def kdd(folder: Path) -> tuple[Array, Array]:
    with gzip.open(folder / "kddcup99_10_percent.gz", "rt") as file:
        rows = np.array([line.rstrip("\n").split(",") for line in file], dtype=object)
    numbers = rows[:, [0, *range(4, 41)]].astype(np.float64)
    words = [rows[:, [i]].astype(str) == np.unique(rows[:, i].astype(str)) for i in (1, 2, 3)]
    return minmax_scale(np.hstack([numbers, *words])), np.where(rows[:, -1] == "normal.", "normal", "attack")


def newsgroups(folder: Path) -> tuple[list[str], Array]:
    texts, groups = [], []
    with tarfile.open(folder / "20news.tar.gz") as tar:
        for member in tar:
            if member.isfile() and "-train/" in member.name and (file := tar.extractfile(member)):
                texts.append(file.read().decode("latin-1"))
                groups.append(member.name.split("/")[-2])
    return texts, np.array(groups)


def reuters(folder: Path) -> tuple[list[str], Array]:
    """Return the documents with one topic, of the five largest topics."""
    pairs = []
    with tarfile.open(folder / "reuters21578.tar.gz") as tar:
        for member in tar:
            if not member.name.endswith(".sgm") or (file := tar.extractfile(member)) is None:
                continue
            for document in file.read().decode("latin-1").split("</REUTERS>"):
                listed = re.search(r"<TOPICS>(.*?)</TOPICS>", document)
                topics = re.findall(r"<D>(.*?)</D>", listed[1] if listed else "")
                body = re.search(r"<BODY>(.*?)</BODY>", document, re.S)
                if len(topics) == 1 and body:
                    pairs.append((body[1], topics[0]))
    kept = {topic for topic, _ in Counter(topic for _, topic in pairs).most_common(5)}
    return [text for text, topic in pairs if topic in kept], np.array([t for _, t in pairs if t in kept])


def embed(texts: list[str]) -> Array:
    """Return TF-IDF, its first 50 singular directions, rows of length 1."""
    tfidf = TfidfVectorizer(max_features=10_000, stop_words="english").fit_transform(texts)
    return normalize(TruncatedSVD(50, random_state=0).fit_transform(tfidf))


# --- measurements


def measure(label: tuple[str, str], draws: Iterable[Draw], detector: Detector) -> dict[str, Any]:
    """Return one cell: the same kind of data over several seeds, one detector."""
    cell: dict[str, Any] = {"group": label[0], "data": label[1], "detector": detector.__name__, "draws": []}
    for seed, (X, y) in enumerate(draws):
        scores = detector(X, seed)
        found = estimate_share(scores)
        area = auroc(y, scores)
        low, high = (round(end, 4) for end in found.interval)
        cell["draws"].append(
            {
                "n": len(y),
                "truth": round(float(y.mean()), 4),
                "auroc": None if area is None else round(area, 3),
                "share": round(found.share, 4),
                "interval": [low, high],
                "separated": found.separated,
            }
        )
    return cell


Job = tuple[tuple[str, str], list[Draw], Detector]
FAST: tuple[Detector, ...] = (isolation_forest, knn, mahalanobis)


def jobs_for(group: str, data: str, draws: list[Draw], detectors: Iterable[Detector]) -> Iterator[Job]:
    for detector in detectors:
        yield (group, data), draws, detector


def clean_jobs() -> Iterator[Job]:
    kinds, sizes = ("Gaussian", "log-normal", "Student-t(3)", "uniform"), ((20_000, 1), (1000, 5), (200, 5))
    for kind, (n, seeds), d in product(kinds, sizes, (10, 2)):
        draws = [clean(kind, n, d, s) for s in range(seeds)]
        yield from jobs_for("clean", f"{kind}, {n} x {d}", draws, TABLE)


def mixture_jobs() -> Iterator[Job]:
    for share in (0.05, 0.1, 0.2):
        draws = [uniform_mixture(5000, share, s) for s in range(100)]
        yield from jobs_for("coverage", f"{share:.0%}", draws, FAST)
    sizes = ((500, 0.01), (500, 0.02), (500, 0.1), (500, 0.3), (5000, 0.005), (5000, 0.02), (5000, 0.3))
    for n, share in sizes:
        draws = [uniform_mixture(n, share, s) for s in range(5)]
        yield from jobs_for("sizes", f"{share:.1%} of {n}", draws, (*FAST, lof, kde))
    yield from jobs_for("sizes", "10.0% of 50000", [uniform_mixture(50_000, 0.1, s) for s in range(2)], FAST)
    for n, size in ((200, 1), (1000, 1), (5000, 5)):
        draws = [tight_group(n, size, s) for s in range(5)]
        yield from jobs_for("few", f"{size} of {n}", draws, (*FAST, lof))
    for share in (0.05, 0.1, 0.2):
        draws = [shifted(share, s) for s in range(5)]
        yield from jobs_for("overlap", f"shifted by 2 sigma, {share:.0%}", draws, FAST)


def real_jobs(folder: Path) -> Iterator[Job]:
    for name, title in (("mnist", "MNIST"), ("fashion_mnist", "Fashion-MNIST")):
        X, y = images(folder, name)
        if name == "mnist":
            for digit in range(10):
                rows = X[y == digit]
                draws = [(rows, np.zeros(len(rows), bool))]
                yield from jobs_for("clean digit", f"MNIST {digit}", draws, REAL)
        yield from class_jobs(title, X, y, (1, 4, 7), SHARES)
    yield from class_jobs("CIFAR-10", *cifar(folder), (1, 4, 7), SHARES)
    yield from class_jobs("KDD", *kdd(folder), ("attack",), (0.05, 0.1, 0.2))
    with np.load(folder / "arrhythmia.npz") as data:
        X, y = scale(data["X"]), data["y"].astype(bool)
    yield from jobs_for("overlap", "Arrhythmia", [(X, y)] * 5, REAL)
    for title, read, normal in (
        ("20 Newsgroups", newsgroups, ("rec.autos", "sci.space")),
        ("Reuters", reuters, ("earn", "crude")),
    ):
        texts, classes = read(folder)
        yield from class_jobs(title, embed(texts), classes, normal, SHARES)


def class_jobs(
    title: str, X: Array, classes: Array, normal: tuple[Any, ...], shares: tuple[float, ...]
) -> Iterator[Job]:
    for share in shares:
        for kind in normal:
            draws = [one_class(X, classes, kind, share, seed) for seed in range(5)]
            yield from jobs_for("overlap", f"{title}, {share:.0%}", draws, REAL)


def run(folder: Path, jobs: int) -> dict[str, Any]:
    started = time.perf_counter()
    cells: list[dict[str, Any]] = []
    running: deque[Future[dict[str, Any]]] = deque()
    with ProcessPoolExecutor(jobs) as pool:
        for job in chain(clean_jobs(), mixture_jobs(), real_jobs(folder)):
            running.append(pool.submit(measure, *job))
            if len(running) > 3 * jobs:  # few draws in memory at a time
                cells.append(running.popleft().result())
                print(f"{len(cells)} cells, {time.perf_counter() - started:.0f} s", end="\r", flush=True)
        cells += [one.result() for one in running]
    rng = np.random.default_rng(0)
    million = np.concatenate([rng.normal(size=950_000), rng.normal(20, 1, size=50_000)])
    begin = time.perf_counter()
    estimate_share(million)
    seconds = time.perf_counter() - begin
    return {
        "seeds": "0-4, coverage 0-99, clean 20 000 rows 0, mixtures of 50 000 rows 0-1",
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "scikit-learn": sklearn.__version__,
        },
        "hardware": {"machine": platform.machine(), "cpus": os.cpu_count(), "system": platform.system()},
        "seconds": round(time.perf_counter() - started),
        "seconds_million_rows": round(seconds, 2),
        "cells": cells,
    }


# --- tables


def summarise(draws: list[dict[str, Any]]) -> dict[str, float]:
    truth = np.array([draw["truth"] for draw in draws])
    share = np.array([draw["share"] for draw in draws])
    low, high = np.array([draw["interval"] for draw in draws]).T
    areas = [draw["auroc"] for draw in draws if draw["auroc"] is not None]
    return {
        "draws": len(draws),
        "error": float(np.abs(share - truth).max()),
        "largest": float(share.max()),
        "above_2": int((share > 0.02).sum()),
        "flagging": int((share > 0).sum()),
        "exact": int((share == truth).sum()),
        "covered": int(((low <= truth) & (truth <= high)).sum()),
        "width": float(np.median(high - low)),
        "separated": int(sum(draw["separated"] for draw in draws)),
        "auroc": float(np.mean(areas)) if areas else float("nan"),
    }


COLUMNS: dict[str, tuple[str, Callable[[dict[str, float]], str]]] = {
    "draws": ("draws", lambda s: f"{s['draws']}"),
    "largest": ("most flagged", lambda s: f"{s['largest']:.2%}"),
    "flagging": ("draws with a flag", lambda s: f"{s['flagging']}"),
    "above_2": ("above 2 %", lambda s: f"{s['above_2']}"),
    "auroc": ("AUROC", lambda s: f"{s['auroc']:.2f}"),
    "error": ("largest error", lambda s: f"{100 * s['error']:.1f} points"),
    "exact": ("exactly right", lambda s: f"{s['exact']}"),
    "covered": ("truth in interval", lambda s: f"{s['covered']}"),
    "width": ("median width", lambda s: f"{s['width']:.3f}"),
    "separated": ("called separated", lambda s: f"{s['separated']}"),
}
TABLES = {
    "clean": ("draws", "largest", "flagging", "above_2", "separated"),
    "clean digit": ("draws", "largest", "flagging", "above_2", "separated"),
    "coverage": ("draws", "error", "covered", "width", "separated"),
    "sizes": ("draws", "auroc", "error", "covered", "width", "separated"),
    "few": ("draws", "exact", "covered"),
    "overlap": ("draws", "auroc", "covered", "separated", "largest"),
}


def table(cells: list[dict[str, Any]], group: str) -> str:
    joined: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for cell in cells:
        if cell["group"] == group:
            data, detector = cell["data"], cell["detector"].replace("_", " ")
            if group == "clean":
                data, detector = re.sub(r" x \d+$", " rows", data), "all six"
            elif group == "clean digit":
                data = "each digit"
            joined.setdefault((data, detector), []).extend(cell["draws"])
    heads = ["data", "detector", *(COLUMNS[name][0] for name in TABLES[group])]
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * 2 + " ---: |" * len(TABLES[group])]
    for key, draws in joined.items():
        summary = summarise(draws)
        lines.append("| " + " | ".join([*key, *(COLUMNS[name][1](summary) for name in TABLES[group])]) + " |")
    return "\n".join(lines)


def write_tables(results: dict[str, Any]) -> None:
    """Replace what stands between the markers in the document."""
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    hardware = results["hardware"]
    parts = {group: table(results["cells"], group) for group in TABLES}
    parts["run"] = (
        f"Seeds {results['seeds']}; {versions}; {hardware['cpus']} CPUs ({hardware['machine']}, "
        f"{hardware['system']}); {results['seconds']} s in all; one estimate from a million scores takes "
        f"{results['seconds_million_rows']} s."
    )
    text = DOC.read_text(encoding="utf-8")
    for name, part in parts.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.S)
        text = pattern.sub(lambda found, part=part: f"{found[1]}{part}\n{found[2]}", text)
    DOC.write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with the data sets")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--tables", action="store_true", help="only rewrite the tables from the results")
    options = parser.parse_args()
    if not options.tables:
        if options.data is None:
            parser.error("--data is needed to measure")
        results = run(options.data, options.jobs)
        RESULTS.parent.mkdir(exist_ok=True)
        text = json.dumps(results, separators=(",", ":")).replace('{"group"', '\n{"group"')  # a line a cell
        RESULTS.write_text(text + "\n")
    write_tables(json.loads(RESULTS.read_text()))


if __name__ == "__main__":
    main()
