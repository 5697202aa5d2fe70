"""Write what the bench measured into README and docs, from the committed results.

    DROSS_DATA=DIR python benchmarks/write_tables.py

DROSS_DATA only decides what an empty cell says: "not run" or "data not present".
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dross.bench import render, summary
from dross.bench.methods import BASELINES
from dross.bench.results import Results
from dross.bench.tables import find_tables, load_tables

ROOT = Path(__file__).parents[1]
BUDGET = "cpu"

KNOWN = tomllib.loads((Path(__file__).parent / "known_baselines.toml").read_text(encoding="utf-8"))["values"]

OUTLIER_COLUMNS = {
    "AE as published": "autoencoder",
    "`autoencoder`": "autoencoder(error_scale=typical, stop_at=0.5)",
    "DRAE": "drae",
    "RSRAE": "rsrae",
    "`rsrae`": "rsrae(standardize=auto)",
    "AE-LFR as published": "ae_lfr(loss=A, scoring=B)",
    "`ae_lfr`": "ae_lfr(loss=A, scoring=B, error_scale=typical, stop_at=0.5)",
    "GEOM": "geom(scoring=softmax)",
    "`geom`": "geom(stop_at=0.5)",
    "E³Outlier": "e3outlier",
    "GT-LFR to the end": "gt_lfr(scoring=B)",
    "`gt_lfr`": "gt_lfr(scoring=B, stop_at=0.5)",
}
OUTLIER_DATA = {
    "FMNIST, {}": "Fashion-MNIST",
    "Caltech101, {}": "Caltech-101",
    "CIFAR10, {}": "CIFAR-10 (JPEG copy)",
    "20News, {}, text encoder": "20 Newsgroups, text encoder",
    "Reuters, {}, text encoder": "Reuters, text encoder",
}


def between(page: str, mark: str, text: str) -> str:
    """Return the page with the text between the comments ``mark`` and ``end of mark``."""
    begin, end = f"<!-- {mark} -->", f"<!-- end of {mark} -->"
    head, found, rest = page.partition(begin)
    if not found or end not in rest:
        raise SystemExit(f"A page has no place {begin} … {end}.")
    return head + begin + "\n" + text + end + rest.partition(end)[2]


def baselines(records: Mapping[str, Any]) -> str:
    """Return measured against known values: over all classes where they were run, else over the budget's."""
    rows = ["| table and row | method | elsewhere | here | classes |", "| --- | --- | ---: | ---: | ---: |"]
    for known in KNOWN:
        for setting, expected in known["auroc"].items():
            name = known["row"].format(setting)
            found = measured(known["table"], name, known["method"], records)
            if found is not None:
                value, classes = found
                rows.append(
                    f"| {known['table']}, {name} | `{known['method']}` | {expected:.3f} | {value:.3f} "
                    f"| {classes} |"
                )
    return "\n".join(rows) + "\n"


def measured(table: str, row: str, method: str, records: Mapping[str, Any]) -> tuple[float, str] | None:
    """Return the mean AUROC of a row, and how many of its classes it is over."""
    for budget in ("paper", BUDGET):
        for line in summary.lines(load_tables()[table], budget, records):
            done = line.records.get(method, []) if line.row.name == row else []
            classes = {record["setting"].get("normal") for record in done}
            if len(classes) == n_classes(line):
                values = [record["values"]["auroc"] for record in done]
                return float(np.mean(values)), "all" if budget == "paper" else str(len(classes))
    return None


def n_classes(line: summary.Line) -> int:
    """Return over how many classes a row is averaged in this budget."""
    return len(line.row.over[1]) if line.row.over else 1


def by_outliers(records: Mapping[str, Any]) -> str:
    """Return AUROC by data and ratio of outliers, the mean over the budget's classes of seed 0."""
    found: dict[str, dict[str, list[Any]]] = {}
    papers: dict[str, dict[str, Any]] = {}
    for table in ("lfr-1", "lfr-2", "lfr-fig-3"):
        for line in summary.lines(load_tables()[table], BUDGET, records):
            papers.setdefault(line.row.name, {}).update(line.row.paper)
            for method, done in line.records.items():
                values = [record["values"]["auroc"] for record in done if record["seed"] == 0]
                if len(values) == n_classes(line):
                    found.setdefault(line.row.name, {})[method] = values
    heads = ["data, c", *OUTLIER_COLUMNS, "best classical baseline", "paper: AE-LFR, GT-LFR"]
    rows = [f"| {' | '.join(heads)} |", "| --- |" + " ---: |" * (len(heads) - 1)]
    for data, name in OUTLIER_DATA.items():
        for ratio in (0.1, 0.5, 0.9):
            row = data.format(f"c = {ratio}")
            means = {method: float(np.mean(values)) for method, values in found.get(row, {}).items()}
            best = max((m.name for m in BASELINES if m.name in means), key=means.__getitem__)
            values = [_number(means.get(method)) for method in OUTLIER_COLUMNS.values()]
            paper = [papers[row].get(column) for column in ("L_A S_B (AE-LFR)", "L_A S_B (GT-LFR)")]
            cited = ", ".join(_number(value, 2) for value in paper if value is not None)
            first = f"{name}, {_number(ratio, 1)}" if ratio == 0.1 else _number(ratio, 1)
            cells = [first, *values, f"{_number(means[best])} (`{best}`)", cited]
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _number(value: float | None, digits: int = 3) -> str:
    return "" if value is None else f"{value:.{digits}f}".removeprefix("0")


def main() -> None:
    records = Results(ROOT / "benchmarks" / "results" / "cells").load()
    tables = find_tables(())
    parts = ["# Tables\n", render.legend(BUDGET) + "\n"]
    for table in tables:
        lines = summary.lines(table, BUDGET, records)
        if any(entry.mean is not None for line in lines for entry in line.entries.values()):
            parts.append(render.as_markdown(table, lines))
    (ROOT / "docs" / "tables.md").write_text("\n".join(parts), encoding="utf-8")
    standings = summary.standings(tables, BUDGET, records)
    for path, mark, text in (
        (ROOT / "README.md", "method table", render.method_table(standings, fewest=5)),
        (ROOT / "docs" / "bench.md", "baselines", baselines(records)),
        (ROOT / "docs" / "reconstruction.md", "by outliers", by_outliers(records)),
    ):
        path.write_text(between(path.read_text(encoding="utf-8"), mark, text), encoding="utf-8")


if __name__ == "__main__":
    main()
