"""``dross bench``: the papers' tables from one command."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from dross.bench import render, runner, summary
from dross.bench.datasets import DATASETS, data_root
from dross.bench.results import Results
from dross.bench.tables import BUDGETS, Cell, Table, find_tables
from dross.cli.printing import print_table, say
from dross.errors import ParameterError

__all__ = ["run_bench", "run_data", "run_list", "run_table"]


def run_list(names: tuple[str, ...], budget: str, results: Path) -> None:
    """Print each table with its cells, the data it needs, and what has run."""
    records = Results(results).load()
    root = data_root()
    rows = []
    for table in find_tables(names):
        cells = [cell for _, cell in table.cells(budget)]
        missing = [cell for cell in cells if "values" not in records.get(cell.key, {})]
        n_cannot = sum(bool(runner.obstacle(cell)) for cell in missing)
        needed = sorted({cell.data for cell in cells})
        present = [name + (" (absent)" if DATASETS[name].find(root) is None else "") for name in needed]
        budgets = ", ".join(name for name in BUDGETS if name == budget or table.cuts(name))
        rows.append(
            (
                table.id,
                table.source,
                table.title,
                ", ".join(present) or "none",
                budgets,
                f"{len(cells) - len(missing)} of {len(cells)}",
                str(n_cannot),
            )
        )
    header = ("table", "in the paper", "what", "data", "budgets", f"run ({budget})", "cannot run")
    print_table(Console(), header, rows)


def run_data(names: tuple[str, ...]) -> None:
    """Print each data set: present or not, the layouts that are read, where it comes from."""
    _check_data(names)
    root = data_root()
    rows = []
    for name in names or tuple(DATASETS):
        dataset = DATASETS[name]
        layout = dataset.find(root)
        layouts = "; or ".join(str(layout) for layout in dataset.layouts)
        state = f"present: {layout}" if layout else "absent"
        rows.append((name, dataset.title, state, layouts, dataset.source, dataset.licence))
    say(Console(), f"Data folder: {root} (set DROSS_DATA to change it)")
    print_table(Console(), ("data set", "title", "state", "layouts read", "source", "licence"), rows)


def run_bench(
    names: tuple[str, ...],
    *,
    detectors: tuple[str, ...],
    data: tuple[str, ...],
    budget: str,
    seeds: int | None,
    device: str,
    jobs: int,
    minutes: float | None,
    resume: bool,
    results: Path,
) -> None:
    """Run the cells of tables and write each result down; tell of those that cannot run, and why."""
    _check_data(data)
    cells = _distinct(find_tables(names), budget, detectors, seeds)
    present = {cell.data for cell in cells}
    if without := [name for name in data if cells and name not in present]:
        raise ParameterError(f"No cell is on {without[0]}; they are on {', '.join(sorted(present))}.")
    chosen = [cell for cell in cells if not data or cell.data in data]
    from dross.tensors import resolve_device

    resolve_device(device)
    store = Results(results)
    runnable, obstacles = _sorted_out(chosen, store.load() if resume else {})
    console = Console()
    say(console, _counted(len(runnable), obstacles))
    told = _Teller(console, len(runnable))
    runner.run_cells(
        runnable,
        store,
        jobs=jobs,
        device=device,
        done=told,
        minutes=math.inf if minutes is None else minutes,
        resume=resume,
    )
    store.compact()
    if told.n_told < len(runnable):
        say(console, f"{len(runnable) - told.n_told} cells are left; go on with --resume.")
    if told.n_failed:
        say(console, f"{told.n_failed} cells failed; their errors are in {results}.")
        sys.exit(1)


def run_table(names: tuple[str, ...], budget: str, form: str, results: Path) -> None:
    """Print tables with the paper's numbers beside ours; without names the comparison of methods follows."""
    records = Results(results).load()
    tables = find_tables(names)
    shown = [(table, summary.lines(table, budget, records)) for table in tables]
    if form == "json":
        print(render.as_json(shown, budget))
        return
    if form == "html":
        print(render.as_html(shown, budget))
        return
    print(render.legend(budget), end="\n\n")
    for table, lines in shown:
        print(render.as_markdown(table, lines))
    standings = summary.standings(tables, budget, records)
    if (not names or "all" in names) and standings:
        print("### All tables\n")
        print(render.method_table(standings))


def _check_data(names: tuple[str, ...]) -> None:
    """Raise a `ParameterError` for a data set that there is not."""
    for name in names:
        if name not in DATASETS:
            raise ParameterError(f"There is no data set {name!r}; there are {', '.join(sorted(DATASETS))}.")


def _distinct(tables: list[Table], budget: str, detectors: tuple[str, ...], seeds: int | None) -> list[Cell]:
    """Return the cells of all tables, each once, those of one draw together."""
    cells: dict[str, Cell] = {}
    for table in tables:
        for _, cell in table.cells(budget, detectors=detectors, seeds=seeds):
            if cell.key not in cells or cell.method.codes:  # what figures need comes on top
                cells[cell.key] = cell

    def order(cell: Cell) -> tuple[str, str, str, bool]:
        # What selects by labels comes first: its fit serves the others, theirs would not serve it.
        return cell.data, cell.draw_key, cell.method.fit_key, not cell.method.select

    return sorted(cells.values(), key=order)


def _has_run(record: dict[str, Any], cell: Cell) -> bool:
    """Whether a cell has a value, from the copy of the data that is here, and what its figure needs."""
    is_whole = "values" in record and (not cell.method.codes or "codes" in record)
    return is_whole and bool(record["data_copy"] == runner.data_copy(cell.data))


def _sorted_out(cells: list[Cell], known: dict[str, Any]) -> tuple[list[Cell], dict[str, int]]:
    """Return the cells that can be run and have not been, and how many others there are by their reason."""
    obstacles: dict[str, int] = {}
    runnable = []
    for cell in cells:
        reason = runner.obstacle(cell) or "run before" * _has_run(known.get(cell.key, {}), cell)
        if reason:
            obstacles[reason] = obstacles.get(reason, 0) + 1
        else:
            runnable.append(cell)
    return runnable, obstacles


class _Teller:
    """Prints a line for each cell that ended, and counts."""

    def __init__(self, console: Console, n: int) -> None:
        self.console, self.n = console, n
        self.n_told = self.n_failed = 0

    def __call__(self, record: dict[str, Any]) -> None:
        self.n_told += 1
        self.n_failed += "error" in record
        setting = ", ".join(f"{key} {value}" for key, value in record["setting"].items())
        place = f"{self.n_told}/{self.n}  {record['experiment']} {setting}  seed {record['seed']}"
        say(self.console, f"{place}  {record['method']}  {_outcome(record)}")


def _outcome(record: dict[str, Any]) -> str:
    if "values" not in record:
        return record.get("absent") or f"failed: {record['error']}"
    value = record["values"].get("auroc")
    shown = "no AUROC" if value is None else f"AUROC {value:.3f}"
    return f"{shown}  {record['seconds']:.1f} s"


def _counted(n: int, others: dict[str, int]) -> str:
    return ", ".join([f"{n} cells to run", *(f"{count}: {reason}" for reason, count in others.items())]) + "."
