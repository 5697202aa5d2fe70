"""What the papers plot, from the same results: lines over a setting, ROC curves, histograms, traces."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from dross.bench.codes import from_png
from dross.bench.runner import FALSE_POSITIVE_RATES
from dross.bench.summary import Line
from dross.bench.tables import Table
from dross.plots import draw_distances, draw_history, draw_map, draw_matches

__all__ = ["KINDS", "figure"]

Point = tuple[Any, float, float]
"""Position on the x axis, mean, deviation."""
Panels = dict[str, dict[str, list[Point]]]


def figure(table: Table, lines: Sequence[Line]) -> str:
    """Return an SVG of what was measured, or "" where the paper plots nothing or nothing has run.

    It takes matplotlib, from the extra ``bench``; without it there is no figure.
    """
    draw = KINDS.get(table.plot.get("kind", ""))
    has_run = any(records for line in lines for records in line.records.values())
    if draw is None or not has_run or find_spec("matplotlib") is None:
        return ""
    from matplotlib.figure import Figure

    picture = Figure(figsize=(7, 4), layout="constrained")
    if not draw(picture, table, lines):
        return ""
    out = io.StringIO()
    picture.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue().partition("<!DOCTYPE")[2].partition(">")[2]


def _lines(picture: Any, table: Table, lines: Sequence[Line]) -> bool:
    """Draw the metric over a key of the setting, or over a parameter of the columns; a panel per data set."""
    panels = _curves_by_setting(table, lines) or _curves_by_parameter(table, lines)
    if not panels:
        return False
    picture.set_size_inches(2.2 * len(panels) + 2.5, 3.6)
    axes = np.atleast_1d(picture.subplots(1, len(panels), sharey=True))
    for axis, (title, curves) in zip(axes, panels.items(), strict=True):
        for name, points in curves.items():
            xs, means, deviations = zip(*points, strict=True)
            axis.errorbar(xs, means, deviations, label=name, marker="o", markersize=3)
        axis.set_title(title, fontsize=9)
    picture.supxlabel(table.plot.get("x_label", table.plot["x"]), fontsize=9)
    axes[0].set_ylabel(table.metric.upper())
    _legend(picture, axes[0])
    return True


def _curves_by_setting(table: Table, lines: Sequence[Line]) -> Panels:
    x = table.plot["x"]
    panels: Panels = {}
    for line in lines:
        if x == "name" or x in line.row.setting:
            at = line.row.name if x == "name" else line.row.setting[x]
            setting = line.row.setting
            panel = ", ".join(str(setting[key]) for key in ("data", "features") if key in setting)
            curves = panels.setdefault(panel, {})
            for name, entry in line.entries.items():
                if entry.mean is not None:
                    curves.setdefault(name, []).append((at, entry.mean, entry.deviation or 0.0))
    return {title: curves for title, curves in panels.items() if curves}


def _curves_by_parameter(table: Table, lines: Sequence[Line]) -> Panels:
    x = table.plot["x"]
    curves: dict[str, list[Point]] = {}
    for line in lines:
        for column in table.columns:
            entry = line.entries.get(column.method.name) if column.method is not None else None
            if entry is not None and entry.mean is not None and column.method is not None:
                at = column.method.parameters.get(x)
                if at is not None:
                    curves.setdefault(line.row.name, []).append((at, entry.mean, entry.deviation or 0.0))
    return {table.title: curves} if curves else {}


def _roc(picture: Any, table: Table, lines: Sequence[Line]) -> bool:
    """Draw the mean ROC curve of each method over the last row's cells."""
    axis = picture.subplots()
    for name, records in lines[-1].records.items():
        curves = [record["roc"] for record in records if "roc" in record]
        if curves:
            axis.plot(FALSE_POSITIVE_RATES, np.mean(curves, axis=0), label=name)
    axis.set(xlabel="false positive rate", ylabel="true positive rate", title=lines[-1].row.name)
    _legend(picture, axis)
    return True


def _histogram(picture: Any, table: Table, lines: Sequence[Line]) -> bool:
    """Draw the scores of normal rows and anomalies, a row of panels per setting, a panel per method."""
    shown = [(line, [name for name, some in line.records.items() if some]) for line in lines]
    shown = [(line, names) for line, names in shown if names]
    width = max((len(names) for _, names in shown), default=0)
    if not width:
        return False
    picture.set_size_inches(2 * width, 1.8 * len(shown))
    axes = picture.subplots(len(shown), width, squeeze=False)
    for panels, (line, names) in zip(axes, shown, strict=True):
        for axis in panels[len(names) :]:
            axis.set_axis_off()
        for axis, name in zip(panels, names, strict=False):
            _score_panel(axis, line.records[name][0]["histogram"])
            axis.set_title(f"{name}\n{line.row.name}", fontsize=7)
    return True


def _score_panel(axis: Any, histogram: Mapping[str, Any]) -> None:
    edges = np.linspace(histogram["from"], histogram["to"], len(histogram["normal"]) + 1)
    for side, colour in (("normal", "tab:green"), ("anomalous", "tab:red")):
        axis.stairs(histogram[side], edges, fill=True, alpha=0.5, color=colour, label=side)
    axis.tick_params(labelsize=6)


