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
from dross.bench.results import Results
from dross.bench.tables import find_tables, load_tables

ROOT = Path(__file__).parents[1]
BUDGET = "cpu"

KNOWN = tomllib.loads((Path(__file__).parent / "known_baselines.toml").read_text(encoding="utf-8"))["values"]


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
            n_classes = len(line.row.over[1]) if line.row.over else 1
            if len(classes) == n_classes:
                values = [record["values"]["auroc"] for record in done]
                return float(np.mean(values)), "all" if budget == "paper" else str(n_classes)
    return None


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
    ):
        path.write_text(between(path.read_text(encoding="utf-8"), mark, text), encoding="utf-8")


if __name__ == "__main__":
    main()
