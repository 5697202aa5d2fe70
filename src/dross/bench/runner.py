"""Runs cells: take the draw, fit, score, judge, write down."""

from __future__ import annotations

import hashlib
import os
import platform
import resource
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score, roc_curve

from dross.bench.datasets import DATASETS, Data, data_root
from dross.bench.experiments import Answers, NotPresentError, Task, plan
from dross.bench.methods import Fit, Outcome
from dross.bench.results import Results
from dross.bench.tables import BUDGETS, Cell
from dross.errors import DrossError
from dross.metrics import aupr, auroc
from dross.model import versions

__all__ = ["judge", "obstacle", "run_cell", "run_cells"]

Record = dict[str, Any]
_FALSE_POSITIVE_RATES = np.linspace(0, 1, 21)
_HISTOGRAM_BINS = 20


def run_cells(
    cells: Iterable[Cell], results: Results, *, jobs: int, device: str, done: Callable[[Record], None]
) -> None:
    """Run cells and write each down as it ends; ``done`` is told of each record.

    Parameters
    ----------
    jobs : int
        Cells at a time, each in a process of its own where there are several; they share the cores.
    device : str
        For detectors that train: "auto", "cpu" or "cuda".
    """
    units = [list(unit) for _, unit in groupby(cells, key=lambda cell: cell.draw_key + cell.method.fit_key)]
    records = _in_turn(units, device) if jobs == 1 else _at_once(units, jobs, device)
    for record in records:
        results.add(record)
        done(record)


def obstacle(cell: Cell) -> str:
    """Return why a cell cannot run here ("data not present", …), or ""."""
    dataset = DATASETS[cell.data]
    reason = cell.method.obstacle("image" if dataset.kind == "image" else "table")
    if not reason and cell.setting.get("features", "raw") != "raw":
        reason = "features not built yet"
    return reason or ("" if dataset.find(data_root()) else "data not present")


