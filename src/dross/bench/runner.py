"""Runs cells: take the draw, fit, score, judge, write down."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from itertools import groupby, takewhile
from multiprocessing import get_context
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from dross.bench import machine
from dross.bench.datasets import DATASETS, Data, data_root
from dross.bench.experiments import Answers, NotPresentError, Task, plan
from dross.bench.judge import judge
from dross.bench.methods import Fit, Outcome
from dross.bench.results import Results
from dross.bench.tables import BUDGETS, Cell
from dross.checkpoint import Checkpoint
from dross.model import versions
from dross.monitor import Monitor

__all__ = ["FALSE_POSITIVE_RATES", "Place", "data_copy", "obstacle", "run_cell", "run_cells"]

Record = dict[str, Any]
FALSE_POSITIVE_RATES = np.linspace(0, 1, 21)
"""Where the ROC curves of results are sampled."""
_HISTOGRAM_BINS = 20


def run_cells(
    cells: Iterable[Cell],
    results: Results,
    *,
    jobs: int,
    device: str,
    done: Callable[[Record], None],
    minutes: float = math.inf,
    resume: bool = False,
) -> None:
    """Run cells and write each down as it ends; ``done`` is told of each record.

    Parameters
    ----------
    jobs : int
        Cells at a time, each in a process of its own where there are several; they share the cores.
    device : str
        For detectors that train: "auto", "cpu" or "cuda".
    minutes : float
        No cell is begun later than this.
    resume : bool
        Go on with trainings that were cut short; their states lie in ``.unfinished`` beside the results.
    """
    end = time.monotonic() + 60 * minutes
    place = Place(device, results.folder / ".unfinished", resume)
    units = [list(unit) for _, unit in groupby(cells, key=lambda cell: cell.draw_key + cell.method.fit_key)]
    in_time = takewhile(lambda _: time.monotonic() < end, units)
    records = _in_turn(in_time, place) if jobs == 1 else _at_once(in_time, jobs, place)
    for record in records:
        results.add(record)
        done(record)


def obstacle(cell: Cell) -> str:
    """Return why a cell cannot run here ("data not present", …), or ""."""
    dataset = DATASETS[cell.data]
    gives_pixels = dataset.kind == "image" and cell.setting.get("features", "raw") == "raw"
    reason = cell.method.obstacle("image" if gives_pixels else "table")
    if not reason and cell.method.select == "sub_classes" and cell.setting.get("n_clusters") == 1:
        reason = "one class leaves nothing to tell apart"
    return reason or ("" if dataset.find(data_root()) else "data not present")


def data_copy(name: str) -> str:
    """Return which copy of a data set is read here, by its files; "" if there is none."""
    return str(DATASETS[name].find(data_root()) or "")


@dataclass(frozen=True)
class Place:
    """Where cells are run: on which device, and where trainings keep their state, if anywhere.

    Parameters
    ----------
    device : str
        "auto", "cpu" or "cuda".
    unfinished : Path or None
        Folder of the states of trainings that were cut short.
    resume : bool
        Whether they are gone on with; else they are begun anew.
    """

    device: str = "auto"
    unfinished: Path | None = None
    resume: bool = False

    def monitor(self, cell: Cell) -> Monitor | None:
        """Return what keeps the state of a cell's training, under all that it hangs on."""
        if self.unfinished is None or not cell.method.trains:
            return None
        hangs_on = [
            cell.draw_key,
            data_copy(cell.data),
            cell.method.fit_key,
            machine.hardware(_uses_gpu(self.device)),
            machine.commit(),
            versions(),
        ]
        key = hashlib.sha256(json.dumps(hangs_on, sort_keys=True).encode()).hexdigest()[:16]
        return Monitor(Checkpoint(self.unfinished / key, key), resume=self.resume)


def run_cell(cell: Cell, place: Place = Place()) -> Record:
    """Measure one cell; what goes wrong with it, of whatever kind, becomes its record's ``error``."""
    record: Record = _identity(cell, place.device)
    try:
        return record | _measured(cell, place)
    except NotPresentError as absent:
        return record | {"absent": str(absent)}
    except Exception as error:
        return record | {"error": f"{type(error).__name__}: {error}".splitlines()[0]}


def _measured(cell: Cell, place: Place) -> Record:
    task, answers, sentence, note = _here.drawn(cell)
    machine.reset_peak_memory()
    fitted = _here.fitted(cell, place)
    outcome = cell.method.score(fitted, task)
    share = answers.flagged_share or float(answers.is_anomaly.mean())
    return {
        "draw": sentence,
        "data_note": note,
        "n_train": len(task.train),
        "n_scored": len(task.scored),
        "values": judge(outcome.scores, answers.is_anomaly, share),
        "seconds": round(outcome.seconds, 3),
        **({} if fitted.resumed_from is None else {"resumed_from_epoch": fitted.resumed_from}),
        "peak_memory_mib": machine.peak_memory(),
        "scores_sha256": _digest(outcome.scores),
        **_pictures(outcome, answers),
        **_codes(cell, fitted, task, answers),
        **(_over_time(outcome, answers) if cell.experiment == "video" else {}),
    }


