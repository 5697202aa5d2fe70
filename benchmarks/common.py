"""What every benchmark writes down: the values, and what they hang on."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from dross.model import versions

HERE = Path(__file__).parent


def seconds(call: Callable[..., Any], *arguments: Any) -> float:
    """Return how long a call takes."""
    start = perf_counter()
    call(*arguments)
    return perf_counter() - start


def ratio(slow: Sequence[float], fast: Sequence[float]) -> dict[str, Any]:
    """Return the median of ratios that were measured in turns, and all of them."""
    ratios = [a / b for a, b in zip(slow, fast, strict=True)]
    return {"median": round(float(np.median(ratios)), 2), "each": [round(r, 2) for r in ratios]}


def write(name: str, values: dict[str, Any], seed: int | None = None) -> None:
    """Write ``results/NAME.json`` and print it."""
    about = {
        "values": values,
        "seed": seed,
        "versions": versions(),
        "commit": _commit(),
        "hardware": {"processor": _processor(), "cores": os.cpu_count()},
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }
    text = json.dumps(about, indent=2)
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    print(text)


def _commit() -> str:
    """Return the commit, with a plus sign if the library was changed since."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=HERE, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    return git("rev-parse", "--short", "HEAD") + "+" * bool(git("status", "--porcelain", "../src"))


def _processor() -> str:
    """Return the processor's name, with its family and model: virtual machines hide the name."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return platform.processor()
    first = cpuinfo.read_text().partition("\n\n")[0].splitlines()
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in first)}
    return f"{facts.get('model name')}, family {facts.get('cpu family')} model {facts.get('model')}"
