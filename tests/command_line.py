"""Running ``dross`` inside the test's own process, on small tables."""

from __future__ import annotations

import contextlib
import csv
import io
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image

from dross.cli import main

__all__ = ["Run", "dross", "make_pictures", "make_table", "make_texts"]


@dataclass(frozen=True)
class Run:
    """What a command left: its exit status and its two streams."""

    code: int
    out: str
    err: str

    def failed_with(self, *words: str) -> bool:
        """Whether it ended with status 2 and one sentence that has these words, and no traceback."""
        lines = [line for line in self.err.splitlines() if not line.endswith(" ...")]
        one_sentence = len(lines) == 1 and lines[0].startswith("dross: ") and lines[0].endswith(".")
        return self.code == 2 and not self.out and one_sentence and all(word in lines[0] for word in words)


def dross(*arguments: object) -> Run:
    """Run a command as the shell would."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        mock.patch.object(sys, "argv", ["dross", *map(str, arguments)]),
    ):
        try:
            main()
            code: object = 0
        except SystemExit as error:
            code = error.code or 0
    return Run(int(str(code)), out.getvalue(), err.getvalue())


def make_table(path: Path, n: int = 60, seed: int = 0) -> Path:
    """Write a table with names, two numbers, a category and a label; the first three rows are anomalies."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(n, 2))
    numbers[:3] += [[9, -9], [-8, 8], [9, 9]][: min(n, 3)]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "size", "weight", "colour", "answer"])
        for row, (size, weight) in enumerate(numbers):
            colour = rng.choice(["red", "green", "blue"])
            writer.writerow([f"item-{row}", f"{size:.4f}", f"{weight:.4f}", colour, int(row < 3)])
    return path


def make_pictures(folder: Path, n: int = 20, seed: int = 0) -> Path:
    """Write grey PNG files of one ramp, the first one with a hole."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    ramp = np.outer(np.linspace(50, 200, 16), np.ones(16))
    for number in range(n):
        pixels = ramp + rng.normal(0, 3, (16, 16))
        if number == 0:
            pixels[4:10, 4:10] = 255
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{number:03d}.png")
    return folder


def make_texts(path: Path, n: int = 60, seed: int = 0) -> Path:
    """Write lines of a few words, the first one of others."""
    rng = np.random.default_rng(seed)
    words = ["the", "cat", "dog", "sat", "on", "mat", "hen", "cow"]
    lines = [" ".join(rng.choice(words, 8)) for _ in range(n)]
    lines[0] = "quantum chromodynamics lattice gauge theory simulation"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
