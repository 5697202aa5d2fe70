"""Seconds that a fresh process takes for ``dross --help`` and ``import dross``.

    python benchmarks/startup.py [--repeats 11]

"bare" is Python itself, which is contained in both.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np

from common import seconds, write

COMMANDS = {
    "bare": [sys.executable, "-c", "pass"],
    "import": [sys.executable, "-c", "import dross"],
    "help": [str(Path(sys.executable).parent / "dross"), "--help"],
}


def run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repeats", type=int, default=11)
    repeats = parser.parse_args().repeats
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(repeats + 1):
        for name, command in COMMANDS.items():
            times[name].append(seconds(run, command))
    medians = {name: round(float(np.median(times[name][1:])), 3) for name in times}
    write("startup", {"seconds": medians, "repeats": repeats})


if __name__ == "__main__":
    main()
