"""Tables as cells: what a budget runs, with which parameters, and what results hang on."""

from __future__ import annotations

import inspect

import pytest

from dross import registry
from dross.bench import experiments
from dross.bench.datasets import DATASETS
from dross.bench.methods import BASELINES, Method, named
from dross.bench.tables import BUDGETS, Cell, find_tables, load_tables
from dross.errors import ParameterError

TABLES = load_tables()
WANTED = {
    *("duad-2", "duad-3", "duad-4", "duad-5", "duad-6", "duad-7", "duad-8", "duad-time"),
    *("duad-fig-2", "duad-fig-3", "duad-fig-4"),
    *("subclusters-1a", "subclusters-1b", "subclusters-1c", "subclusters-1d", "subclusters-3"),
    *("subclusters-4", "subclusters-8a", "subclusters-8b", "subclusters-10a", "subclusters-10b"),
    *("subclusters-10c", "subclusters-13-near", "subclusters-13-far", "subclusters-13-shop"),
    *("subclusters-14", "subclusters-fig-4a", "subclusters-fig-6a", "subclusters-fig-7-near"),
    *("joint-encoder-1", "joint-encoder-2", "joint-encoder-fig-2", "joint-encoder-fig-3"),
    *("joint-encoder-fig-4", "joint-encoder-fig-5"),
    *("toll-1", "toll-2", "toll-3", "toll-4", "toll-fig-2", "toll-fig-4"),
    *("lfr-1", "lfr-2", "lfr-fig-1", "lfr-fig-3", "lfr-fig-4", "lfr-fig-5", "lfr-fig-6", "lfr-fig-7"),
}


def test_every_table_of_the_papers_is_there() -> None:
    assert TABLES.keys() >= WANTED


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())
class TestEveryTable:
    def test_settings_are_what_their_experiment_takes(self, table: object, budget: str) -> None:
        for row, cell in TABLES[table.id].cells(budget, seeds=1):  # type: ignore[attr-defined]
            setting = {key: value for key, value in cell.setting.items() if key != "data"}
            function = experiments.EXPERIMENTS[row.experiment]
            inspect.signature(function).bind(None, 0, **setting)
            assert cell.data in DATASETS

    def test_baselines_stand_in_every_row(self, table: object, budget: str) -> None:
        for row in TABLES[table.id].rows_of(budget):  # type: ignore[attr-defined]
            cells = TABLES[table.id].cells(budget, seeds=1)  # type: ignore[attr-defined]
            names = {cell.method.name for of, cell in cells if of.name == row.name}
            assert {method.name for method in BASELINES} <= names

    def test_a_budgets_rows_and_classes_exist(self, table: object, budget: str) -> None:
        one = TABLES[table.id]  # type: ignore[attr-defined]
        cut = one.budgets.get(budget, {})
        assert set(cut.get("rows", ())) <= {row.name for row in one.rows}
        for key, values in cut.get("over", {}).items():
            there = {value for row in one.rows if row.over and row.over[0] == key for value in row.over[1]}
            assert set(values) <= there
            assert all(row.over is None or row.over[1] for row in one.rows_of(budget))


def test_detectors_that_tables_name_are_there() -> None:
    named_in_tables = {c.method.detector for t in TABLES.values() for c in t.columns if c.method}
    assert named_in_tables <= registry.DETECTORS.keys()


def test_parameters_are_those_of_the_budget_then_the_column_then_the_row_then_the_table() -> None:
    def toll(budget: str) -> Method:
        return next(
            cell.method
            for _, cell in TABLES["toll-1"].cells(budget, detectors=("toll",))
            if cell.method.select
        )

    assert toll("paper").parameters == {"steps": 2000, "batch_size": 1000, "beta": 1000}
    assert toll("cpu").parameters == {"steps": 300, "batch_size": 256, "beta": 1000}
    assert toll("smoke").parameters == {"max_epochs": 1, "beta": 1000}


def test_autoencoders_on_images_are_cut_where_a_table_gives_no_schedule() -> None:
    def parameters(table: str, budget: str) -> dict[str, object]:
        cells = TABLES[table].cells(budget, detectors=("autoencoder",), seeds=1)
        parameters = dict(next(cell.method.parameters for _, cell in cells))
        assert parameters.pop("error_scale") == "equal", "as published"
        assert parameters.pop("stop_at") is None, "as published"
        return parameters

    assert parameters("subclusters-3", "cpu") == {"steps": 500}
    assert parameters("subclusters-3", "paper") == {}
    assert parameters("duad-2", "cpu") == {}, "no images"
    assert parameters("lfr-1", "cpu")["steps"] == 500
    assert "steps" not in parameters("lfr-fig-1", "cpu"), "the gap closes over all epochs"


