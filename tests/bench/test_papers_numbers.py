"""The papers' tables as data: do the transcribed numbers agree with each other?"""

from __future__ import annotations

import tomllib
from collections import Counter
from importlib.resources import files
from typing import Any

import pytest

from dross import registry
from dross.bench.experiments import EXPERIMENTS
from dross.bench.methods import PYOD

PAPERS = {
    file.name.removesuffix(".toml"): tomllib.loads(file.read_text(encoding="utf-8"))
    for file in files("dross").joinpath("bench", "papers").iterdir()
    if file.name.endswith(".toml")
}
TABLES: dict[str, dict[str, Any]] = {
    table["id"]: table for paper in PAPERS.values() for table in paper["tables"]
}
SHARES = {"auroc", "aupr", "f1", "accuracy", "knn_accuracy"}

# Averages that are off in the papers themselves: what is printed, and the mean of the printed rows.
WRONG_IN_PRINT = {
    ("subclusters-13-near", "Proposed ODIN"): (0.73, 0.742),
    ("toll-1", "AnoGAN"): (91.4, 91.27),
    ("toll-1", "MEMGAN"): (96.5, 96.33),
    ("toll-2", "DAGMM"): (54.4, 53.71),
    ("toll-2", "ALAD"): (59.3, 58.20),
    ("toll-2", "MEMGAN"): (65.3, 65.42),
}


def means(row: dict[str, Any]) -> dict[str, float]:
    """Return the printed values of a row, or of an average, without the deviations."""
    values = row.items()
    return {name: float(value[0] if isinstance(value, list) else value) for name, value in values}


def decimals(values: list[float]) -> int:
    """Return how many decimals a column prints (a trailing zero is lost, so the most of any value count)."""
    return max(len(repr(value).partition(".")[2].rstrip("0")) for value in values)


def averages() -> list[Any]:
    """Return a case for each average that a table prints."""
    return [
        pytest.param(table, column, printed, id=f"{key}: {column}")
        for key, table in TABLES.items()
        for column, printed in means(table.get("average", {})).items()
    ]


def test_the_five_papers_are_there() -> None:
    assert set(PAPERS) == {"duad", "joint_encoder", "lfr", "subclusters", "toll"}


def test_ids_and_names_of_rows_are_unique() -> None:
    ids = Counter(table["id"] for paper in PAPERS.values() for table in paper["tables"])
    assert [key for key, n in ids.items() if n > 1] == []
    for key, table in TABLES.items():
        names = Counter(row["name"] for row in table.get("rows", ()))
        assert [name for name, n in names.items() if n > 1] == [], key


@pytest.mark.parametrize("key", TABLES)
def test_printed_values_have_a_column(key: str) -> None:
    table = TABLES[key]
    for values in [table.get("average", {}), *(row.get("paper", {}) for row in table.get("rows", ()))]:
        assert set(values) <= set(table.get("columns", {}))


@pytest.mark.parametrize("key", TABLES)
def test_columns_and_rows_name_what_exists(key: str) -> None:
    table = TABLES[key]
    known = {*registry.DETECTORS, *PYOD}
    for column in table.get("columns", {}).values():
        assert column == "quoted" or column["detector"] in known
    assert set(table.get("parameters", {})) <= known
    for row in table.get("rows", ()):
        assert row.get("experiment", table.get("experiment")) in EXPERIMENTS
        assert set(row.get("parameters", {})) <= known
        assert not set(row.get("over", {})) & set(row["setting"])


@pytest.mark.parametrize("key", TABLES)
def test_shares_lie_between_0_and_1(key: str) -> None:
    table = TABLES[key]
    for row in table.get("rows", ()):
        for column, value in row.get("paper", {}).items():
            about = table["columns"][column]
            metric = about.get("metric", "") if isinstance(about, dict) else ""
            if (metric or table["metric"]) in SHARES:
                for number in value if isinstance(value, list) else [value]:
                    assert 0 <= number * table.get("scale", 1) <= 1, (row["name"], column)
                mean = value[0] if isinstance(value, list) else value
                assert mean * table.get("scale", 1) > 0.1, "a share far below chance: is the scale right?"


@pytest.mark.parametrize("key", TABLES)
def test_budgets_cut_what_is_there(key: str) -> None:
    table = TABLES[key]
    rows = table.get("rows", ())
    for budget in table.get("budgets", {}).values():
        assert set(budget.get("rows", ())) <= {row["name"] for row in rows}
        for name, values in budget.get("over", {}).items():
            there = [set(row["over"][name]) for row in rows if name in row.get("over", {})]
            assert set(values) <= set().union(*there)
            assert all(there_one & set(values) for there_one in there)


@pytest.mark.parametrize(("table", "column", "printed"), averages())
def test_printed_averages_are_the_means_of_their_rows(
    table: dict[str, Any], column: str, printed: float
) -> None:
    values = [means(row.get("paper", {})) for row in table["rows"]]
    shown = [row[column] for row in values if column in row]
    mean = sum(shown) / len(shown)
    unit = 10.0 ** -decimals([*shown, printed, *means(table["average"]).values()])
    # Half a unit for the average's own rounding, and as much for that of its rows.
    agrees = abs(mean - printed) <= unit + 1e-9
    if (table["id"], column) in WRONG_IN_PRINT:
        assert not agrees
        assert WRONG_IN_PRINT[table["id"], column] == pytest.approx((printed, mean))
    else:
        assert agrees, f"printed {printed}, mean of the rows {mean:.4f}"


def test_tables_that_print_the_same_runs_agree() -> None:
    """Toll's ablation repeats Table 1; DUAD's Table 7 its Table 4, but for MNIST (see the note)."""
    first, ablation = TABLES["toll-1"], TABLES["toll-4"]
    assert [row["paper"]["Toll"] for row in first["rows"]] == [
        row["paper"]["beta = 1000"] for row in ablation["rows"]
    ]
    images = {row["name"]: row.get("paper") for row in TABLES["duad-4"]["rows"]}
    sweep = {row["name"]: row.get("paper") for row in TABLES["duad-7"]["rows"]}
    assert sweep["Cifar10"]["p = 10 %"] == images["CIFAR-10"]["Ours"]
    assert sweep["CatVsDog"]["p = 20 %"] == images["CatVsDog"]["Ours"]
    assert sweep["MNIST (raw)"]["p = 20 %"] == images["MNIST (NetVLAD)"]["Ours"]
    assert sweep["MNIST (raw)"]["p = 20 %"] != images["MNIST (raw)"]["Ours"]
