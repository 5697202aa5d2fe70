"""`DistributionClustering` on images: seconds, growth, peak memory, what landmarks and thresholds change.

    DROSS_DATA=DIR python benchmarks/distribution_clustering.py [--rows 1000 2000 4000 8000]
    DROSS_DATA=DIR python benchmarks/distribution_clustering.py --large | --choices | --scores

The plain version is the algorithm in numpy, vectorised over rows, without pruning; it runs up to 2 000 rows
and must give the same labels. ``--large`` takes the 60 000 training rows, which landmarks stand for. Each
size runs in a fresh process with one thread; seconds of the processor are what counts on busy cores.
``--choices`` is what thresholds, coverage and landmarks do to 4 000 rows of MNIST and CIFAR-10; ``--scores``
is the AUROC of the detector's two scores on development draws of DUAD's Table 4.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
from time import perf_counter, process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from common import write
from dross.bench import machine
from dross.bench.datasets import DATASETS, data_root
from dross.bench.experiments import plan
from dross.clustering.distance_profiles import squared_distances, unit_rows
from dross.clustering.distribution_clustering import DistributionClustering
from dross.detectors.distribution_clustering import DistributionClusteringDetector
from dross.metrics import auroc

SEED = 100
MOST_PLAIN_ROWS = 2_000
LARGE = 60_000
COMPARED = 4_000
THRESHOLD = 0.07
DRAWS = (100, 101, 102)
TABLE_4 = {
    "mnist": {"normal": 4, "n_normal": 4859, "n_anomalies": 265},
    "cifar10": {"normal": "airplane", "n_normal": 5050, "n_anomalies": 450},
}


def draw(name: str, n: int) -> NDArray[np.float32]:
    """Return rows drawn from a data set, flat; MNIST's 60 000 are its training part."""
    data = DATASETS[name].load(data_root())
    n_all = min(len(data.labels), LARGE)
    rows = np.arange(n_all) if n == n_all else np.random.default_rng(SEED).choice(n_all, n, replace=False)
    return data.rows.take(rows).reshape(n, -1).astype(np.float32)


