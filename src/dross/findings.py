"""The result of the main job as one object."""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dross.result_folder import staged
from dross.sources.sniff import column_names

if TYPE_CHECKING:
    from dross.model import Model, Scored
    from dross.sources.base import Source, Unreadable

__all__ = ["Findings", "TopFinding", "scores_table"]

_CSV_ROWS = 50_000


@dataclass(frozen=True)
class TopFinding:
    """One of the most anomalous rows, with what a reader needs to judge it.

    ``cells`` are its original columns (tables), ``image`` is ``(c, h, w)`` uint8, ``heatmap`` ``(h, w)``
    float32 in the unit of the score (one scale for the data set), ``text`` the beginning of the document.
    """

    id: int | str
    rank: int
    anomaly_score: float
    is_anomaly: bool
    reason: str | None
    cells: dict[str, Any] | None = None
    image: NDArray[np.uint8] | None = None
    heatmap: NDArray[np.float32] | None = None
    text: str | None = None


@dataclass
class Findings:
    """What does not belong, how many, how sure, and why.

    All arrays have one entry per readable row, in input order. ``labels``: 1 = anomaly. ``rank``: 1 = most
    anomalous. ``reasons``: None for rows that were neither flagged nor among the top.
    """

    ids: NDArray[Any]
    anomaly_scores: NDArray[np.float64]
    labels: NDArray[np.int8]
    rank: NDArray[np.int64]
    reasons: list[str | None]
    contamination: float
    contamination_interval: tuple[float, float]
    separated: bool
    threshold: float
    detector: str
    history: list[dict[str, float]]
    kind: str
    name: str
    notes: list[str]
    unreadable: list[Unreadable]
    top: list[TopFinding]
    summary: dict[str, Any]
    model: Model
    metrics: dict[str, Any] | None = None
    source: Source | None = field(default=None, repr=False)

    def save(self, folder: str | Path) -> Path:
        """Write scores.parquet, anomalies.csv, report.html, model.dross and summary.json.

        The folder appears whole or not at all; an earlier result in it is replaced in one step.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        InputError
            If the folder holds anything else than a result, or cannot be written.
        """
        from dross.report import render_report

        folder = Path(folder).resolve()
        with staged(folder) as partial:
            pq.write_table(scores_table(self), partial / "scores.parquet")
            self._write_anomalies(partial / "anomalies.csv")
            self.model.save(partial / "model.dross")
            self.summary["checksums"] = {path.name: _sha256(path) for path in sorted(partial.iterdir())}
            (partial / "report.html").write_text(render_report(self), encoding="utf-8")
            self.summary["checksums"]["report.html"] = _sha256(partial / "report.html")
            summary = json.dumps(self.summary, indent=2, ensure_ascii=False, allow_nan=False)
            (partial / "summary.json").write_text(summary + "\n", encoding="utf-8")
        return folder

    def _write_anomalies(self, path: Path) -> None:
        """Write the flagged rows, most anomalous first, with their original columns."""
        rows = np.flatnonzero(self.labels)
        rows = rows[np.argsort(self.rank[rows])]
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            header = ["id", "anomaly_score", "rank", "reasons"]
            if self.source is None or not len(rows):
                writer.writerow([*header, *_column_names(self.source, header)])
                return
            for start in range(0, len(rows), _CSV_ROWS):
                part = rows[start : start + _CSV_ROWS]
                originals = self.source.take(part)
                if start == 0:
                    writer.writerow([*header, *_apart(originals.column_names, header)])
                own = ([self.ids[r], self.anomaly_scores[r], self.rank[r], self.reasons[r]] for r in part)
                cells = zip(*(column.to_pylist() for column in originals.columns), strict=True)
                writer.writerows([*a, *b] for a, b in zip(own, cells, strict=True))


def scores_table(scored: Findings | Scored) -> pa.Table:
    """Return one row per readable row, in input order: what scores.parquet holds."""
    ids = scored.ids if scored.ids.dtype.kind in "iu" else scored.ids.astype(str).tolist()
    columns = {
        "id": pa.array(ids),
        "anomaly_score": pa.array(scored.anomaly_scores),
        "rank": pa.array(scored.rank),
        "is_anomaly": pa.array(scored.labels.astype(bool)),
        "reasons": pa.array(scored.reasons, pa.string()),
    }
    places = scored.source.places() if scored.source is not None else None
    if places is not None:  # when a clip of a video is
        columns |= dict(zip(places.column_names, places.columns, strict=True))
    return pa.table(columns)


def _apart(names: list[str], taken: list[str]) -> list[str]:
    """Return column names that collide neither with ours nor with each other."""
    renamed = [f"original_{name}" if name in taken else name for name in names]
    return list(column_names(renamed, len(names)))


def _column_names(source: Source | None, header: list[str]) -> list[str]:
    return [] if source is None else _apart(source.take(np.zeros(0, np.int64)).column_names, header)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
