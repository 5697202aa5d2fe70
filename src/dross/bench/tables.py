"""The papers' tables as data: what they print, and which cells repeat it.

``papers/*.toml`` hold the numbers, transcribed once, with the place they come from. A row is a setting (data,
normal class, share), a column is a method; a row that the paper averages over classes has one cell per class.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import Any

from dross.bench.datasets import DATASETS
from dross.bench.experiments import data_of
from dross.bench.methods import AS_PUBLISHED, BASELINES, COMMON, PYOD, Method, named
from dross.errors import ParameterError

__all__ = ["BUDGETS", "CODE_KINDS", "Budget", "Cell", "Column", "Row", "Table", "find_tables", "load_tables"]

Number = float | tuple[float, float]
CODE_KINDS = ("codes", "coefficients", "matches")
"""Kinds of figures that show what a method makes of single rows."""
_GENERATIVE = ("f_anogan", "joint_encoder")
_SMALLEST: dict[str, dict[str, Any]] = {
    **{name: {"depth": 4} for name in ("e3outlier", "geom", "jigsaw", "rotnet", "ssl")},
    **{name: {"image_size": 8, "channels": 4, "latent_dim": 16} for name in _GENERATIVE},
    "gt_lfr": {"depth": 4, "n_components": 4},
    "isif": {"net": "small"},
    "sub_clusters": {"net": "small", "embedding_epochs": 1},
}
"""What makes a net small by detector, for budget smoke."""
_UNTRAINED = {method.detector for method in BASELINES} | {
    *("distribution_clustering", "guarded_forest", "pyod_ecod")
}
_OF_500_BATCHES = ("autoencoder", "dagmm", "deep_svdd", "memae", "ocnn", "vae")
_NO_TRACE = {*_UNTRAINED, *PYOD, "dagmm", "goad", "isif", "sub_clusters"}
"""Detectors that have no scores before their training is over."""
_EPOCHS = {"pyod_autoencoder": "epoch_num", "pyod_deep_svdd": "epochs", "pyod_vae": "epoch_num"}


@dataclass(frozen=True)
class Budget:
    """How much of a table is run.

    Attributes
    ----------
    seeds : int
        Seeds 0, 1, … of each cell, unless the table says otherwise.
    at_most : int or None
        Rows that every part of a draw is thinned to.
    on_images : dict
        Parameters by detector on images, where a table gives no schedule of its own.
    """

    name: str
    about: str
    seeds: int
    at_most: int | None = None
    on_images: Mapping[str, Any] = field(default_factory=dict)


BUDGETS = {
    budget.name: budget
    for budget in (
        Budget("smoke", "does it run: one setting a table, 120 rows, one epoch", 1, at_most=120),
        Budget(
            "cpu",
            "fixed cells, for two cores; on images autoencoders, Deep SVDD, OC-NN and DAGMM take 500 "
            "batches, Toll 300, those that learn from views a narrow net and as many passes as there are "
            "views (RotNet 32; GEOM, GT-LFR and E³Outlier in bf16), embedding and classifier of sub-clusters "
            "20 epochs of small nets, where a table has no schedule of its own",
            3,
            on_images={
                **{name: {"steps": 500} for name in _OF_500_BATCHES},
                "toll": {"steps": 300},
                "rotnet": {"width": 1, "max_epochs": 32},
                "jigsaw": {"width": 1, "max_epochs": 24},
                "ssl": {"width": 1, "max_epochs": 36},
                "e3outlier": {"width": 1, "max_epochs": 111, "precision": "bf16"},
                **{name: {"width": 1, "max_epochs": 72, "precision": "bf16"} for name in ("geom", "gt_lfr")},
                "isif": {"net": "small", "max_epochs": 20},
                "sub_clusters": {"depth": 10, "width": 1, "max_epochs": 20, "embedding_epochs": 20},
            },
        ),
        Budget("gpu", "the paper's schedule where one GPU manages a cell in ten minutes", 3),
        Budget("paper", "everything, as published", 5),
    )
}


@dataclass(frozen=True)
class Column:
    """A column of a paper's table: a method, or a number that is only quoted (``method`` None)."""

    name: str
    method: Method | None
    note: str = ""
    metric: str = ""


@dataclass(frozen=True)
class Row:
    """A setting of a table, with the values the paper prints for it, between 0 and 1 where they are shares.

    Attributes
    ----------
    over : tuple or None
        A key of the setting and its values: the row is the mean over them.
    parameters : dict
        Parameters by detector that hold in this row.
    """

    name: str
    experiment: str
    setting: Mapping[str, Any]
    over: tuple[str, tuple[Any, ...]] | None
    paper: Mapping[str, Number]
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_of_images(self) -> bool:
        """Whether methods get images, and not features of them."""
        is_raw = self.setting.get("features", "raw") == "raw"
        return is_raw and DATASETS[data_of(self.experiment, dict(self.setting))].kind == "image"


