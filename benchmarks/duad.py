"""DUAD's readings on development draws: which selections shed the anomalies, and what the scores are then.

    DROSS_DATA=DIR python benchmarks/duad.py [--seeds 100 101] [--draws "kdd 5%" ...]

KDD Cup 99 as in the paper's Table 2, at most 60 000 attacks, 50 epochs with a selection every 5 or 10;
MNIST's fours and CIFAR-10's airplanes as in Table 4, raw pixels. AUROC and AUPR of the scored rows; of the
rows that the last epoch learnt from, the share of anomalies, and how large a share of all rows they are.
"""

from __future__ import annotations

import argparse
from time import perf_counter
from typing import Any

from common import write
from dross.bench import experiments
from dross.bench.datasets import DATASETS, data_root
from dross.detectors.duad import DUAD
from dross.metrics import aupr, auroc

LITERAL: dict[str, Any] = {"init": "gmm", "selection": "clusters"}
READINGS: dict[str, dict[str, Any]] = {
    "angle": {},
    "angle, every 10 epochs": {"r": 10},
    "angle, after a mixture": {"init": "gmm"},
    "angle as the loss": {"loss": "angle"},
    "clusters, after a mixture (literal)": LITERAL,
    "rows of clusters, after a mixture": LITERAL | {"selection": "rows"},
}
KDD = {"p0": 0.35, "p": 0.3, "max_epochs": 50}
IMAGES = {"max_epochs": 100}
DRAWS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    f"kdd {share:.0%}": ("kdd", {"share": share, "n_train": 60_000}, KDD) for share in (0.05, 0.1, 0.2)
}
DRAWS["mnist 4"] = (
    "counts",
    {"data": "mnist", "normal": 4, "n_normal": 4859, "n_anomalies": 265},
    IMAGES | {"p0": 0.25, "p": 0.2},
)
DRAWS["cifar10 airplane"] = (
    "counts",
    {"data": "cifar10", "normal": "airplane", "n_normal": 5050, "n_anomalies": 450},
    IMAGES | {"p0": 0.15, "p": 0.1},
)


def measure(draw: str, seed: int) -> dict[str, dict[str, Any]]:
    """Return what each reading got on one draw."""
    experiment, setting, parameters = DRAWS[draw]
    data = DATASETS[experiments.data_of(experiment, setting)].load(data_root())
    plan = experiments.plan(experiment, setting, data, seed)
    task, answers, _ = plan.carry_out()
    is_anomaly = plan.is_anomaly[plan.draw.train]
    found = {}
    for name, reading in READINGS.items():
        start = perf_counter()
        detector = DUAD(**parameters | reading, contamination=0.1, random_state=seed).fit(task.train)
        took = perf_counter() - start
        scores = detector.anomaly_score(task.scored)
        rows = detector.training_rows_
        found[name] = {
            "auroc": round(auroc(answers.is_anomaly, scores), 4),
            "aupr": round(aupr(answers.is_anomaly, scores), 4),
            "contamination": round(float(is_anomaly[rows].mean()), 4),
            "selected": round(len(rows) / len(is_anomaly), 4),
            "epochs": len(detector.history_),
            "seconds": round(took, 1),
        }
        print(draw, seed, name, found[name], flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[100, 101])
    parser.add_argument("--draws", nargs="+", default=list(DRAWS)[:3], choices=DRAWS, help="default: KDD")
    chosen = parser.parse_args()
    write("duad", {draw: {seed: measure(draw, seed) for seed in chosen.seeds} for draw in chosen.draws})


if __name__ == "__main__":
    main()
