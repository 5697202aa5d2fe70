"""Findings to one HTML page."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from dross.findings import Findings
from dross.report.charts import histogram, training_curve
from dross.report.pictures import HeatScale, colour_bar
from dross.report.rows import top_rows
from dross.report.timeline import timelines
from dross.report.wording import (
    caution,
    count,
    flagged_rows,
    headline,
    number,
    percent,
    row_noun,
    share_is_given,
    shorten,
    value_text,
)

__all__ = ["render_report"]

_MAX_FINDINGS = 100
_MAX_UNREADABLE = 50
_MAX_COLUMNS = 300
_MAX_NOTES = 50
_MAX_FACTS = 40
_MAX_FACT = 300
_MAX_NAME = 80
_OF_IMAGES = ("code_norm", "real_spread", "generated_spread")  # what a generator's collapse shows in
_MAX_COMMAND = 2_000


def render_report(findings: Findings) -> str:
    """Return the report on ``findings`` as one HTML page that loads nothing.

    The page holds the answer and how sure it is, what was read, the scores and their threshold, the first
    100 of ``findings.top``, the training curve, the agreement with known answers if there were any, what
    could not be read, and how to repeat the run. It needs no JavaScript, follows the reader's light or dark
    setting, fits a phone and prints. Values from the data are escaped and shortened; with 100 findings the
    page stays under 5 MB however many rows there are.

    Parameters
    ----------
    findings : Findings
        ``findings.model`` is not used. Keys missing in ``findings.summary`` are left out of the page.

    Returns
    -------
    str
        HTML, to be written as UTF-8.
    """
    environment = Environment(
        loader=PackageLoader("dross", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["count"] = count
    page = environment.get_template("report.html").render(
        name=shorten(findings.name, _MAX_NAME, tail=_MAX_NAME // 2),
        noun=row_noun(findings),
        **_answer(findings),
        **_input(findings),
        **_scores(findings),
        **_top(findings),
        metrics=_metrics(findings),
        **_times(findings),
        **_repeat(findings),
    )
    return page


def _answer(findings: Findings) -> dict[str, Any]:
    return {
        "headline": headline(findings),
        "caution": caution(findings),
        "share": percent(findings.contamination),
        "share_given": share_is_given(findings),
        "share_interval": [percent(end) for end in findings.contamination_interval],
        "total": len(findings.anomaly_scores),
        "flagged": flagged_rows(findings),
    }


def _input(findings: Findings) -> dict[str, Any]:
    columns = findings.summary.get("features", {}).get("columns", [])
    read = findings.summary.get("read", {})
    notes = [shorten(note, _MAX_FACT) for note in findings.notes]
    return {
        "kind": findings.kind,
        "facts": _facts({key.replace("_", " "): _grouped(value) for key, value in read.items()}),
        "notes": notes[:_MAX_NOTES],
        "notes_left_out": max(0, len(notes) - _MAX_NOTES),
        "columns": [_column(column) for column in columns[:_MAX_COLUMNS]],
        "columns_left_out": max(0, len(columns) - _MAX_COLUMNS),
        "unreadable": [
            (shorten(item.id, 120, tail=60), shorten(item.reason, _MAX_FACT))
            for item in findings.unreadable[:_MAX_UNREADABLE]
        ],
        "unreadable_total": len(findings.unreadable),
    }


def _column(column: dict[str, Any]) -> dict[str, str]:
    """Return one line of the table of columns; what is not known is an empty cell."""
    features = column.get("features", [])
    invalid = column.get("invalid")
    note = f"left out: {column['why']}" if "why" in column else f"{count(invalid)} invalid" if invalid else ""
    return {
        "name": shorten(column.get("name", ""), _MAX_NAME),
        "role": shorten(column.get("role", ""), _MAX_NAME),
        "features": count(len(features)),
        "missing": _fact(column.get("missing")) or "",
        "note": shorten(note, _MAX_FACT),
    }


def _scores(findings: Findings) -> dict[str, Any]:
    return {
        "histogram": histogram(findings.anomaly_scores, findings.labels == 1, findings.threshold),
        "threshold": number(findings.threshold),
        "curve": training_curve(findings.history),
        "image_curve": training_curve(findings.history, _OF_IMAGES),
        "history": findings.history,
        "training_end": findings.summary.get("training_end"),
    }


def _top(findings: Findings) -> dict[str, Any]:
    top = sorted(findings.top, key=lambda finding: finding.rank)[:_MAX_FINDINGS]
    scale = HeatScale.of([finding.heatmap for finding in top if finding.heatmap is not None])
    return {
        "rows": top_rows(top, scale),
        "row_numbers": any(not isinstance(finding.id, str) for finding in top),
        "heat_high": number(scale.high) if scale else None,
        "colour_bar": colour_bar() if scale else None,
    }


def _times(findings: Findings) -> dict[str, Any]:
    """Return the curves over time of a source of videos; no curves for any other."""
    places = findings.source.places() if findings.source is not None else None
    if places is None:
        return {"videos": [], "videos_left_out": 0, "time_unit": ""}
    spans = np.column_stack([places["start"].to_numpy(), places["end"].to_numpy()])
    drawn, left_out = timelines(
        places["video"].to_pylist(),
        spans,
        findings.anomaly_scores,
        findings.labels == 1,
        findings.threshold,
    )
    drawn = [replace(one, name=shorten(one.name, _MAX_NAME, tail=_MAX_NAME // 2)) for one in drawn]
    unit = "seconds" if findings.kind == "video" else "segments"
    return {"videos": drawn, "videos_left_out": left_out, "time_unit": unit}


def _metrics(findings: Findings) -> dict[str, Any] | None:
    metrics = findings.metrics
    if metrics is None:
        return None
    return {
        "areas": [
            (name, f"{metrics[key]:.3f}")
            for name, key in (("AUROC", "auroc"), ("AUPR", "aupr"))
            if metrics.get(key) is not None
        ],
        "confusion": metrics.get("confusion"),
    }


def _repeat(findings: Findings) -> dict[str, Any]:
    summary = findings.summary
    seed = summary.get("seed")
    command = summary.get("command")
    if command is None:
        command = f"dross.find(data, detector={findings.detector!r}, random_state={seed!r})"
    settings = {
        "detector": findings.detector,
        **summary.get("detector_parameters", {}),
        **{key: summary.get(key) for key in ("seed", "device", "precision", "resumed_from_epoch")},
    }
    seconds = {stage: f"{taken:.2f} s" for stage, taken in summary.get("seconds", {}).items()}
    return {
        "command": shorten(command, _MAX_COMMAND),
        "from_python": summary.get("command") is None,
        "settings": _facts(settings),
        "versions": _facts(summary.get("versions", {})),
        "checksums": _facts(summary.get("checksums", {})),
        "seconds": _facts(seconds),
    }


def _facts(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """Return names and values as text, without those that are not known."""
    texts = ((shorten(name, _MAX_NAME), _fact(value)) for name, value in facts.items())
    return [(name, text) for name, text in texts if text is not None][:_MAX_FACTS]


def _grouped(value: Any) -> Any:
    return count(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _fact(value: Any) -> str | None:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value_text(value, _MAX_FACT)
