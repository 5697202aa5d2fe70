"""The top findings, made ready for the template."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dross.findings import TopFinding
from dross.report.pictures import HeatScale, overlay, thumbnail
from dross.report.wording import number, shorten, value_text

__all__ = ["Cell", "Picture", "Row", "top_rows"]

_MAX_CELLS = 40
_MAX_OPEN_CELLS = 8
_MAX_VALUE = 80
_MAX_NAME = 60
_MAX_ID = 120
_MAX_REASON = 600
_MAX_TEXT = 700
_MAX_LINES = 12


@dataclass(frozen=True)
class Cell:
    """One original value of a row; ``named``: the reason speaks of its column."""

    name: str
    value: str | None
    named: bool


@dataclass(frozen=True)
class Picture:
    """An image and, if there is one, the image under its heat map, as data URIs."""

    plain: str
    heat: str | None
    pixelated: bool


@dataclass(frozen=True)
class Row:
    """One finding as it is shown."""

    rank: int
    id: str
    score: str
    flagged: bool
    reason: str | None
    open_cells: list[Cell]
    more_cells: list[Cell]
    cells_left_out: int
    picture: Picture | None
    text: str | None


def top_rows(top: Sequence[TopFinding], scale: HeatScale | None) -> list[Row]:
    """Return the findings ready to be shown, the most anomalous first."""
    return [_row(finding, scale) for finding in sorted(top, key=lambda finding: finding.rank)]


def _row(finding: TopFinding, scale: HeatScale | None) -> Row:
    cells = finding.cells or {}
    reason = None if finding.reason is None else shorten(finding.reason, _MAX_REASON)
    shown = _cells(cells, reason or "")
    return Row(
        rank=finding.rank,
        id=shorten(finding.id, _MAX_ID, tail=_MAX_ID // 2),
        score=number(finding.anomaly_score),
        flagged=finding.is_anomaly,
        reason=reason,
        open_cells=shown[:_MAX_OPEN_CELLS],
        more_cells=shown[_MAX_OPEN_CELLS:],
        cells_left_out=len(cells) - len(shown),
        picture=_picture(finding, scale),
        text=None if finding.text is None else _beginning(finding.text),
    )


def _cells(cells: dict[str, Any], reason: str) -> list[Cell]:
    """Return the cells to show: those of the reason in its order, then the others in the table's."""
    named = _named_columns(list(cells), reason)
    order = named + [name for name in cells if name not in named]
    return [
        Cell(shorten(name, _MAX_NAME), value_text(cells[name], _MAX_VALUE), index < len(named))
        for index, name in enumerate(order[:_MAX_CELLS])
    ]


def _named_columns(names: Sequence[str], reason: str) -> list[str]:
    """Return the columns that a reason speaks of, in its order.

    A column is named where a part of the reason begins with it and goes on as the encoder writes. Longer
    names are looked for first and taken out, for one name may begin or hold another.

    >>> _named_columns(["age", "7", "age is"], "age is = 3 (usually 7); 7 missing (2 in 90 rows)")
    ['age is', '7']
    """
    found: dict[str, int] = {}
    for name in sorted((name for name in names if name and name in reason), key=len, reverse=True):
        match = re.search(rf"(?:^|; ){re.escape(name)}(?= = | is | missing)", reason)
        if match:
            found[name] = match.start()
            reason = reason[: match.start()] + "\0" * len(match[0]) + reason[match.end() :]
    return sorted(found, key=found.__getitem__)


def _beginning(text: str) -> str:
    """Return the first lines that hold anything."""
    lines = [line.rstrip() for line in shorten(text.strip(), _MAX_TEXT).split("\n") if line.strip()]
    return "\n".join(lines[:_MAX_LINES]) + ("\n…" if len(lines) > _MAX_LINES else "")


def _picture(finding: TopFinding, scale: HeatScale | None) -> Picture | None:
    image = finding.image
    if image is None:
        return None
    heat = None if finding.heatmap is None or scale is None else overlay(image, finding.heatmap, scale)
    return Picture(thumbnail(image), heat, pixelated=max(image.shape[1:]) <= 64)