def test_cpu_cells_are_the_fixed_ones() -> None:
    settings = [cell.setting for _, cell in TABLES["lfr-1"].cells("cpu", detectors=("pca",), seeds=1)]
    fashion = {(s["normal"], s["ratio"]) for s in settings if s["data"] == "fashion_mnist"}
    assert fashion == {(digit, ratio) for digit in (1, 4, 7) for ratio in (0.1, 0.5, 0.9)}
    digits = {c.setting["normal"] for _, c in TABLES["toll-1"].cells("cpu", detectors=("pca",))}
    assert digits == {2, 5, 8}


def test_auroc_and_aupr_of_the_same_runs_share_their_cells() -> None:
    def keys(name: str) -> set[str]:
        return {cell.key for _, cell in TABLES[name].cells("cpu")}

    assert keys("duad-2") == keys("duad-3")
    assert keys("lfr-fig-3") == keys("lfr-fig-4")


def test_what_a_value_hangs_on_is_in_its_key() -> None:
    method = Method("toll", "toll", {"beta": 1.0})
    setting = {"share": 0.1}
    base = Cell("kdd", setting, method, 0, "cpu")
    others = [
        Cell("kdd", {"share": 0.2}, method, 0, "cpu"),
        Cell("kdd", setting, Method("toll", "toll", {"beta": 2.0}), 0, "cpu"),
        Cell("kdd", setting, Method("toll", "toll", {"beta": 1.0}, "validation"), 0, "cpu"),
        Cell("kdd", setting, method, 1, "cpu"),
        Cell("kdd", setting, method, 0, "smoke"),
        Cell("kdd", setting, Method("toll", "toll", {"beta": 1.0}, trace=True), 0, "cpu"),
    ]
    assert len({base.key, *(cell.key for cell in others)}) == len(others) + 1
    assert Cell("kdd", dict(setting), method, 0, "paper").key == base.key, "uncut, it is the same measurement"


def test_methods_by_name() -> None:
    assert named("knn_50").parameters == {"n_neighbors": 50}
    assert named("guarded_forest").detector == "guarded_forest"
    with pytest.raises(ParameterError, match="no detector 'knn_51'"):
        named("knn_51")


def test_a_detector_no_column_names_can_be_added() -> None:
    cells = list(TABLES["duad-2"].cells("cpu", detectors=("guarded_forest",), seeds=1))
    assert {cell.method.name for _, cell in cells} == {"guarded_forest"}
    assert len(cells) == 3


@pytest.mark.parametrize(
    ("table", "name"), [*(("toll-2", n) for n in ("vae", "memae", "deep_svdd", "dagmm")), ("duad-4", "ocnn")]
)
def test_opponents_on_images_are_cut_short(table: str, name: str) -> None:
    for row, cell in TABLES[table].cells("cpu", detectors=(name,), seeds=1):
        assert (cell.method.parameters.get("steps") == 500) == row.is_of_images


def test_papers_and_tables_are_found_by_name() -> None:
    assert {table.paper for table in find_tables(("toll",))} == {"toll"}
    with pytest.raises(ParameterError, match="did you mean 'duad-2'"):
        find_tables(("duad2",))


def test_what_learns_from_views_is_cut_short() -> None:
    """By hand, so that listing tables imports no torch: one that is missing would take an hour a cell."""
    from dross.bench import tables
    from dross.pretext.classifier import TransformationDetector

    of_views = {n for n in registry.DETECTORS if issubclass(registry.get(n), TransformationDetector)}
    shorter = {"subclusters": ("geom", "jigsaw", "rotnet", "ssl")}
    assert of_views <= set(tables._SMALLEST)
    for table in load_tables().values():
        looks_on = table.plot.get("kind") == "trace"  # at how training goes on, so that it is longer
        for row, cell in table.cells("cpu", detectors=sorted(of_views), seeds=1):
            if row.is_of_images and not looks_on:
                assert cell.method.parameters["width"] == 1, table.id
                if cell.method.detector in shorter.get(table.paper, ()):
                    assert cell.method.parameters["steps"] == 500, table.id
                else:
                    assert cell.method.parameters["max_epochs"] <= 111, table.id


def test_published_columns_do_not_stop_early() -> None:
    columns = {cell.method.name: cell.method.parameters for _, cell in load_tables()["lfr-2"].cells("paper")}
    for name in ("geom", "gt_lfr(scoring=B)"):
        schedule = columns[name]["width"], columns[name]["max_epochs"], columns[name]["stop_at"]
        assert schedule == (4, 216, None)
    assert columns["gt_lfr(scoring=B, stop_at=0.5)"]["stop_at"] == 0.5
