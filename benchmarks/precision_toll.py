"""Toll's net on MNIST in bf16 and in float32: images trained per second, in turns, and AUROC.

    python benchmarks/precision_toll.py --data DIR [--threads 1] [--repeats 5]

Speed: an epoch over 192 images. AUROC: 600 images of one digit, 10 % of the total from the other digits, some
epochs with the same seed, scored in float32.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from common import ratio, seconds, write
from dross.detectors.toll import Toll
from dross.metrics import auroc

SEED = 100
EPOCHS = 4
Precision = Literal["32", "bf16"]


def draw(folder: Path, digit: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return images in [0, 1] and which of them are other digits."""
    n, n_others = 600, 60
    with np.load(folder / "mnist.npz") as arrays:
        x, y = arrays["x_train"], arrays["y_train"]
    rng = np.random.default_rng(SEED)
    rows = np.concatenate([
        rng.choice(np.flatnonzero(y == digit), n - n_others, replace=False),
        rng.choice(np.flatnonzero(y != digit), n_others, replace=False),
    ])  # fmt: skip
    rows = rng.permutation(rows)
    return (x[rows, None] / 255).astype(np.float32), y[rows] != digit


def train(X: NDArray[np.float32], precision: Precision, epochs: int) -> Toll:
    """Return a detector that was trained, and has scored nothing yet."""
    detector = Toll(precision=precision, max_epochs=epochs, batch_size=64, random_state=SEED)
    detector.seed_, detector.input_shape_ = SEED, X.shape[1:]
    detector.reference_ = np.median(X, axis=0)
    detector._fit(X)
    return detector


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    n = 192
    X = draw(arguments.data, digit=4)[0][:n]
    precisions: tuple[Precision, ...] = ("32", "bf16")
    for precision in precisions:
        train(X[:128], precision, 1)
    times: dict[str, list[float]] = {precision: [] for precision in precisions}
    for _ in range(arguments.repeats):
        for precision in precisions:
            times[precision].append(seconds(train, X, precision, 1))
    values = {
        "threads": arguments.threads,
        "amx": torch.cpu.get_capabilities().get("amx_bf16", False),
        "speed_ratio": ratio(times["32"], times["bf16"]),
        "images_per_second": {key: round(n / float(np.median(value)), 1) for key, value in times.items()},
        "auroc": {},
    }
    for digit in (4,):
        images, is_other = draw(arguments.data, digit)
        values["auroc"][digit] = {}
        for precision in precisions:
            detector = train(images, precision, EPOCHS)
            detector.precision = "32"
            values["auroc"][digit][precision] = round(auroc(is_other, detector._score(images)), 4)
    write("precision_toll", values, SEED)


if __name__ == "__main__":
    main()
