"""``dross find``: the main job, from options to files and a short table."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dross.cli.progress import console_monitor, stopping
from dross.errors import ParameterError
from dross.result_folder import CHECKPOINT, check_target, earlier_summary

if TYPE_CHECKING:
    from dross.findings import Findings

__all__ = ["FindRequest", "run_find", "share_sentence"]

_ENDINGS = frozenset(
    [
        ".gz",
        ".bz2",
        ".xz",
        ".tar",
        ".tgz",
        ".zip",
        ".csv",
        ".tsv",
        ".txt",
        ".data",
        ".xlsx",
        ".parquet",
        ".arrow",
        ".feather",
        ".jsonl",
        ".ndjson",
        ".json",
        ".npy",
        ".npz",
    ]
)
_LISTED = 5


@dataclass(frozen=True)
class FindRequest:
    """What concerns the run rather than the result."""

    path: str
    out: Path | None
    command: str
    resume: bool
    force: bool
    as_json: bool
    quiet: bool


def run_find(request: FindRequest, options: dict[str, Any], parameters: Sequence[str]) -> None:
    """Run the main job, write its files and print what was found."""
    options["contamination"] = _share(options["contamination"])
    options["parameters"] = dict(_parameter(text) for text in parameters)
    folder = (request.out or Path("dross-out") / _stem(request.path)).absolute()
    check_target(folder)
    earlier = earlier_summary(folder)
    expected = None if request.force or earlier is None else str(earlier.get("key"))

    errors = Console(stderr=True)
    with console_monitor(errors, quiet=request.quiet or request.as_json) as monitor, stopping(monitor):
        from dross.pipeline import find

        made = not folder.exists()
        try:
            findings = find(
                request.path,
                **options,
                checkpoint_folder=folder / CHECKPOINT,
                resume=request.resume,
                expected_key=expected,
                monitor=monitor,
            )
            findings.summary["command"] = request.command
            monitor.stage("writing")
            findings.save(folder)
        except KeyboardInterrupt:
            if (folder / CHECKPOINT).exists():
                errors.print(
                    f"Stopped; go on with: {request.command} --resume", highlight=False, soft_wrap=True
                )
            raise
        finally:
            if made and folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
    if request.as_json:
        print(json.dumps(_as_json(findings, folder), ensure_ascii=False, allow_nan=False))
    elif not request.quiet:
        print_findings(findings, folder, Console())


def print_findings(findings: Findings, folder: Path, console: Console) -> None:
    """Print the top rows, the share with its interval, and what could not be read."""
    say = Console.print
    read = f"{findings.name}: {findings.kind}, {len(findings.ids):,} rows, detector {findings.detector}"
    say(console, read, highlight=False, markup=False)
    for note in findings.notes:
        say(console, f"  {note}", highlight=False, markup=False)
    if findings.top:
        table = Table("rank", "id", "score", "flagged", "why", box=None, pad_edge=False, header_style="bold")
        for row in findings.top:
            score = f"{row.anomaly_score:.4g}"
            flag = "yes" if row.is_anomaly else ""
            table.add_row(str(row.rank), Text(str(row.id)), score, flag, Text(row.reason or ""))
        say(console)
        say(console, table)
    say(console)
    say(console, share_sentence(findings), highlight=False, markup=False)
    if findings.metrics:
        values = ", ".join(f"{k} {v:.3f}" for k, v in findings.metrics.items() if isinstance(v, float))
        say(console, f"Against the labels: {values}", highlight=False, markup=False)
    if findings.unreadable:
        say(console, f"{len(findings.unreadable)} items could not be read:", highlight=False)
        for item in findings.unreadable[:_LISTED]:
            say(console, f"  {item.id}: {item.reason}", highlight=False, markup=False)
        if len(findings.unreadable) > _LISTED:
            say(
                console,
                f"  ... and {len(findings.unreadable) - _LISTED} more, see summary.json",
                highlight=False,
            )
    say(console, f"Report: {folder / 'report.html'}", highlight=False, markup=False, soft_wrap=True)


def share_sentence(findings: Findings) -> str:
    """Return the answer in words: how many rows, what share, how sure."""
    n, flagged = len(findings.ids), int(findings.labels.sum())
    share = findings.summary["share"]
    if share["source"] == "given":
        return f"{flagged:,} of {n:,} rows flagged: the share of {findings.contamination:.2%} was given."
    low, high = findings.contamination_interval
    return (
        f"{flagged:,} of {n:,} rows do not belong: {findings.contamination:.2%} "
        f"(90 % interval {low:.2%} to {high:.2%}). {share['message']}"
    )


def _as_json(findings: Findings, folder: Path) -> dict[str, Any]:
    top = [
        {
            "rank": t.rank,
            "id": t.id,
            "anomaly_score": t.anomaly_score,
            "is_anomaly": t.is_anomaly,
            "reason": t.reason,
        }
        for t in findings.top
    ]
    return findings.summary | {"top": top, "folder": str(folder)}


def _stem(path: str) -> str:
    """Return the name of the data without the endings of its format."""
    name = Path(path).absolute().name or "data"
    while (ending := Path(name).suffix.lower()) in _ENDINGS and Path(name).stem:
        name = name[: -len(ending)]
    return name


def _share(text: str) -> float | str:
    if text == "auto":
        return text
    try:
        return float(text)
    except ValueError:
        raise ParameterError(
            f"--contamination is {text!r}; it must be auto or a share in (0, 0.5]."
        ) from None


def _parameter(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ParameterError(f"--param {text!r} must have the form NAME=VALUE.")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value
