"""Tables of results as Markdown, JSON or one HTML page."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from dross.bench.figures import KINDS, figure
from dross.bench.summary import Entry, Line, Standing
from dross.bench.tables import BUDGETS, Number, Table

__all__ = ["as_html", "as_json", "as_markdown", "method_table"]

_LEGEND = (
    "Each cell: ours, mean ± deviation over seeds; in brackets what the paper prints. Rows that average over "
    "classes average over those that the budget runs; the paper's are over all classes."
)


def legend(budget: str) -> str:
    """Return how to read tables of a budget."""
    return f"Budget {budget}: {BUDGETS[budget].about}. {_LEGEND}"


def as_markdown(table: Table, lines: Sequence[Line]) -> str:
    """Return one table: a row per setting, a column per method."""
    header, body, notes = _grid(table, lines)
    parts = [f"### {table.id}: {table.title}", f"{table.reference} {table.source}; {table.metric.upper()}."]
    parts += _remarks(table, lines)
    parts += ["\n".join(_markdown_rows(header, body))] * bool(lines)
    parts += [f"{number}. {note}" for note, number in notes.items()]
    return "\n\n".join(parts) + "\n"


def as_json(tables: Iterable[tuple[Table, Sequence[Line]]], budget: str) -> str:
    """Return tables as one JSON object."""
    found = [
        {
            "id": table.id,
            "title": table.title,
            "source": f"{table.reference} {table.source}",
            "metric": table.metric,
            "remarks": _remarks(table, lines),
            "columns": {c.name: c.method.name if c.method else "quoted" for c in table.columns},
            "average": dict(table.average),
            "rows": [
                {
                    "name": line.row.name,
                    "setting": dict(line.row.setting),
                    "over": line.row.over,
                    "methods": {name: asdict(entry) for name, entry in line.entries.items()},
                    "quoted": dict(line.quoted),
                }
                for line in lines
            ],
        }
        for table, lines in tables
    ]
    return json.dumps({"budget": budget, "tables": found}, indent=1, default=dict)


def as_html(tables: Iterable[tuple[Table, Sequence[Line]]], budget: str) -> str:
    """Return one self-contained page with the tables and, where the paper plots, their figures."""
    from jinja2 import Environment, PackageLoader

    environment = Environment(loader=PackageLoader("dross.bench", "."), autoescape=True, trim_blocks=True)
    shown = []
    for table, lines in tables:
        header, body, notes = _grid(table, lines)
        shown.append(
            {
                "table": table,
                "remarks": _remarks(table, lines),
                "header": header,
                "body": body if lines else [],
                "notes": notes,
                "figure": figure(table, lines),
            }
        )
    template = environment.get_template("tables.html")
    page: str = template.render(shown=shown, budget=budget, legend=legend(budget))
    return page


def method_table(standings: Sequence[Standing], *, fewest: int = 1) -> str:
    """Return the comparison of methods with at least ``fewest`` draws as Markdown."""
    header = ["method", "draws", "mean AUROC", "mean AUPR", "wins", "regret", "seconds a cell"]
    body = [
        [
            f"`{one.method}`",
            str(one.n_draws),
            f"{one.auroc:.3f}",
            f"{one.aupr:.3f}",
            str(one.wins),
            f"{one.regret:+.3f}",
            _seconds(one.seconds),
        ]
        for one in standings
        if one.n_draws >= fewest
    ]
    return "\n".join(_markdown_rows(header, body)) + "\n"


def _grid(table: Table, lines: Sequence[Line]) -> tuple[list[str], list[list[str]], dict[str, int]]:
    """Return header, rows, and the numbered reasons of empty cells."""
    names = _methods(table, lines)
    quoted = list(dict.fromkeys(name for line in lines for name in line.quoted))
    notes: dict[str, int] = {}
    body = []
    for line in lines:
        entries = [_entry_text(line.entries.get(name), notes) for name in names]
        body.append([line.row.name, *entries, *(f"({_paper_text(line.quoted.get(q))})" for q in quoted)])
    if table.average:
        ours = [
            *(_row_mean([line.entries.get(name) for line in lines]) for name in names),
            *("" for _ in quoted),
        ]
        papers = [_average(table, name) for name in [*_columns(table, names), *quoted]]
        means = [f"{mean} {paper}".strip() for mean, paper in zip(ours, papers, strict=True)]
        body.append(["mean of the rows", *means])
    body.append(["seconds a cell", *(_seconds_text(lines, name) for name in names), *("" for _ in quoted)])
    return ["", *_titles(table, names), *(f"{name} (quoted)" for name in quoted)], body, notes


def _remarks(table: Table, lines: Sequence[Line]) -> list[str]:
    """Return what a reader has to know of a table: notes, cuts, the copies of the data."""
    records = [record for line in lines for some in line.records.values() for record in some]
    copies = sorted({record["data_note"] for record in records} - {""})
    remarks = [table.note] * bool(table.note)
    remarks += [f"{column.name}: {column.note}." for column in table.columns if column.note]
    remarks += sorted({line.cuts for line in lines} - {""})
    remarks += [f"Data: {'; '.join(copies)}."] * bool(copies)
    remarks += [] if lines else ["The paper only draws; there is nothing to measure."]
    if table.plot and table.plot["kind"] not in KINDS:
        remarks.append("The paper's figure is not drawn here yet.")
    return remarks


def _methods(table: Table, lines: Sequence[Line]) -> list[str]:
    """Return the paper's methods, and of the others those that have a value somewhere."""
    columns = [column.method.name for column in table.columns if column.method is not None]
    others = [name for line in lines for name, entry in line.entries.items() if entry.mean is not None]
    return list(dict.fromkeys(columns + others))


