"""What the penalty on the code's norm does to a score: contours of a linear autoencoder, as in Toll's Fig. 2.

    python benchmarks/toll_contours.py [--out docs/toll_contours.png]

Rows from N(0, diag(4, 1)), a code of one dimension, linear nets, with the penalty and without.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from dross.detectors.toll import TollModule

SIDE = 6.0
N_STEPS = 300


def trained(X: Tensor, beta: float) -> TollModule:
    """Return a linear module after some full-batch steps."""
    torch.manual_seed(0)
    module = TollModule(nn.Linear(2, 1, bias=False), nn.Linear(1, 2, bias=False), beta)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
    for _ in range(N_STEPS):
        optimizer.zero_grad()
        module.loss(X).backward()
        optimizer.step()
    return module


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/toll_contours.png"))
    out = parser.parse_args().out
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(1000, 2)) * [2.0, 1.0]).astype(np.float32)
    axis = np.linspace(-SIDE, SIDE, 201, dtype=np.float32)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1)
    figure = Figure(figsize=(9, 4.6), layout="constrained")
    for place, beta in zip(figure.subplots(1, 2), (0.0, 5.0), strict=True):
        module = trained(torch.from_numpy(X), beta)
        with torch.inference_mode():
            scores = module.score(torch.from_numpy(grid.reshape(-1, 2))).numpy()
        place.contour(axis, axis, scores.reshape(grid.shape[:2]), levels=12)
        place.scatter(*X[:300].T, s=4, color="0.6")
        place.set(title=f"beta = {beta:g}", xlim=(-SIDE, SIDE), ylim=(-SIDE, SIDE), aspect="equal")
    figure.savefig(out, dpi=80)


if __name__ == "__main__":
    main()
