"""GEOM's 72 views of a batch of images, and a plain copy of the same bytes: their rates, in turns.

Both take fresh memory, as scoring does.

python benchmarks/speed_views.py [--threads 1] [--repeats 15]
"""

from __future__ import annotations

import argparse

import torch

from common import ratio, seconds, write
from dross.pretext.transformations import Geometric, PixelMoves

SEED = 100
BATCHES = ((128, 1, 28), (128, 3, 32), (32, 3, 64))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(SEED)
    values: dict[str, object] = {"threads": arguments.threads}
    for n, channels, side in BATCHES:
        x, family = torch.randn(n, channels, side, side), Geometric(side)
        views = family.all(x)
        times: dict[str, list[float]] = {"copy": [], "views": [], "gather": []}
        PixelMoves.all(family, x)
        for _ in range(arguments.repeats):
            times["copy"].append(seconds(views.clone))
            times["views"].append(seconds(family.all, x))
            times["gather"].append(seconds(PixelMoves.all, family, x))
        # 1 = as fast as the copy; the views are to stay above 0.5.
        values[f"{n} x {channels} x {side} x {side}"] = {
            "views": ratio(times["copy"], times["views"]),
            "gather": ratio(times["copy"], times["gather"]),
        }
    write("speed_views", values, SEED)


if __name__ == "__main__":
    main()