def run_cell(cell: Cell, device: str = "auto") -> Record:
    """Measure one cell; what goes wrong with it becomes its record's ``error``."""
    record: Record = _identity(cell)
    try:
        task, answers, sentence = _here.drawn(cell)
        outcome = cell.method.score(_here.fitted(cell, device), task)
        values = judge(outcome.scores, answers)
    except NotPresentError as absent:
        return record | {"absent": str(absent)}
    except (DrossError, ValueError, RuntimeError, MemoryError) as error:
        return record | {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
    return record | {
        "draw": sentence,
        "n_train": len(task.train),
        "n_scored": len(task.scored),
        "values": values,
        "seconds": round(outcome.seconds, 3),
        "peak_memory_mib": _here.peak_memory,
        "scores_sha256": _digest(outcome.scores),
        **_pictures(outcome, answers),
    }


def judge(scores: NDArray[np.float64], answers: Answers) -> dict[str, float | None]:
    """Return AUROC, AUPR, and F1 with as large a share flagged as the protocol says, or as is anomalous."""
    is_anomaly = answers.is_anomaly
    share = answers.flagged_share or float(is_anomaly.mean())
    n_flagged = max(1, round(share * len(scores)))
    flagged = np.zeros(len(scores), bool)
    flagged[np.argsort(-scores, kind="stable")[:n_flagged]] = True
    return {
        "auroc": _rounded(auroc(is_anomaly, scores)),
        "aupr": _rounded(aupr(is_anomaly, scores)),
        "f1": _rounded(float(f1_score(is_anomaly, flagged, zero_division=0.0))),
    }


def _in_turn(units: Iterable[list[Cell]], device: str) -> Iterator[Record]:
    return (run_cell(cell, device) | {"jobs": 1} for unit in units for cell in unit)


def _at_once(units: Iterable[list[Cell]], jobs: int, device: str) -> Iterator[Record]:
    """Keep ``jobs`` processes busy; one that dies costs the cells that were running, no others."""
    waiting = iter(units)
    pool = _pool(jobs)
    running: dict[Future[list[Record]], list[Cell]] = {}
    try:
        while True:
            while len(running) < jobs and (unit := next(waiting, None)) is not None:
                running[pool.submit(_run_unit, unit, device)] = unit
            if not running:
                return
            ended, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                unit = running.pop(future)
                try:
                    yield from (record | {"jobs": jobs} for record in future.result())
                except BrokenProcessPool:
                    died = "The process died; most likely it ran out of memory."
                    yield from (_identity(cell) | {"error": died} for cell in unit)
                    pool = _pool(jobs)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _run_unit(cells: list[Cell], device: str) -> list[Record]:
    return [run_cell(cell, device) for cell in cells]


def _pool(jobs: int) -> ProcessPoolExecutor:
    threads = max(1, (os.cpu_count() or 1) // jobs)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    return ProcessPoolExecutor(jobs, mp_context=get_context("spawn"))


class _Workplace:
    """What a process keeps from one cell for the next: the data read last, and the draw."""

    def __init__(self) -> None:
        self._data: tuple[str, Data] | None = None
        self._drawn: tuple[str, tuple[Task, Answers, str]] | None = None
        self._fitted: tuple[str, Fit] | None = None
        self.peak_memory = 0

    def drawn(self, cell: Cell) -> tuple[Task, Answers, str]:
        if self._drawn is None or self._drawn[0] != cell.draw_key:
            self._drawn = self._fitted = None  # what the last one took is free before the next one takes
            made = plan(cell.experiment, dict(cell.setting), self._read(cell.data), cell.seed)
            self._drawn = cell.draw_key, made.carry_out(BUDGETS[cell.budget].at_most)
        return self._drawn[1]

    def fitted(self, cell: Cell, device: str) -> Fit:
        """Fit the cell's method, unless the cell before was another way to score the same fit."""
        key = cell.draw_key + cell.method.fit_key
        if self._fitted is not None and self._fitted[0] == key:
            fit = self._fitted[1]
            if fit.watch is not None or not cell.method.select:
                return fit
        self._fitted = None
        task, answers, _ = self.drawn(cell)
        _reset_peak_memory()
        self._fitted = key, cell.method.fit(task, cell.seed, device, answers)
        self.peak_memory = _peak_memory()
        return self._fitted[1]

    def _read(self, name: str) -> Data:
        if self._data is None or self._data[0] != name:
            self._data = None
            self._data = name, DATASETS[name].load(data_root())
        return self._data[1]


_here = _Workplace()


def _identity(cell: Cell) -> Record:
    return {
        "key": cell.key,
        "experiment": cell.experiment,
        "setting": dict(cell.setting),
        "method": cell.method.name,
        "detector": cell.method.detector,
        "parameters": dict(cell.method.parameters),
        "seed": cell.seed,
        "budget": cell.budget,
        "versions": versions(),
        "commit": _commit(),
        "hardware": _hardware(cell.uses_gpu),
        "when": time.strftime("%Y-%m-%d"),
    }


def _pictures(outcome: Outcome, answers: Answers) -> Record:
    """Return what figures are drawn from: the ROC curve, both histograms of scores, the trace."""
    scores, is_anomaly = outcome.scores, answers.is_anomaly
    if is_anomaly.all() or not is_anomaly.any():
        return {}
    false, true, _ = roc_curve(is_anomaly, scores)
    low, high = np.quantile(scores, (0.0, 0.99))
    edges = np.linspace(low, high if high > low else low + 1, _HISTOGRAM_BINS + 1)
    clipped = np.clip(scores, edges[0], edges[-1])
    pictures: Record = {
        "roc": [round(float(v), 4) for v in np.interp(_FALSE_POSITIVE_RATES, false, true)],
        "histogram": {
            "from": _short(edges[0]),
            "to": _short(edges[-1]),
            "normal": np.histogram(clipped[~is_anomaly], edges)[0].tolist(),
            "anomalous": np.histogram(clipped[is_anomaly], edges)[0].tolist(),
        },
    }
    if outcome.trace:
        pictures["trace"] = [{k: _short(v) for k, v in entry.items()} for entry in outcome.trace]
    return pictures


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)


def _short(value: float) -> float:
    return float(f"{value:.5g}")


def _digest(scores: NDArray[np.float64]) -> str:
    return hashlib.sha256(scores.tobytes()).hexdigest()[:16]


def _reset_peak_memory() -> None:
    """Have Linux count the peak anew, so that it is the cell's and not that of all before it."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:  # elsewhere the peak is that of the process
        return


def _peak_memory() -> int:
    status = Path("/proc/self/status")
    if status.exists():
        line = next(ln for ln in status.read_text(encoding="ascii").splitlines() if ln.startswith("VmHWM"))
        return int(line.split()[1]) // 1024
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) // 1024


@cache
def _commit() -> str:
    """Return the commit of the code, with a plus sign if it was changed since; "" outside a clone."""

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    return git("rev-parse", "--short", "HEAD") + "+" * bool(git("status", "--porcelain", "."))


@cache
def _hardware(uses_gpu: bool) -> str:
    cpuinfo = Path("/proc/cpuinfo")
    names = (
        [ln for ln in cpuinfo.read_text().splitlines() if ln.startswith("model name")]
        if cpuinfo.exists()
        else []
    )
    name = names[0].partition(":")[2].strip() if names else platform.processor()
    cores = f"{os.cpu_count()} cores of {name}"
    if not uses_gpu:
        return cores
    import torch

    return f"{torch.cuda.get_device_name()}; {cores}"
