"""``dross detectors``: what there is to choose from."""

from __future__ import annotations

import json
from dataclasses import fields

from rich.console import Console
from rich.table import Table

from dross import registry

__all__ = ["run_detectors"]


def run_detectors(*, as_json: bool) -> None:
    """Print each detector with its input, idea and own parameters."""
    rows = []
    for name in registry.DETECTORS:
        cls = registry.get(name)
        idea = next(line.strip() for line in (cls.__doc__ or "").splitlines() if line.strip())
        parameters = {field.name: field.default for field in fields(cls)}
        rows.append({"name": name, "input": sorted(cls.input_kinds), "idea": idea, "parameters": parameters})
    if as_json:
        print(json.dumps({"detectors": rows}))
        return
    table = Table("name", "input", "idea", box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(str(row["name"]), ", ".join(row["input"]), str(row["idea"]))
    Console().print(table)
