"""Results against the papers: mean and spread per row and method, and what is in the way of the rest."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dross.bench.methods import BASELINES
from dross.bench.runner import obstacle
from dross.bench.tables import Cell, Number, Row, Table

__all__ = ["Entry", "Line", "Standing", "lines", "standings"]

Record = Mapping[str, Any]
_CLASSICAL = frozenset(method.name for method in BASELINES)


@dataclass(frozen=True)
class Entry:
    """What a method reached in one row.

    Attributes
    ----------
    mean, deviation : float or None
        Over the row's cells: the deviation is between seeds, of the mean over classes; None for one seed.
    seconds : float or None
        Mean of a cell.
    n_cells, n_done : int
        How many there are, and how many have a value.
    missing : str
        Why there is no value: "not run", "data not present", … or the error.
    paper : float, pair or None
        What the paper prints.
    """

    mean: float | None
    deviation: float | None
    seconds: float | None
    n_cells: int
    n_done: int
    missing: str
    paper: Number | None


@dataclass(frozen=True)
class Line:
    """A row of a table with an entry per method, and the numbers that are only quoted.

    Attributes
    ----------
    draws : frozenset of str
        What was drawn: two rows with equal draws show the same measurements.
    records : dict
        The measurements by method, one per draw that has been run.
    """

    row: Row
    draws: frozenset[str]
    entries: Mapping[str, Entry]
    quoted: Mapping[str, Number]
    records: Mapping[str, list[Record]]


@dataclass(frozen=True)
class Standing:
    """One method over all draws that it and a classical baseline ran on.

    Attributes
    ----------
    auroc, aupr : float
        Means over settings.
    wins : int
        Settings where no other method's AUROC is higher.
    regret : float
        Mean of the best classical baseline's AUROC less the method's: above 0, a classical one does better.
        For a classical method the best of the *others*.
    seconds : float
        Mean of a cell.
    """

    method: str
    n_settings: int
    auroc: float
    aupr: float
    wins: int
    regret: float
    seconds: float


def lines(table: Table, budget: str, records: Mapping[str, Record], *, uses_gpu: bool = False) -> list[Line]:
    """Return the rows of a table with what was measured, also of methods that the table does not name."""
    cells: dict[str, list[Cell]] = {}
    for row, cell in table.cells(budget, uses_gpu=uses_gpu):
        cells.setdefault(row.name, []).append(cell)
    by_draw = _by_draw(records)
    return [_line(table, row, cells[row.name], records, by_draw) for row in table.rows_of(budget)]


def standings(tables: Iterable[Table], budget: str, records: Mapping[str, Record]) -> list[Standing]:
    """Compare methods over all settings that every classical baseline ran on, the least regret first."""
    settings: dict[frozenset[str], dict[str, list[Record]]] = {}
    for table in tables:
        for line in lines(table, budget, records):
            ran = {name: some for name, some in line.records.items() if _auroc(some) is not None}
            if ran.keys() >= _CLASSICAL:
                settings[line.draws] = ran
    methods = {method for some in settings.values() for method in some}
    return sorted((_standing(method, list(settings.values())) for method in methods), key=lambda s: s.regret)


def _line(
    table: Table,
    row: Row,
    cells: list[Cell],
    records: Mapping[str, Record],
    by_draw: Mapping[str, Mapping[str, Record]],
) -> Line:
    columns = {c.method.name: c for c in table.columns if c.method is not None}
    found: dict[str, list[Record]] = {}
    missing: dict[str, str] = {}
    for cell in cells:
        name = cell.method.name
        some = found.setdefault(name, [])
        record = records.get(cell.key, {})
        if "values" in record:
            some.append(record)
        else:
            missing[name] = record.get("error") or record.get("absent") or obstacle(cell) or "not run"
    draws = frozenset(cell.draw_key for cell in cells)
    for draw in sorted(draws):
        for name, record in by_draw.get(draw, {}).items():
            if name not in missing and record not in found.get(name, []) and name not in columns:
                found.setdefault(name, []).append(record)
    entries = {}
    for name, some in found.items():
        column = columns.get(name)
        metric = (column.metric if column else "") or table.metric
        paper = row.paper.get(column.name) if column else None
        entries[name] = _entry(some, metric, len(draws), missing.get(name, ""), paper)
    quoted = {c.name: row.paper[c.name] for c in table.columns if c.method is None and c.name in row.paper}
    return Line(row, draws, entries, quoted, found)


def _entry(records: list[Record], metric: str, n_cells: int, missing: str, paper: Number | None) -> Entry:
    of_seed: dict[int, list[float]] = {}
    for record in records:
        value = record["seconds"] if metric == "seconds" else record["values"].get(metric)
        if value is not None:
            of_seed.setdefault(record["seed"], []).append(value)
    means = [_mean(values) for values in of_seed.values()]
    return Entry(
        mean=_mean(means) if means else None,
        deviation=float(np.std(means, ddof=1)) if len(means) > 1 else None,
        seconds=_mean([record["seconds"] for record in records]) if records else None,
        n_cells=n_cells,
        n_done=len(records),
        missing=missing if not means else "",
        paper=paper,
    )


def _standing(method: str, settings: list[dict[str, list[Record]]]) -> Standing:
    own = [some for some in settings if method in some]
    others = _CLASSICAL - {method}
    aurocs = [{name: _auroc(records) or 0.0 for name, records in some.items()} for some in own]
    return Standing(
        method=method,
        n_settings=len(own),
        auroc=_mean([values[method] for values in aurocs]),
        aupr=_mean([_mean([r["values"]["aupr"] for r in some[method]]) for some in own]),
        wins=sum(values[method] >= max(values.values()) for values in aurocs),
        regret=_mean([max(values[name] for name in others) - values[method] for values in aurocs]),
        seconds=_mean([record["seconds"] for some in own for record in some[method]]),
    )


def _by_draw(records: Mapping[str, Record]) -> dict[str, dict[str, Record]]:
    """Return draw -> method -> record; what a draw is stands first in the key of a record."""
    found: dict[str, dict[str, Record]] = {}
    for key, record in records.items():
        if "values" in record:
            found.setdefault(json.loads(key)[0], {})[record["method"]] = record
    return found


def _auroc(records: list[Record]) -> float | None:
    values = [record["values"]["auroc"] for record in records]
    return _mean(values) if values and None not in values else None


def _mean(values: list[float]) -> float:
    return float(np.mean(values))
