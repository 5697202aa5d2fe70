"""``python -m dross.features.convert_c3d IN OUT``: published weights of C3D as a safetensors file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dross.errors import DrossError
from dross.nets.c3d import convert_c3d

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Convert; return 2 and say why if that is impossible."""
    parser = argparse.ArgumentParser(prog="python -m dross.features.convert_c3d", description=__doc__)
    parser.add_argument("source", type=Path, help="a PyTorch state dictionary")
    parser.add_argument("target", type=Path, help="the safetensors file to write")
    parser.add_argument("--mean", type=float, nargs=3, default=(0.0, 0.0, 0.0), metavar=("R", "G", "B"))
    chosen = parser.parse_args(arguments)
    try:
        convert_c3d(chosen.source, chosen.target, tuple(chosen.mean))
    except DrossError as error:
        sys.stderr.write(f"dross: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
