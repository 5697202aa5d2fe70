"""``dross score`` and ``dross inspect``: use and look into a model file."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dross.errors import ParameterError
from dross.findings import scores_table
from dross.model import Model, Scored
from dross.model_file import read_model_file

__all__ = ["run_inspect", "run_score"]

_SHOWN = 20


def run_score(model: Path, path: str, out: Path | None, contamination: float | None) -> None:
    """Score new data; write all scores if a file is named, print the top rows."""
    if out is not None and out.suffix not in (".parquet", ".csv", ".jsonl"):
        raise ParameterError(f"--out is {str(out)!r}; its ending must be .parquet, .csv or .jsonl.")
    scored = Model.load(model).score(path, contamination=contamination)
    if out is not None:
        _write(scores_table(scored), out)
    _print_scored(scored, out, Console())


def run_inspect(model: Path) -> None:
    """Print what a model file says of itself."""
    values, arrays = read_model_file(model)
    about = {
        "family": values["family"],
        "detector": values["detector"]["name"],
        "parameters": values["detector"]["parameters"],
        "input_shape": values["detector"]["base"]["input_shape"],
        "training_rows": values["detector"]["base"]["n_training_rows"],
        "kept_rows": len(arrays["detector/kept_rows"]) if "detector/kept_rows" in arrays else 0,
        "format_version": values["format_version"],
        "bytes": model.stat().st_size,
        **values["about"],
    }
    print(json.dumps(about, indent=2, ensure_ascii=False))


def _write(table: pa.Table, out: Path) -> None:
    """Write the scores so that the file is there whole or not at all."""
    part = out.with_name(f".{out.name}.part")
    try:
        if out.suffix == ".parquet":
            pyarrow.parquet.write_table(table, part)
        elif out.suffix == ".csv":
            pyarrow.csv.write_csv(table, part)
        else:
            lines = (json.dumps(row, ensure_ascii=False) for row in table.to_pylist())
            part.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


def _print_scored(scored: Scored, out: Path | None, console: Console) -> None:
    order = scored.rank.argsort()[:_SHOWN]
    table = Table("rank", "id", "score", "flagged", "why", box=None, pad_edge=False, header_style="bold")
    for row in order:
        flag = "yes" if scored.labels[row] else ""
        score = f"{scored.anomaly_scores[row]:.4g}"
        table.add_row(
            str(scored.rank[row]), Text(str(scored.ids[row])), score, flag, Text(scored.reasons[row] or "")
        )
    for note in scored.notes:
        console.print(note, highlight=False, markup=False)
    console.print(table)
    console.print(
        f"{int(scored.labels.sum()):,} of {len(scored.ids):,} rows are over the threshold.", highlight=False
    )
    for item in scored.unreadable:
        console.print(f"could not be read: {item.id}: {item.reason}", highlight=False, markup=False)
    if out is not None:
        console.print(f"Scores: {out}", highlight=False, markup=False, soft_wrap=True)
