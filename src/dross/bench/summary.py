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
    records : dict
        The measurements by method, one per draw that has been run.
    cuts : str
        What the budget leaves out of the table.
    """

    row: Row
    entries: Mapping[str, Entry]
    quoted: Mapping[str, Number]
    records: Mapping[str, list[Record]]
    cuts: str


@dataclass(frozen=True)
class Standing:
    """One method over all draws that it and every classical baseline ran on.

    Attributes
    ----------
    n_draws : int
        How many these are.
    auroc, aupr : float
        Means over them.
    wins : int
        Draws where no other method's AUROC is higher.
    regret : float
        Mean over draws of the best classical baseline's AUROC less the method's: above 0, a classical one
        does better. For a classical method the best of the *others*.
    seconds : float
        Mean of a cell.
    """

    method: str
    n_draws: int
    auroc: float
    aupr: float
    wins: int
    regret: float
    seconds: float


def lines(table: Table, budget: str, records: Mapping[str, Record]) -> list[Line]:
    """Return the rows of a table with what was measured, also of methods that the table does not name."""
    cells: dict[str, list[Cell]] = {}
    for row, cell in table.cells(budget):
        cells.setdefault(row.name, []).append(cell)
    by_draw = _by_draw(records)
    return [_line(table, budget, row, cells[row.name], records, by_draw) for row in table.rows_of(budget)]


def standings(tables: Iterable[Table], budget: str, records: Mapping[str, Record]) -> list[Standing]:
    """Compare methods over all draws that every classical baseline ran on, the least regret first.

    Each draw counts once, however many tables show it. What is chosen by labels does not take part.
    """
    draws: dict[str, dict[str, Record]] = {}
    for table in tables:
        for line in lines(table, budget, records):
            for name, some in line.records.items():
                for record in some:
                    draw, _, _, select, _ = json.loads(record["key"])
                    if "auroc" in record["values"] and not select:
                        draws.setdefault(draw, {})[name] = record
    complete = [some for some in draws.values() if some.keys() >= _CLASSICAL]
    methods = {method for some in complete for method in some}
    return sorted(
        (_standing(method, complete) for method in methods), key=lambda one: (one.regret, one.method)
    )


def _line(
    table: Table,
    budget: str,
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
    draws = {cell.draw_key for cell in cells}
    named_here = set(found)
    for draw in sorted(draws):
        for name, record in by_draw.get(draw, {}).items():
            if name not in named_here:
                found.setdefault(name, []).append(record)
    entries = {}
    for name, some in found.items():
        column = columns.get(name)
        metric = (column.metric if column else "") or table.metric
        paper = row.paper.get(column.name) if column else None
        entries[name] = _entry(some, metric, len(draws), missing.get(name, ""), paper)
    quoted = {c.name: row.paper[c.name] for c in table.columns if c.method is None and c.name in row.paper}
    return Line(row, entries, quoted, found, table.cuts(budget))


def _entry(records: list[Record], metric: str, n_cells: int, missing: str, paper: Number | None) -> Entry:
    of_seed: dict[int, list[float]] = {}
    for record in records:
        value = record["seconds"] if metric == "seconds" else record["values"].get(metric)
        if value is not None:
            of_seed.setdefault(record["seed"], []).append(value)
    most = max(map(len, of_seed.values()), default=0)
    means = [
        _mean(values) for values in of_seed.values() if len(values) == most
    ]  # seeds with all their classes
    if records and not means:
        missing = f"{metric} is not measured"
    return Entry(
        mean=_mean([value for values in of_seed.values() for value in values]) if means else None,
        deviation=float(np.std(means, ddof=1)) if len(means) > 1 else None,
        seconds=_mean([record["seconds"] for record in records]) if records else None,
        n_cells=n_cells,
        n_done=len(records),
        missing=missing if not means else "",
        paper=paper,
    )


def _standing(method: str, draws: list[dict[str, Record]]) -> Standing:
    own = [
        {name: record["values"]["auroc"] for name, record in some.items()} for some in draws if method in some
    ]
    records = [some[method] for some in draws if method in some]
    others = _CLASSICAL - {method}
    return Standing(
        method=method,
        n_draws=len(own),
        auroc=_mean([values[method] for values in own]),
        aupr=_mean([record["values"]["aupr"] for record in records]),
        wins=sum(values[method] >= max(values.values()) for values in own),
        regret=_mean([max(values[name] for name in others) - values[method] for values in own]),
        seconds=_mean([record["seconds"] for record in records]),
    )


def _by_draw(records: Mapping[str, Record]) -> dict[str, dict[str, Record]]:
    """Return draw -> method -> record, but for traces; the draw stands first in the key of a record."""
    found: dict[str, dict[str, Record]] = {}
    for key, record in records.items():
        draw, _, _, _, is_trace = json.loads(key)
        if "values" in record and not is_trace:
            found.setdefault(draw, {})[record["method"]] = record
    return found


def _mean(values: list[float]) -> float:
    return float(np.mean(values))