@dataclass(frozen=True)
class Cell:
    """One measurement: a method on one draw of one setting. Tables that ask for the same cell share it."""

    experiment: str
    setting: Mapping[str, Any]
    method: Method
    seed: int
    budget: str

    @property
    def data(self) -> str:
        """Name of the data set."""
        return data_of(self.experiment, dict(self.setting))

    @property
    def draw_key(self) -> str:
        """What the draw hangs on; equal for all methods of a comparison."""
        return _as_json([self.experiment, self.setting, self.seed, BUDGETS[self.budget].at_most])

    @property
    def key(self) -> str:
        """What the value hangs on: the cell's identity in the results, whatever machine it is measured on."""
        method = self.method
        return _as_json([self.draw_key, method.name, method.parameters, method.select, method.trace])


@dataclass(frozen=True)
class Table:
    """A published table or figure, and how it is repeated here.

    Attributes
    ----------
    id : str
        ``duad-2``.
    paper, reference, source, title, note : str
        The paper's name, its reference, the table's number, what it shows, what to know about it.
    metric : str
        ``auroc``, ``aupr``, ``f1``, ``seconds``, …
    plot : dict
        What the paper draws: ``kind`` and what it needs; empty where it only prints.
    average : dict
        The average that the paper prints, per column.
    """

    id: str
    paper: str
    reference: str
    source: str
    title: str
    metric: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    note: str = ""
    plot: Mapping[str, Any] = field(default_factory=dict)
    average: Mapping[str, Number] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    budgets: Mapping[str, Any] = field(default_factory=dict)

    def cuts(self, budget: str) -> str:
        """Return what the budget leaves out of this table, or ""."""
        return str(self.budgets.get(budget, {}).get("cuts", ""))

    def rows_of(self, budget: str) -> list[Row]:
        """Return the rows that a budget runs, with the values of ``over`` that it takes."""
        cut = self.budgets.get("cpu" if budget == "smoke" else budget, {})
        chosen = [row for row in self.rows if row.name in cut.get("rows", [row.name])]
        rows = [_cut_row(row, cut) for row in chosen]
        if budget != "smoke":
            return rows
        return [_first_class(row) for row in _first_of_each_data(rows)]

    def methods(self, detectors: tuple[str, ...] = ()) -> list[Method]:
        """Return what runs in every row: the paper's columns, then `COMMON` and what was asked for.

        Parameters
        ----------
        detectors : tuple of str
            If given, only these: names of methods or of detectors.
        """
        columns = [column.method for column in self.columns if column.method is not None]
        others = [method for method in COMMON if method.name not in {m.name for m in columns}]
        methods = [*columns, *others]
        if detectors:
            known = {m.name for m in methods} | {m.detector for m in methods}
            extra = [named(name) for name in detectors if name not in known]
            methods = [m for m in methods if m.name in detectors or m.detector in detectors] + extra
        return methods

    def cells(
        self,
        budget: str,
        *,
        detectors: tuple[str, ...] = (),
        seeds: int | None = None,
    ) -> Iterator[tuple[Row, Cell]]:
        """Yield the cells of the table, each draw's methods one after the other."""
        n_seeds = seeds or self.budgets.get(budget, {}).get("seeds", BUDGETS[budget].seeds)
        for row in self.rows_of(budget):
            methods = [self._in_row(method, row, budget) for method in self.methods(detectors)]
            for setting in _settings(row):
                for seed in range(n_seeds):
                    for method in methods:
                        yield row, Cell(row.experiment, setting, method, seed, budget)

    def _in_row(self, method: Method, row: Row, budget: str) -> Method:
        published, own, cut = (
            parameters.get(method.detector, {})
            for parameters in (
                self.parameters,
                row.parameters,
                self.budgets.get(budget, {}).get("parameters", {}),
            )
        )
        parameters = {**published, **own, **method.parameters, **cut}
        if row.is_of_images and not {"steps", "max_epochs"} & parameters.keys():
            parameters |= BUDGETS[budget].on_images.get(method.detector, {})
        parameters = {**AS_PUBLISHED.get(method.detector, {}), **parameters}
        if budget == "smoke":
            parameters = _one_epoch(method, parameters)
        trace = self.plot.get("kind") == "trace" and method.detector not in _NO_TRACE
        codes = self.plot.get("kind") in CODE_KINDS and method.detector in _GENERATIVE
        return Method(method.name, method.detector, parameters, method.select, trace, codes)


@cache
def load_tables() -> dict[str, Table]:
    """Return every table by its id, paper by paper."""
    found = {}
    for file in sorted(files("dross.bench").joinpath("papers").iterdir(), key=lambda file: file.name):
        if file.name.endswith(".toml"):
            paper = tomllib.loads(file.read_text(encoding="utf-8"))
            for raw in paper["tables"]:
                found[raw["id"]] = _table(paper, raw)
    return found


