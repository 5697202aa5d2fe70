"""What a run has found, put together: the model of a fitted detector, its findings, and their summary."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dross import metrics
from dross.base import BaseDetector
from dross.features.base import Features
from dross.findings import Findings, TopFinding
from dross.model import (
    MAX_EXPLAINED,
    Model,
    explain_rows,
    options_of,
    parameters_of,
    rank_of,
    versions,
)
from dross.sources.base import ReadOptions, Source
from dross.sources.text import TextSource

__all__ = ["fitted_model", "found_with"]

_QUANTILES = 10_001
_TEXT_LENGTH = 600


def fitted_model(
    source: Source,
    options: ReadOptions,
    features: Features,
    detector: BaseDetector,
    name: str,
    features_name: str,
) -> Model:
    """Return what scores new data as this run scored its own."""
    return Model(
        family=source.family,
        detector_name=name,
        features=features,
        detector=detector,
        options=options_of(options, features, source.family),
        score_quantiles=_quantiles(detector.anomaly_scores_),
        about={
            "versions": versions(),
            "fitted_on": {"name": source.name, "kind": source.kind, "rows": len(source)},
            "features": features.description,
            "share": _share(detector),
        },
        features_name=features_name,
    )


def _quantiles(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the scores in rising order, at most 10 001 of them."""
    return (
        np.sort(scores) if len(scores) <= _QUANTILES else np.quantile(scores, np.linspace(0, 1, _QUANTILES))
    )


def _share(detector: BaseDetector) -> dict[str, Any]:
    estimate = detector.share_estimate_
    low, high = detector.contamination_interval_
    about: dict[str, Any] = {"value": detector.contamination_, "interval": [low, high], "level": 0.9}
    if estimate is None:
        return about | {"source": "given", "separated": True, "message": "The share was given."}
    return about | {"source": "estimated", "separated": estimate.separated, "message": estimate.message}


def found_with(model: Model, source: Source, X: Any, top: int) -> Findings:
    """Return the findings of a model among the rows that it was fitted on.

    Parameters
    ----------
    model : Model
    source : Source
    X : array or rows
        What the model's features made of the source.
    top : int
        How many of the most anomalous rows are shown, with what they are in the source.
    """
    detector = model.detector
    scores = detector.anomaly_scores_
    labels = (scores > model.threshold).astype(np.int8)
    rank = rank_of(scores)
    shown = np.argsort(rank)[: max(top, min(int(labels.sum()), MAX_EXPLAINED))]
    reasons, heatmaps = explain_rows(model.features, detector, source, X, shown)
    share = _share(detector)
    notes = [*source.notes, *model.features.notes, *getattr(detector, "notes_", [])]
    if labels.sum() > len(shown):
        notes.append(f"Reasons are given for the {len(shown)} most anomalous of {labels.sum()} flagged rows.")
    findings = Findings(
        ids=source.ids,
        anomaly_scores=scores,
        labels=labels,
        rank=rank,
        reasons=reasons,
        contamination=detector.contamination_,
        contamination_interval=detector.contamination_interval_,
        separated=share["separated"],
        threshold=model.threshold,
        detector=model.detector_name,
        history=getattr(detector, "history_", []),
        kind=source.kind,
        name=source.name,
        notes=notes,
        unreadable=source.unreadable,
        top=[],
        summary=_summary(source, model, share, labels, notes),
        model=model,
        source=source,
    )
    findings.top = _top(findings, source, shown[:top], heatmaps)
    if source.labels is not None:
        findings.metrics = metrics.evaluate(source.labels, scores, labels.astype(bool))
        findings.summary["metrics"] = findings.metrics
    return findings


def _summary(
    source: Source, model: Model, share: dict[str, Any], labels: NDArray[np.int8], notes: list[str]
) -> dict[str, Any]:
    detector = model.detector
    parameters = {k: v for k, v in parameters_of(detector).items() if k != "random_state"}
    return {
        "name": source.name,
        "kind": source.kind,
        "rows": len(source),
        "flagged": int(labels.sum()),
        "share": share,
        "threshold": model.threshold,
        "detector": model.detector_name,
        "detector_parameters": parameters,
        "kept_rows": len(detector.kept_rows_) if hasattr(detector, "kept_rows_") else None,
        "read": source.facts,
        "features": model.features.description,
        "notes": notes,
        "unreadable": [{"id": item.id, "reason": item.reason} for item in source.unreadable],
        "device": getattr(detector, "device_", "cpu"),
        "precision": getattr(detector, "precision", None),
        "history": getattr(detector, "history_", []),
        "training_end": getattr(detector, "training_end_", ""),
        "resumed_from_epoch": None,
        "command": None,
        "versions": versions(),
        "checksums": {},
    }


def _top(
    findings: Findings, source: Source, rows: NDArray[np.int64], heatmaps: dict[int, NDArray[np.float32]]
) -> list[TopFinding]:
    if not len(rows):
        return []
    originals: pa.Table = source.take(rows)
    texts = source.read(rows) if isinstance(source, TextSource) else None
    found = []
    for place, row in enumerate(rows.tolist()):
        cells = {name: originals.column(name)[place].as_py() for name in originals.column_names}
        identity = source.ids[row]
        found.append(
            TopFinding(
                id=int(identity) if isinstance(identity, np.integer) else str(identity),
                rank=int(findings.rank[row]),
                anomaly_score=float(findings.anomaly_scores[row]),
                is_anomaly=bool(findings.labels[row]),
                reason=findings.reasons[row],
                cells=cells if source.family == "table" else None,
                image=_thumbnail(source, row) if source.family in ("image", "video") else None,
                heatmap=heatmaps.get(row),
                text=None if texts is None else texts[place][:_TEXT_LENGTH],
            )
        )
    return found


def _thumbnail(source: Source, row: int) -> NDArray[np.uint8]:
    """Return an image for the report; values that are no bytes are spread over them, per image."""
    image: NDArray[Any] = source.rows[np.array([row])][0]  # type: ignore[attr-defined]
    if image.dtype == np.uint8:
        return image
    image = np.nan_to_num(image.astype(np.float64))
    low, high = image.min(), image.max()
    return np.asarray((image - low) / (high - low or 1.0) * 255, np.uint8)
