"""`AutoEncoder` against PyOD's: seconds to fit and to score 100 000 rows of KDD Cup 99, in turns.

    python benchmarks/speed_autoencoder.py --data DIR [--threads 1] [--repeats 5]

Both get the same float32 matrix (one-hot, each column between 0 and 1), widths 64-32-8-32-64, batches of
256, one epoch, Adam. PyOD keeps its defaults otherwise: it standardises too, and has batch norm and
dropout between the layers; "plain" leaves those two out, so that both nets are the same.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pyod.models.auto_encoder import AutoEncoder as TheirAutoEncoder

from common import ratio, seconds, write
from dross.deep import DeepDetector
from dross.detectors.autoencoder import AutoEncoder

SEED = 0
ROWS = 100_000


def kdd(folder: Path) -> NDArray[np.float32]:
    """Return a draw of rows, one-hot, each column scaled to [0, 1]."""
    table = pd.read_csv(folder / "kddcup99_10_percent.gz", header=None).drop(columns=41)
    x = pd.get_dummies(table, columns=[1, 2, 3], dtype=np.float32).to_numpy(np.float64)
    low, span = x.min(axis=0), np.ptp(x, axis=0)
    rows = np.random.default_rng(SEED).choice(len(x), ROWS, replace=False)
    return ((x[rows] - low) / np.where(span > 0, span, 1)).astype(np.float32)


def ours() -> DeepDetector:
    return AutoEncoder(hidden_sizes=(64, 32), latent_dim=8, max_epochs=1, random_state=SEED)


def theirs(*, plain: bool = False) -> TheirAutoEncoder:
    extra = {"batch_norm": False, "dropout_rate": 0.0} if plain else {}
    return TheirAutoEncoder(
        hidden_neuron_list=[64, 32, 8], epoch_num=1, batch_size=256, verbose=0, random_state=SEED, **extra
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    X = kdd(arguments.data)
    for warm in (ours(), theirs()):
        warm.fit(X[:2000])  # what is compiled or imported at the first use
    times: dict[str, list[float]] = {key: [] for key in (
        "dross_fit", "dross_training_only", "pyod_fit", "pyod_plain_fit",
        "dross_score", "pyod_score", "pyod_plain_score",
    )}  # fmt: skip
    for _ in range(arguments.repeats):
        mine, default, plain = ours(), theirs(), theirs(plain=True)
        times["dross_fit"].append(seconds(mine.fit, X))
        times["pyod_fit"].append(seconds(default.fit, X))
        times["pyod_plain_fit"].append(seconds(plain.fit, X))
        times["dross_training_only"].append(seconds(mine._fit, X))
        times["dross_score"].append(seconds(mine.anomaly_score, X))
        times["pyod_score"].append(seconds(default.decision_function, X))
        times["pyod_plain_score"].append(seconds(plain.decision_function, X))
    values = {
        "shape": X.shape,
        "threads": arguments.threads,
        "fit_ratio": ratio(times["pyod_fit"], times["dross_fit"]),
        "score_ratio": ratio(times["pyod_score"], times["dross_score"]),
        "fit_ratio_plain": ratio(times["pyod_plain_fit"], times["dross_fit"]),
        "score_ratio_plain": ratio(times["pyod_plain_score"], times["dross_score"]),
        "seconds": {key: round(float(np.median(value)), 3) for key, value in times.items()},
    }
    write(f"speed_autoencoder_{arguments.threads}_threads", values, SEED)


if __name__ == "__main__":
    main()