def _columns(table: Table, names: Sequence[str]) -> list[str]:
    columns = {c.method.name: c.name for c in table.columns if c.method is not None}
    return [columns.get(name, "") for name in names]


def _row_mean(entries: Sequence[Entry | None]) -> str:
    """Return the mean over all rows, "" if one is missing: over some it would compare with nothing."""
    means = [entry.mean for entry in entries if entry is not None and entry.mean is not None]
    return _short(sum(means) / len(means)) if means and len(means) == len(entries) else ""


def _titles(table: Table, names: Sequence[str]) -> list[str]:
    columns: Mapping[str, str] = {c.method.name: c.name for c in table.columns if c.method is not None}
    return [f"{columns[name]}: {name}" if columns.get(name, name) != name else name for name in names]


def _markdown_rows(header: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    rule = ["---"] + ["---:"] * (len(header) - 1)
    return ["| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in (header, rule, *body)]


def _entry_text(entry: Entry | None, notes: dict[str, int]) -> str:
    if entry is None:
        return ""
    paper = f" ({_paper_text(entry.paper)})" if entry.paper is not None else ""
    if entry.mean is None:
        return f"– [{notes.setdefault(entry.missing, len(notes) + 1)}]{paper}"
    return _ours_text(entry) + paper


def _ours_text(entry: Entry) -> str:
    text = _short(entry.mean) if entry.mean is not None else "–"
    if entry.deviation is not None:
        text += f" ± {_short(entry.deviation)}"
    return text + f" [{entry.n_done} of {entry.n_cells}]" * (
        entry.mean is not None and entry.n_done < entry.n_cells
    )


def _paper_text(value: Number | None) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return f"{_short(value[0])} ± {_short(value[1])}"
    return _short(value)


def _short(value: Any) -> str:
    return f"{value:.3f}" if abs(value) <= 1 else f"{value:.0f}"


def _seconds_text(lines: Sequence[Line], name: str) -> str:
    entries = [line.entries[name] for line in lines if name in line.entries]
    seconds = [entry.seconds for entry in entries if entry.seconds is not None]
    return _seconds(sum(seconds) / len(seconds)) if seconds else ""


def _seconds(value: float) -> str:
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


def _average(table: Table, column: str) -> str:
    value = table.average.get(column)
    return f"({_paper_text(value)})" if value is not None else ""