def _trace(picture: Any, table: Table, lines: Sequence[Line]) -> bool:
    """Draw by epoch the mean scores of both sides, metrics, and which rows were selected to learn from."""
    runs = [
        (name, records[0]["trace"])
        for name, records in (lines[0].records.items() if lines else ())
        if records and "trace" in records[0]
    ]
    if not runs:
        return False
    panels = {
        "mean score": ["normal", "anomalous"],
        "metric": table.plot.get("metrics", ["auroc"]),
        "training rows": ["selected", "contamination"],
    }
    if not any("selected" in trace[-1] for _, trace in runs):
        del panels["training rows"]
    picture.set_size_inches(3 * len(runs), 2 * len(panels))
    axes = picture.subplots(len(panels), len(runs), squeeze=False, sharex="col")
    for column, (name, trace) in zip(axes.T, runs, strict=True):
        column[0].set_title(name)
        for axis, (label, drawn) in zip(column, panels.items(), strict=True):
            draw_history(axis, trace, drawn)
            axis.set(ylabel=label, xlabel="epoch" if axis is column[-1] else "")
            if axis.lines:
                axis.legend(fontsize=6)
            else:  # it selects nothing
                axis.set_axis_off()
    return True


def _code_panels(picture: Any, table: Table, lines: Sequence[Line]) -> bool:
    """Draw maps of the codes, a row of panels per setting, a panel per method; below, d_I against d_z."""
    shown = _with_codes(table, lines)
    if not shown:
        return False
    width = max(len(some) for _, some in shown)
    picture.set_size_inches(3 * width, 5.2 * len(shown))
    axes = picture.subplots(2 * len(shown), width, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for index, (line, some) in enumerate(shown):
        for above, below, (name, codes) in zip(axes[2 * index], axes[2 * index + 1], some, strict=False):
            above.set_axis_on()
            below.set_axis_on()
            draw_map(above, np.array(codes["map"]), np.array(codes["is_anomaly"]), ("normal", "anomalous"))
            above.set(xticks=[], yticks=[], xlabel=table.plot["x_label"])
            above.set_title(f"{name}\n{line.row.name}", fontsize=7)
            draw_distances(below, np.array(codes["d_image"]), np.array(codes["d_code"]))
            below.tick_params(labelsize=6)
    _legend(picture, axes[0][0])
    return True


def _coefficients(picture: Any, table: Table, lines: Sequence[Line]) -> bool:
    """Draw histograms of the codes' coefficients, and of their lengths below, a column per method."""
    shown = _with_codes(table, lines)
    if not shown:
        return False
    line, some = shown[0]
    picture.set_size_inches(3 * len(some), 4)
    axes = picture.subplots(2, len(some), squeeze=False)
    for (above, below), (name, codes) in zip(axes.T, some, strict=True):
        _score_panel(above, codes["coefficients"])
        _score_panel(below, codes["norms"])
        above.set_title(f"{name}\n{line.row.name}", fontsize=7)
        above.set_xlabel(table.plot["x_label"], fontsize=7)
        below.set_xlabel("length of the code", fontsize=7)
    _legend(picture, axes[0][0])
    return True


def _matches(picture: Any, table: Table, lines: Sequence[Line]) -> bool:
    """Draw six normal rows and six anomalies, and below each method's closest matches."""
    shown = _with_codes(table, lines)
    if not shown:
        return False
    _, some = shown[0]
    rows = [("query", some[0][1]["queries"]), *((name, codes["matches"]) for name, codes in some)]
    images = [(name, np.stack([from_png(one) for one in row]).transpose(0, 3, 1, 2)) for name, row in rows]
    picture.set_size_inches(0.7 * len(images[0][1]) + 1.2, 0.75 * len(images) + 0.2)
    draw_matches(picture, images[0][1], images[1:])
    return True


def _with_codes(
    table: Table, lines: Sequence[Line]
) -> list[tuple[Line, list[tuple[str, Mapping[str, Any]]]]]:
    """Return the rows with what is known of the codes of the table's columns, of the first seed."""
    found = []
    for line in lines:
        of_columns = [
            (column.name, line.records.get(column.method.name, ()))
            for column in table.columns
            if column.method is not None
        ]
        some = [(name, rs[0]["codes"]) for name, rs in of_columns if rs and "codes" in rs[0]]
        if some:
            found.append((line, some))
    return found


def _timeline(picture: Any, table: Table, lines: Sequence[Line]) -> bool:
    """Draw the scores of each video's segments between 0 and 1, the anomalous ones shaded."""
    shown = [
        (line.row.name, {name: some[0]["over_time"] for name, some in line.records.items() if some})
        for line in lines
    ]
    shown = [(title, runs) for title, runs in shown if runs]
    if not shown:
        return False
    picture.set_size_inches(7, 1.6 * len(shown) + 0.6)
    axes = picture.subplots(len(shown), 1, squeeze=False)[:, 0]
    for axis, (title, runs) in zip(axes, shown, strict=True):
        for name, run in runs.items():
            scores = np.array(run["scores"])
            axis.plot((scores - scores.min()) / (np.ptp(scores) or 1), label=name, linewidth=1)
        for segment in np.flatnonzero(next(iter(runs.values()))["is_anomaly"]):
            axis.axvspan(segment - 0.5, segment + 0.5, color="tab:orange", alpha=0.25, linewidth=0)
        axis.set_title(title, fontsize=8)
    picture.supylabel("anomaly score, each method from 0 to 1", fontsize=8)
    axes[-1].set_xlabel("segment")
    _legend(picture, axes[0])
    return True


def _legend(picture: Any, *axes: Any) -> None:
    named = {
        label: handle
        for axis in axes
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    picture.legend(named.values(), named.keys(), loc="outside right upper", fontsize=7, frameon=False)


KINDS: dict[str, Callable[[Any, Table, Sequence[Line]], bool]] = {
    "codes": _code_panels,
    "coefficients": _coefficients,
    "histogram": _histogram,
    "lines": _lines,
    "matches": _matches,
    "roc": _roc,
    "timeline": _timeline,
    "trace": _trace,
}
