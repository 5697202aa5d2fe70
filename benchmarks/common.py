"""What every benchmark writes down: the values, and what they hang on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from dross.bench import machine
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
        "commit": machine.commit(),
        "hardware": {"processor": machine.processor(), "cores": os.cpu_count()},
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }
    text = json.dumps(about, indent=2)
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    print(text)
