"""Images per second that `joint_encoder` learns from, against its nets' plain forward and backward passes.

    DROSS_DATA=DIR python benchmarks/speed_generative.py [--side 16] [--channels 16] [--epochs 0]

A step of the detector resizes, standardises, teaches critic, generator and encoder, averages and tallies;
"plain" is the same losses' forward and backward passes, and nothing else. Both in turns, fully grown, in bf16
where the hardware multiplies it, and in float32. With ``--epochs``, the AUROC of either precision on blood
cells, 2 % of the training rows anomalous, development seeds 100 and 101.
"""

from __future__ import annotations

import argparse
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from common import write
from dross.bench.datasets import DATASETS, data_root
from dross.bench.experiments import plan
from dross.detectors.joint_encoder import JointEncoderGAN
from dross.metrics import auroc

SEED = 0


class Side:
    """A detector at the end of its growth, and what it takes to make steps with it."""

    def __init__(self, rows: Any, arguments: argparse.Namespace, precision: str) -> None:
        self.detector = JointEncoderGAN(
            image_size=arguments.side, channels=arguments.channels, batch_size=arguments.batch, max_epochs=1,
            precision=precision, contamination=0.1, random_state=SEED,
        ).fit(rows)  # fmt: skip
        self.module: Any = self.detector.module_.train()
        self.optimizers = self.detector._configure_optimizers()
        self.detector.share_trained_ = 0.999
        self.rows, self.numbers = torch.from_numpy(rows), torch.arange(len(rows))
        self.steps = arguments.steps
        self.own(), self.plain()  # what is compiled at the first use

    def own(self) -> None:
        for _ in range(self.steps):
            x = self.detector._standardised(self.rows)
            self.detector._training_step(x, self.numbers, self.optimizers)

    def plain(self) -> None:
        real = self.module.resized(self.detector._standardised(self.rows))
        for _ in range(self.steps):
            with torch.no_grad(), self.detector._autocast():
                _, fake = self.module.drawn(len(real))
            self._descent(lambda fake=fake: self.module.critic_loss(real, fake))
            self.module.critic.requires_grad_(False)
            self._descent(lambda: self.module.generator_loss(len(real)))
            self.module.critic.requires_grad_(True)

    def _descent(self, loss: Any) -> None:
        with self.detector._autocast():
            value: Tensor = loss()
        value.backward()


def auroc_of(arguments: argparse.Namespace, seed: int) -> dict[str, dict[str, float]]:
    """Return the AUROC by score and precision, of one draw and one seed."""
    setting = {"normal": "cell", "share": 0.02, "n_test": 256}
    task, answers, _ = plan("gan", setting, DATASETS["kth_cells"].load(data_root()), seed).carry_out()
    found: dict[str, dict[str, float]] = {}
    for precision in ("auto", "32"):
        detector = JointEncoderGAN(
            image_size=arguments.side, channels=arguments.channels, batch_size=arguments.batch,
            max_epochs=arguments.epochs, precision=precision, contamination=0.1, random_state=seed,
        ).fit(task.train)  # fmt: skip
        for scoring in ("A", "residual", "minmax_residual", "origin_distance"):
            scores = detector.set_params(scoring=scoring).anomaly_score(task.scored)
            found.setdefault(scoring, {})[precision] = round(auroc(answers.is_anomaly, scores), 4)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name, default in {
        "side": 16,
        "channels": 16,
        "batch": 32,
        "repeats": 5,
        "steps": 10,
        "epochs": 0,
    }.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    shape = (arguments.batch, 3, arguments.side, arguments.side)
    rows = np.random.default_rng(SEED).uniform(-1, 1, shape).astype(np.float32)
    sides = {precision: Side(rows, arguments, precision) for precision in ("auto", "32")}
    calls = {
        f"{precision}_{kind}": getattr(side, kind)
        for precision, side in sides.items()
        for kind in ("own", "plain")
    }
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(arguments.repeats):
        for name, call in calls.items():
            start = perf_counter()
            call()
            taken[name].append(perf_counter() - start)
    n_images = arguments.steps * arguments.batch
    speed = {name: [n_images / seconds for seconds in some] for name, some in taken.items()}

    def times(first: str, second: str) -> float:
        return round(float(np.median(np.array(speed[first]) / np.array(speed[second]))), 2)

    values = {
        **vars(arguments),
        "images_per_second": {name: round(float(np.median(some)), 1) for name, some in speed.items()},
        "own_over_plain": {precision: times(f"{precision}_own", f"{precision}_plain") for precision in sides},
        "auto_over_float32": times("auto_own", "32_own"),
    }
    if arguments.epochs:
        values["auroc"] = {seed: auroc_of(arguments, seed) for seed in (100, 101)}
    write(f"speed_generative_{arguments.side}", values, SEED)


if __name__ == "__main__":
    main()