def find_tables(names: tuple[str, ...]) -> list[Table]:
    """Return tables by their ids, or all of a paper by its key; all there are for "all", or for no name.

    Raises
    ------
    ParameterError
        If there is none of a name; the message names the nearest.

    Examples
    --------
    >>> [table.id for table in find_tables(("duad-2", "duad-3"))]
    ['duad-2', 'duad-3']
    """
    tables = load_tables()
    chosen: dict[str, Table] = {}
    for name in tuple(tables) if not names or "all" in names else names:
        some = {key: table for key, table in tables.items() if key == name or table.paper == name}
        if not some:
            near = difflib.get_close_matches(name, tables, n=1, cutoff=0.0)[0]
            raise ParameterError(
                f"There is no table {name!r}; did you mean {near!r}? See `dross bench list`."
            )
        chosen |= some
    return list(chosen.values())


def _table(paper: Mapping[str, Any], raw: Mapping[str, Any]) -> Table:
    scale = raw.get("scale", 1)
    return Table(
        id=raw["id"],
        paper=paper["key"],
        reference=paper["reference"],
        source=raw["source"],
        title=raw["title"],
        metric=raw["metric"],
        columns=tuple(_column(name, about) for name, about in raw.get("columns", {}).items()),
        rows=tuple(_row(row, raw.get("experiment", ""), scale) for row in raw.get("rows", ())),
        note=raw.get("note", ""),
        plot=raw.get("plot", {}),
        average={name: _scaled(value, scale) for name, value in raw.get("average", {}).items()},
        parameters={**paper.get("parameters", {}), **raw.get("parameters", {})},
        budgets=_merged(paper.get("budgets", {}), raw.get("budgets", {})),
    )


def _merged(common: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return a table's budgets: what its paper's tables share, and what is its own in place of that.

    >>> _merged({"cpu": {"seeds": 3, "cuts": "16×16 images"}}, {"cpu": {"seeds": 1}})
    {'cpu': {'seeds': 1, 'cuts': '16×16 images'}}
    """
    return {name: {**common.get(name, {}), **own.get(name, {})} for name in {**common, **own}}


def _column(name: str, about: Any) -> Column:
    if about == "quoted":
        return Column(name, None)
    detector, parameters, select = about["detector"], about.get("parameters", {}), about.get("select", "")
    if parameters or select:
        method = Method(_method_name(detector, parameters, select), detector, parameters, select)
    else:
        method = next((m for m in COMMON if m.name == detector), Method(detector, detector))
    return Column(name, method, about.get("note", ""), about.get("metric", ""))


def _method_name(detector: str, parameters: Mapping[str, Any], select: str) -> str:
    details = [f"{key}={value}" for key, value in parameters.items()] + [select] * bool(select)
    return detector + f"({', '.join(details)})" * bool(details)


def _row(raw: Mapping[str, Any], experiment: str, scale: float) -> Row:
    over = next(((key, tuple(values)) for key, values in raw.get("over", {}).items()), None)
    paper = {name: _scaled(value, scale) for name, value in raw.get("paper", {}).items()}
    parameters = raw.get("parameters", {})
    return Row(
        raw["name"], raw.get("experiment", experiment), raw.get("setting", {}), over, paper, parameters
    )


def _scaled(value: Any, scale: float) -> Number:
    if isinstance(value, list):
        mean, deviation = value
        return round(mean * scale, 6), round(deviation * scale, 6)
    return round(float(value) * scale, 6)


def _cut_row(row: Row, cut: Mapping[str, Any]) -> Row:
    over = row.over
    if over is not None and over[0] in cut.get("over", {}):
        wanted = cut["over"][over[0]]
        over = over[0], tuple(value for value in over[1] if value in wanted)
    return replace(row, setting={**row.setting, **cut.get("setting", {})}, over=over)


def _first_of_each_data(rows: list[Row]) -> list[Row]:
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(data_of(row.experiment, dict(row.setting)), row)
    return list(first.values())


def _first_class(row: Row) -> Row:
    return row if row.over is None else replace(row, over=(row.over[0], row.over[1][:1]))


def _settings(row: Row) -> list[dict[str, Any]]:
    if row.over is None:
        return [dict(row.setting)]
    return [{**row.setting, row.over[0]: value} for value in row.over[1]]


def _one_epoch(method: Method, parameters: dict[str, Any]) -> dict[str, Any]:
    if method.detector in _UNTRAINED:
        return parameters
    kept = {k: v for k, v in parameters.items() if k not in ("steps", "max_epochs", "batch_size")}
    return kept | _SMALLEST.get(method.detector, {}) | {_EPOCHS.get(method.detector, "max_epochs"): 1}


def _as_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=dict)
