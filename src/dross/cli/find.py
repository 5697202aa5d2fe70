"""``dross find``: the main job, from options to files and a short table."""

from __future__ import annotations

import ast
import json
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console

from dross.cli.printing import print_table, say
from dross.cli.progress import console_monitor, stopping
from dross.errors import ParameterError
from dross.result_folder import CHECKPOINT, check_target, earlier_summary

if TYPE_CHECKING:
    from dross.findings import Findings, TopFinding

__all__ = ["FindRequest", "parameter_of", "run_find", "share_of"]

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


def run_find(request: FindRequest, job: partial[Findings]) -> None:
    """Run the main job, a call of `dross.find`, write its files and print what was found."""
    folder = (request.out or Path("dross-out") / _stem(request.path)).resolve()
    data = Path(request.path)
    if data.is_dir() and folder.is_relative_to(data.resolve()):
        raise ParameterError(f"{folder} lies in the data; name a result folder outside of it with --out.")
    check_target(folder)
    errors = Console(stderr=True)
    if not request.quiet:
        _mention_checkpoint(request, folder / CHECKPOINT, errors)
    findings = _find_and_save(request, job, folder, errors)
    if request.as_json:
        print(json.dumps(_as_json(findings, folder), ensure_ascii=False, allow_nan=False))
    elif not request.quiet:
        print_findings(findings, folder, Console())


def _mention_checkpoint(request: FindRequest, checkpoint: Path, errors: Console) -> None:
    if request.resume and not checkpoint.exists():
        say(errors, f"There is no checkpoint {checkpoint}: starting anew.")
    elif checkpoint.exists() and not request.resume:
        say(errors, f"Starting anew; --resume would go on from the checkpoint {checkpoint}.")


def _find_and_save(request: FindRequest, job: partial[Findings], folder: Path, errors: Console) -> Findings:
    earlier = earlier_summary(folder)
    expected = None if request.force or earlier is None else str(earlier.get("key"))
    made = not folder.exists()
    with console_monitor(errors, quiet=request.quiet or request.as_json) as monitor, stopping(monitor):
        try:
            findings = job(
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
                resume = "" if request.resume else " --resume"
                say(errors, f"Stopped; go on with: {request.command}{resume}")
            raise
        finally:
            if made and folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
    return findings


def print_findings(findings: Findings, folder: Path, console: Console) -> None:
    """Print the top rows, the share with its interval, and what could not be read."""
    from dross.report.wording import caution, headline, row_noun

    noun = row_noun(findings)
    say(
        console,
        f"{findings.name}: {findings.kind}, {len(findings.ids):,} {noun}s, detector {findings.detector}",
    )
    for note in findings.notes:
        say(console, f"  {note}")
    if findings.top:
        say(console)
        header = ("rank", "id", "score", "flagged", "why")
        print_table(console, header, [_line(row) for row in findings.top])
    say(console)
    say(console, f"{headline(findings)}.")
    if warning := caution(findings):
        say(console, warning)
    if findings.metrics:
        _print_metrics(findings.metrics, console)
    if findings.unreadable:
        say(console, f"Could not be read ({len(findings.unreadable):,}):")
        for item in findings.unreadable[:_LISTED]:
            say(console, f"  {item.id}: {item.reason}")
        if len(findings.unreadable) > _LISTED:
            say(console, f"  ... and {len(findings.unreadable) - _LISTED:,} more, see summary.json")
    say(console, f"Report: {folder / 'report.html'}")


def _line(row: TopFinding) -> tuple[str, ...]:
    flag = "yes" if row.is_anomaly else ""
    return str(row.rank), str(row.id), f"{row.anomaly_score:.4g}", flag, row.reason or ""


def _print_metrics(metrics: dict[str, Any], console: Console) -> None:
    """Print how well scores and flags agree with the labels."""
    if metrics["auroc"] is None:
        say(console, "Against the labels: no AUROC, since all of them are the same.")
    else:
        say(console, f"Against the labels: AUROC {metrics['auroc']:.3f}, AUPR {metrics['aupr']:.3f}")
    counts = metrics["confusion"]
    rows = [("  anomaly", "tp", "fn"), ("  normal", "fp", "tn")]
    header = ("  label", "flagged", "not flagged")
    print_table(console, header, [(name, str(counts[a]), str(counts[b])) for name, a, b in rows])


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
    name = Path(os.path.abspath(path)).name or "data"  # noqa: PTH100  (".." goes, links stay)
    while (ending := Path(name).suffix.lower()) in _ENDINGS and Path(name).stem:
        name = name[: -len(ending)]
    return name


def share_of(text: str) -> float | Literal["auto"]:
    """Return what ``--contamination`` says."""
    if text == "auto":
        return "auto"
    try:
        return float(text)
    except ValueError:
        raise ParameterError(
            f"--contamination is {text!r}; it must be auto or a share in (0, 0.5]."
        ) from None


def parameter_of(text: str) -> tuple[str, Any]:
    """Return name and value of a ``--param``."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ParameterError(f"--param {text!r} must have the form NAME=VALUE.")
    if value.lower() in ("true", "false", "none"):
        value = value.capitalize()
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return name, value
