"""Findings for the tests of the report, without reading or fitting anything."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dross.findings import Findings, TopFinding

__all__ = ["finding", "image_findings", "make_findings", "scores_of", "table_findings", "text_findings"]


def make_findings(scores: NDArray[np.float64], top: list[TopFinding], **changes: Any) -> Findings:
    """Return findings that flag 4 % of ``scores``; ``top`` gets its ranks, scores and labels from them."""
    n = len(scores)
    flagged = round(0.04 * n)
    order = np.argsort(-scores, kind="stable")
    rank = np.empty(n, np.int64)
    rank[order] = np.arange(1, n + 1)
    labels = (rank <= flagged).astype(np.int8)
    top = [
        replace(finding, rank=place + 1, anomaly_score=float(scores[row]), is_anomaly=bool(labels[row]))
        for place, (row, finding) in enumerate(zip(order, top, strict=False))
    ]
    values: dict[str, Any] = {
        "ids": np.arange(n),
        "anomaly_scores": scores,
        "labels": labels,
        "rank": rank,
        "reasons": [None] * n,
        "contamination": flagged / n,
        "contamination_interval": (0.029, 0.058),
        "separated": True,
        "threshold": float(scores[order[flagged - 1 : flagged + 1]].mean()),
        "detector": "isolation_forest",
        "history": [],
        "kind": "table",
        "name": "cells.csv",
        "notes": [],
        "unreadable": [],
        "top": top,
        "summary": {},
        "model": None,
    }
    return Findings(**values | changes)


def finding(id: int | str = 0, **parts: Any) -> TopFinding:
    """Return one finding whose place `make_findings` fills in."""
    return TopFinding(id=id, rank=0, anomaly_score=0.0, is_anomaly=False, **{"reason": None} | parts)


def scores_of(n: int) -> NDArray[np.float64]:
    """Return scores of which 4 % stand apart."""
    rng = np.random.default_rng(0)
    apart = round(0.04 * n)
    return np.concatenate([rng.normal(0.4, 0.03, n - apart), rng.normal(0.7, 0.03, apart)])


def table_findings(n: int = 500, shown: int = 12, columns: int = 20, **changes: Any) -> Findings:
    """Return findings of a table of numbers."""
    names = [f"column {i}" for i in range(columns)]
    top = [
        finding(row, reason="column 7 = 9.1 (usually 0.2)", cells={name: 0.25 for name in names})
        for row in range(shown)
    ]
    summary = {
        "read": {"format": "csv", "delimiter": ";", "rows": n},
        "features": {
            "columns": [{"name": name, "role": "number", "features": [name], "missing": 0} for name in names]
        },
        "seed": 7,
        "command": "dross find cells.csv --seed 7",
        "versions": {"dross": "0.1.0"},
        "checksums": {"model.dross": "ab" * 32},
        "seconds": {"reading": 0.5},
    }
    return make_findings(scores_of(n), top, **{"summary": summary} | changes)


def image_findings(
    n: int = 500, shown: int = 12, side: int = 16, channels: int = 1, **changes: Any
) -> Findings:
    """Return findings of images of noise, the worst case for their size in the page."""
    rng = np.random.default_rng(0)
    top = [
        finding(
            f"folder/image {row}.png",
            reason="the upper left adds most",
            image=rng.integers(0, 256, (channels, side, side), dtype=np.uint8),
            heatmap=rng.random((side, side), dtype=np.float32),
        )
        for row in range(shown)
    ]
    history = [{"epoch": float(epoch), "loss": 1.0 / epoch} for epoch in range(1, 31)]
    return make_findings(
        scores_of(n), top, **{"kind": "image", "name": "images", "history": history} | changes
    )


def text_findings(n: int = 500, shown: int = 12, **changes: Any) -> Findings:
    """Return findings of texts without a gap in their scores, some in one long word."""
    texts = ["A short one.", "x" * 5_000, "", "First line\n\nsecond line & <b>more</b>\n" * 40]
    top = [
        finding(row, reason="terms that add most: second, line", text=texts[row % 4]) for row in range(shown)
    ]
    scores = np.random.default_rng(0).normal(0.4, 0.05, n)
    return make_findings(scores, top, **{"kind": "text", "name": "a.txt", "separated": False} | changes)