def _in_turn(units: Iterable[list[Cell]], place: Place) -> Iterator[Record]:
    return (run_cell(cell, place) | {"jobs": 1} for unit in units for cell in unit)


def _at_once(units: Iterable[list[Cell]], jobs: int, place: Place) -> Iterator[Record]:
    """Keep ``jobs`` workers busy, each a process of its own: one that dies costs the unit it was at."""
    waiting = iter(units)
    idle = [_worker(jobs) for _ in range(jobs)]
    running: dict[Future[list[Record]], tuple[ProcessPoolExecutor, list[Cell]]] = {}
    try:
        while True:
            while idle and (unit := next(waiting, None)) is not None:
                worker, future = _submit(idle.pop(), unit, jobs, place)
                running[future] = worker, unit
            if not running:
                return
            ended, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                worker, unit = running.pop(future)
                try:
                    records = future.result()
                except BrokenProcessPool:
                    error = "The process died; most likely it ran out of memory."
                    records = [_identity(cell, place.device) | {"error": error} for cell in unit]
                    worker = _worker(jobs)
                idle.append(worker)
                yield from (record | {"jobs": jobs} for record in records)
    finally:
        for worker in [*idle, *(worker for worker, _ in running.values())]:
            worker.shutdown(wait=False, cancel_futures=True)


def _submit(
    worker: ProcessPoolExecutor, unit: list[Cell], jobs: int, place: Place
) -> tuple[ProcessPoolExecutor, Future[list[Record]]]:
    """Give a worker its unit, or a new one, if it died while it had none."""
    try:
        return worker, worker.submit(_run_unit, unit, place)
    except BrokenProcessPool:
        worker = _worker(jobs)
        return worker, worker.submit(_run_unit, unit, place)


def _run_unit(cells: list[Cell], place: Place) -> list[Record]:
    return [run_cell(cell, place) for cell in cells]


def _worker(jobs: int) -> ProcessPoolExecutor:
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, _n_cores() // jobs)))
    context = get_context("spawn")
    return ProcessPoolExecutor(1, mp_context=context, initializer=_end_with, initargs=(os.getpid(),))


def _end_with(parent: int) -> None:
    """End this process when its parent is gone, however that ended."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def _n_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Workplace:
    """What a process keeps from one cell for the next: the data read last, and the draw."""

    def __init__(self) -> None:
        self._data: tuple[str, Data] | None = None
        self._drawn: tuple[str, tuple[Task, Answers, str, str]] | None = None
        self._fitted: tuple[str, Fit] | None = None

    def drawn(self, cell: Cell) -> tuple[Task, Answers, str, str]:
        """Return the rows, the answers, the draw as a sentence, and what to know of the data."""
        if self._drawn is None or self._drawn[0] != cell.draw_key:
            self._drawn = self._fitted = None  # what the last one took is free before the next one takes
            data = self._read(cell.data)
            made = plan(cell.experiment, dict(cell.setting), data, cell.seed)
            self._drawn = cell.draw_key, (*made.carry_out(BUDGETS[cell.budget].at_most), data.note)
        return self._drawn[1]

    def fitted(self, cell: Cell, place: Place) -> Fit:
        """Fit the cell's method, unless the cell before was another way to score the same fit."""
        key = cell.draw_key + cell.method.fit_key
        if self._fitted is not None and self._fitted[0] == key:
            fit = self._fitted[1]
            if fit.watch is not None or cell.method.select != "validation":
                return fit
        self._fitted = None
        task, answers, *_ = self.drawn(cell)
        monitor = place.monitor(cell)
        fit = cell.method.fit(task, cell.seed, place.device, answers, monitor)
        if monitor is not None and monitor.checkpoint is not None:
            shutil.rmtree(monitor.checkpoint.folder, ignore_errors=True)
        self._fitted = key, fit
        return fit

    def _read(self, name: str) -> Data:
        if self._data is None or self._data[0] != name:
            self._data = None
            self._data = name, DATASETS[name].load(data_root())
        return self._data[1]


_here = _Workplace()


def _identity(cell: Cell, device: str) -> Record:
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
        "commit": machine.commit(),
        "data_copy": data_copy(cell.data),
        "hardware": machine.hardware(cell.method.trains and _uses_gpu(device)),
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
        "roc": [round(float(v), 4) for v in np.interp(FALSE_POSITIVE_RATES, false, true)],
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


def _codes(cell: Cell, fitted: Fit, task: Task, answers: Answers) -> Record:
    if not cell.method.codes:
        return {}
    from dross.bench.codes import codes_record

    return {"codes": codes_record(fitted.detector, task.scored, answers.is_anomaly)}


def _over_time(outcome: Outcome, answers: Answers) -> Record:
    """Return the scores of a video's segments in their order, and which are anomalous."""
    scores = [_short(score) for score in outcome.scores]
    return {"over_time": {"scores": scores, "is_anomaly": answers.is_anomaly.astype(int).tolist()}}


def _short(value: float) -> float:
    return float(f"{value:.5g}")


def _digest(scores: NDArray[np.float64]) -> str:
    return hashlib.sha256(scores.tobytes()).hexdigest()[:16]


@cache
def _uses_gpu(device: str) -> bool:
    import torch

    return device != "cpu" and torch.cuda.is_available()
