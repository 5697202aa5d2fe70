"""``dross score`` and ``dross inspect``: use and look into a model file."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from rich.console import Console

from dross.cli.printing import print_table, say
from dross.errors import ModelFileError, ParameterError
from dross.findings import scores_table
from dross.model import Model, Scored
from dross.model_file import read_model_file

__all__ = ["run_inspect", "run_score"]

_SHOWN = 20


def run_score(model: Path, path: str, out: Path | None, contamination: float | None) -> None:
    """Score new data; write all scores if a file is named, print the top rows."""
    if out is not None:
        _check_out(out, Path(path), model)
    scored = Model.load(model).score(path, contamination=contamination)
    if out is not None:
        _write(scores_table(scored), out)
    _print_scored(scored, out, Console())


def run_inspect(model: Path) -> None:
    """Print what a model file says of itself; its detector is not built."""
    values, arrays = read_model_file(model)
    try:
        detector = values["detector"]
        about = {
            "family": values["family"],
            "detector": detector["name"],
            "parameters": detector["parameters"],
            "input_shape": detector["base"]["input_shape"],
            "training_rows": detector["base"]["n_training_rows"],
            "kept_rows": len(arrays.get("detector/kept_rows", ())),
            "format_version": values["format_version"],
            "bytes": model.stat().st_size,
            **values["about"],
        }
    except (KeyError, TypeError) as error:
        raise ModelFileError(f"{model} is damaged: {type(error).__name__} {error}.") from None
    print(json.dumps(about, indent=2, ensure_ascii=False))


def _check_out(out: Path, path: Path, model: Path) -> None:
    if out.suffix not in (".parquet", ".csv", ".jsonl"):
        raise ParameterError(f"--out is {str(out)!r}; its ending must be .parquet, .csv or .jsonl.")
    if out.is_dir() or not out.absolute().parent.is_dir():
        raise ParameterError(f"--out is {str(out)!r}; it must be a file in a folder that exists.")
    if out.resolve() in (path.resolve(), model.resolve()):
        raise ParameterError(f"--out is {str(out)!r}, which is read here; name another file.")


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
    for note in scored.notes:
        say(console, note)
    rows = [
        (
            str(scored.rank[row]),
            str(scored.ids[row]),
            f"{scored.anomaly_scores[row]:.4g}",
            "yes" if scored.labels[row] else "",
            scored.reasons[row] or "",
        )
        for row in scored.rank.argsort()[:_SHOWN]
    ]
    print_table(console, ("rank", "id", "score", "flagged", "why"), rows)
    say(console, f"{int(scored.labels.sum()):,} of {len(scored.ids):,} are over the threshold.")
    for item in scored.unreadable:
        say(console, f"Could not be read: {item.id}: {item.reason}")
    if out is not None:
        say(console, f"Scores: {out}")
