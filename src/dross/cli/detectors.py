"""``dross detectors``: what there is to choose from."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

from rich.console import Console

from dross import registry
from dross.cli.printing import print_table

__all__ = ["run_detectors"]


def run_detectors(*, as_json: bool) -> None:
    """Print each detector with its input, idea and own parameters."""
    rows: list[dict[str, Any]] = []
    for name in registry.DETECTORS:
        cls = registry.get(name)
        idea = next(line.strip() for line in (cls.__doc__ or "").splitlines() if line.strip())
        parameters = {field.name: field.default for field in fields(cls)}
        rows.append({"name": name, "input": sorted(cls.input_kinds), "idea": idea, "parameters": parameters})
    if as_json:
        print(json.dumps({"detectors": rows}))
        return
    print_table(
        Console(), ("name", "input", "idea"), [(r["name"], ", ".join(r["input"]), r["idea"]) for r in rows]
    )