def plain(X: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the labels, by the shortest numpy that gives them."""
    rows = unit_rows(X.astype(np.float64))
    D = squared_distances(rows, rows)
    n = len(D)
    labels, found = np.full(n, -1), 0
    first, second = np.triu_indices(n, 1)
    for pair in np.argsort(D[first, second], kind="stable"):
        i, j = first[pair], second[pair]
        delta = D[i, j]
        if labels[i] >= 0 or labels[j] >= 0 or delta == 0:
            continue
        if delta > 2:
            break
        if (np.abs(D[i] - D[j]).sum() - 2 * delta) / n > THRESHOLD:
            continue
        members = plain_growth(D, [i, j], delta, labels)
        inner = D[np.ix_(members, members)].sum() / (len(members) * (len(members) - 1))
        members = plain_growth(D, members, inner, labels)
        if len(members) > 5:
            labels[members] = found
            found += 1
    return labels


def plain_growth(
    D: NDArray[np.float64], members: list[int], delta: float, labels: NDArray[np.int64]
) -> list[int]:
    profile = (D[members].sum(axis=0) + delta * np.isin(np.arange(len(D)), members)) / len(members)
    gaps = np.abs(profile - D).sum(axis=1) - np.abs(profile) + np.abs(profile - delta)
    waits = (gaps / len(D) < THRESHOLD) & (labels < 0)
    waits[members] = False
    sums = D[members].sum(axis=0)
    members, changed = list(members), True
    while changed:
        changed = False
        for k in np.flatnonzero(waits):
            if abs(sums[k] / len(members) - delta) < THRESHOLD:
                members.append(k)
                sums += D[k]
                waits[k], changed = False, True
    return members


def measure(n: int) -> dict[str, Any]:
    """Fit so many rows in this process and return what it took."""
    X = draw("mnist", n)
    DistributionClustering().fit(X[:200])  # what is loaded at the first use
    wall, cpu = perf_counter(), process_time()
    clustering = DistributionClustering().fit(X)
    values = {
        "seconds": round(perf_counter() - wall, 2),
        "processor_seconds": round(process_time() - cpu, 2),
        "peak_mib": round(machine.peak_memory()),
        "clusters": clustering.n_clusters_,
        "assigned": round(float((clustering.labels_ >= 0).mean()), 4),
    }
    if n <= MOST_PLAIN_ROWS:
        cpu = process_time()
        labels = plain(X)
        values["plain_processor_seconds"] = round(process_time() - cpu, 2)
        values["same_labels"] = bool((labels == clustering.labels_).all())
    return values


def choices(name: str) -> dict[str, Any]:
    """Return what a draw of 4 000 rows gives by threshold, by coverage and by number of landmarks."""
    X = draw(name, COMPARED)
    full = DistributionClustering().fit(X)
    values: dict[str, Any] = {
        "assigned_by_threshold": {},
        "by_coverage": {},
        "by_landmarks": {},
        "training_rows_predicted_alike": round(float((full.predict(X) == full.labels_).mean()), 4),
    }
    for threshold in (0.05, THRESHOLD, 0.1, 0.15):
        labels = DistributionClustering(threshold=threshold).fit(X).labels_
        values["assigned_by_threshold"][threshold] = round(float((labels >= 0).mean()), 4)
    for coverage in (0.5, 0.9):
        cpu = process_time()
        chosen = DistributionClustering(coverage=coverage).fit(X)
        values["by_coverage"][coverage] = {
            "threshold": round(chosen.threshold_, 4),
            "assigned": round(float((chosen.labels_ >= 0).mean()), 4),
            "processor_seconds": round(process_time() - cpu, 1),
        }
    for m in (256, 1_024, COMPARED - 1):
        labels = DistributionClustering(n_landmarks=m).fit(X).labels_
        values["by_landmarks"][m] = {
            "adjusted_rand_index": round(float(adjusted_rand_score(full.labels_, labels)), 3),
            "assigned": round(float((labels >= 0).mean()), 4),
        }
    return values


def scores(name: str) -> list[dict[str, Any]]:
    """Return the AUROC of the two scores on each development draw, and of the published one by `labels_`."""
    data = DATASETS[name].load(data_root())
    draws = []
    for seed in DRAWS:
        task, answers, _ = plan("counts", TABLE_4[name], data, seed).carry_out()
        detector = DistributionClusteringDetector(contamination=0.1, random_state=seed).fit(task.train)
        labels = detector.clustering_.labels_
        by_label = np.append(detector.clustering_.cluster_distances_, 4.0)[labels]
        graded = detector.anomaly_scores_
        published = detector.set_params(scoring="published").anomaly_score(task.train)
        areas = {
            key: round(auroc(answers.is_anomaly, some) or 0.0, 4)
            for key, some in {"graded": graded, "published": published, "by_label": by_label}.items()
        }
        is_in = labels >= 0
        shares = {"assigned": is_in.mean(), "anomalies_among_assigned": answers.is_anomaly[is_in].mean()}
        draws.append(areas | {key: round(float(share), 4) for key, share in shares.items()})
    return draws


def alone(*arguments: str) -> dict[str, Any]:
    """Run a measurement in a fresh process with one thread."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, __file__, *arguments], check=True, stdout=subprocess.PIPE, text=True, env=environment
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=(1_000, 2_000, 4_000, 8_000))
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--choices", action="store_true")
    parser.add_argument("--scores", action="store_true")
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure)))
    elif arguments.choices:
        write("distribution_clustering_choices", {name: choices(name) for name in TABLE_4}, SEED)
    elif arguments.scores:
        write("distribution_clustering_scores", {name: scores(name) for name in TABLE_4}, DRAWS[0])
    elif arguments.large:
        write("distribution_clustering_large", {"runs": {LARGE: alone("--measure", str(LARGE))}}, SEED)
    else:
        runs = {n: alone("--measure", str(n)) for n in arguments.rows}
        few, many = min(runs), max(runs)
        gain = runs[many]["processor_seconds"] / runs[few]["processor_seconds"]
        values = {
            "threshold": THRESHOLD,
            "runs": runs,
            "growth_exponent_processor": round(math.log(gain) / math.log(many / few), 2),
        }
        write("distribution_clustering", values, SEED)


if __name__ == "__main__":
    main()
