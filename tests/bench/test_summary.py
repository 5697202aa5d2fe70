"""From records to rows: means, spreads, regret and wins, by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dross.bench import figures, render, summary
from dross.bench.codes import codes_record, from_png
from dross.bench.methods import BASELINES, Method
from dross.bench.tables import Cell, Table, find_tables
from dross.detectors.f_anogan import FAnoGAN


def record(cell: Cell, auroc: float, seconds: float = 1.0) -> dict[str, Any]:
    return {
        "key": cell.key,
        "method": cell.method.name,
        "seed": cell.seed,
        "setting": dict(cell.setting),
        "values": {"auroc": auroc, "aupr": auroc / 2, "f1": auroc},
        "seconds": seconds,
        "data_note": "a copy",
        "roc": [i / 20 for i in range(21)],
        "histogram": {"from": 0.0, "to": 1.0, "normal": [3, 1], "anomalous": [0, 2]},
        "trace": [{"epoch": 1, "auroc": auroc, "normal": 0.1, "anomalous": 0.9}],
    }


def table(name: str) -> Table:
    return find_tables((name,))[0]


def records(name: str, values: dict[str, float], seeds: int = 1, **extra: float) -> dict[str, dict[str, Any]]:
    """Return a record for each cell of the named methods; each seed adds a tenth."""
    found = {}
    for _, cell in table(name).cells("cpu", seeds=seeds):
        if cell.method.name in values:
            found[cell.key] = record(cell, values[cell.method.name] + 0.1 * cell.seed)
    return found


CLASSICAL = {method.name: 0.5 for method in BASELINES}


class TestLines:
    def test_mean_and_deviation_are_over_seeds(self) -> None:
        line = summary.lines(table("duad-2"), "cpu", records("duad-2", {"pca": 0.6}, seeds=3))[0]
        entry = line.entries["pca"]
        assert entry.mean == pytest.approx(0.7)
        assert entry.deviation == pytest.approx(0.1)
        assert (entry.n_done, entry.n_cells) == (3, 3)

    def test_a_row_over_classes_is_their_mean_and_says_when_some_are_missing(self) -> None:
        cells = [c for _, c in table("lfr-1").cells("cpu", detectors=("pca",)) if c.setting["ratio"] == 0.1]
        three = [c for c in cells if c.setting["data"] == "fashion_mnist" and c.seed == 0]
        some = {c.key: record(c, auroc) for c, auroc in zip(three, (0.5, 0.6, 1.0), strict=True)}
        entry = summary.lines(table("lfr-1"), "cpu", some)[0].entries["pca"]
        assert entry.mean == pytest.approx(0.7)
        assert entry.deviation is None, "one seed"
        assert (entry.n_done, entry.n_cells) == (3, 9)

    def test_only_seeds_with_all_their_classes_are_compared(self) -> None:
        cells = [c for _, c in table("lfr-1").cells("cpu", detectors=("pca",)) if c.setting["ratio"] == 0.1]
        fashion = [c for c in cells if c.setting["data"] == "fashion_mnist"]
        full = {c.key: record(c, 0.6 + 0.2 * c.seed) for c in fashion if c.seed < 2}
        lone = next(c for c in fashion if c.seed == 2)
        entry = summary.lines(table("lfr-1"), "cpu", full | {lone.key: record(lone, 0.0)})[0].entries["pca"]
        assert entry.deviation == pytest.approx(0.2 / 2**0.5)

    def test_records_of_other_parameters_stay_out(self) -> None:
        other = next(
            cell for _, cell in table("duad-2").cells("cpu", seeds=1) if cell.method.name == "autoencoder"
        )
        changed = Cell(
            other.experiment, other.setting, Method("autoencoder", "autoencoder", {"lr": 1.0}), 0, "cpu"
        )
        found = records("duad-2", {"autoencoder": 0.5}, seeds=3) | {changed.key: record(changed, 0.9)}
        entry = summary.lines(table("duad-2"), "cpu", found)[0].entries["autoencoder"]
        assert (entry.mean, entry.n_done) == (pytest.approx(0.6), 3)

    def test_a_metric_that_is_not_there_is_said(self) -> None:
        found = records("duad-2", {"pca": 0.6})
        for one in found.values():
            one["values"] = {}
        assert (
            summary.lines(table("duad-2"), "cpu", found)[0].entries["pca"].missing == "auroc is not measured"
        )


class TestStandings:
    def test_regret_is_the_best_classical_less_the_method(self) -> None:
        found = records("duad-2", CLASSICAL | {"pca": 0.8, "lof": 0.7, "autoencoder": 0.75})
        standings = {one.method: one for one in summary.standings([table("duad-2")], "cpu", found)}
        assert standings["autoencoder"].regret == pytest.approx(0.05)
        assert standings["pca"].regret == pytest.approx(-0.1), "against the best of the others"
        assert standings["lof"].regret == pytest.approx(0.1)
        assert (standings["pca"].wins, standings["autoencoder"].wins) == (3, 0)
        assert standings["pca"].n_draws == 3
        assert standings["pca"].aupr == pytest.approx(0.4)

    def test_a_method_is_compared_on_its_own_draws(self) -> None:
        """Equal to the best everywhere it ran, it has no regret, whatever it left out."""
        found = records("duad-2", CLASSICAL | {"pca": 0.8})
        cell = next(c for _, c in table("duad-2").cells("cpu", detectors=("guarded_forest",), seeds=1))
        found[cell.key] = record(cell, 0.8)
        standing = next(
            s for s in summary.standings([table("duad-2")], "cpu", found) if s.method == "guarded_forest"
        )
        assert (standing.regret, standing.n_draws, standing.wins) == (pytest.approx(0.0), 1, 1)

    def test_a_draw_counts_once_however_many_tables_show_it(self) -> None:
        found = records("duad-2", CLASSICAL)
        names = ("duad-2", "duad-3", "duad-fig-4", "duad-fig-3")
        standings = summary.standings(find_tables(names), "cpu", found)
        assert {one.n_draws for one in standings} == {3}

    def test_draws_without_all_baselines_do_not_count(self) -> None:
        assert summary.standings([table("duad-2")], "cpu", records("duad-2", {"pca": 0.9})) == []

    def test_what_labels_chose_takes_no_part(self) -> None:
        found = records("toll-3", CLASSICAL | {"toll(validation)": 0.99, "toll": 0.4})
        assert "toll(validation)" not in {
            one.method for one in summary.standings([table("toll-3")], "cpu", found)
        }


class TestPages:
    def test_the_copy_of_the_data_and_undrawn_figures_are_said(self) -> None:
        page = render.as_markdown(
            table("duad-2"), summary.lines(table("duad-2"), "cpu", records("duad-2", CLASSICAL))
        )
        assert "Data: a copy." in page
        contours = table("toll-fig-2")
        page = render.as_markdown(contours, summary.lines(contours, "cpu", {}))
        assert "not drawn here yet" in page

    def test_the_mean_of_the_rows_stands_only_where_all_rows_do(self) -> None:
        full = records("toll-2", CLASSICAL)
        page = render.as_markdown(table("toll-2"), summary.lines(table("toll-2"), "cpu", full))
        means = next(line for line in page.splitlines() if line.startswith("| mean of the rows"))
        assert "0.500 (0.555)" in means, "isolation forest: ours and the paper's"
        one = next(key for key, r in full.items() if r["method"] == "isolation_forest")
        del full[one]
        page = render.as_markdown(table("toll-2"), summary.lines(table("toll-2"), "cpu", full))
        assert "| (0.555) |" in next(
            line for line in page.splitlines() if line.startswith("| mean of the rows")
        )

    @pytest.mark.parametrize("name", ["joint-encoder-fig-2", "joint-encoder-fig-3", "joint-encoder-fig-5"])
    def test_figures_of_codes(self, name: str) -> None:
        detector = FAnoGAN(image_size=8, channels=4, latent_dim=6, max_epochs=2, random_state=0)
        rows = np.random.default_rng(0).uniform(-1, 1, (20, 3, 16, 16)).astype(np.float32)
        codes = codes_record(detector.fit(rows), rows, np.arange(20) % 4 == 0)
        assert len(codes["map"]) == len(codes["is_anomaly"]) == 20
        assert sum(codes["coefficients"]["normal"]) == 15 * 6
        assert sum(codes["norms"]["anomalous"]) == 5
        assert len(codes["d_image"]) == 200
        assert len(codes["queries"]) == len(codes["matches"]) == 11
        shown = (rows[1] + 1).reshape(3, 16, 16).transpose(1, 2, 0) * 127.5
        np.testing.assert_allclose(from_png(codes["queries"][0]), shown, atol=1)
        found = records(name, {"f_anogan": 0.6, "joint_encoder": 0.6})
        assert figures.figure(table(name), summary.lines(table(name), "cpu", found)) == ""
        with_codes = {key: record | {"codes": codes} for key, record in found.items()}
        svg = figures.figure(table(name), summary.lines(table(name), "cpu", with_codes))
        assert svg.lstrip().startswith("<svg")

    @pytest.mark.parametrize("name", ["lfr-fig-3", "duad-fig-4", "lfr-fig-5", "lfr-fig-1", "toll-fig-4"])
    def test_figures_are_drawn_from_records(self, name: str) -> None:
        methods = {cell.method.name: 0.6 for _, cell in table(name).cells("cpu", seeds=1)}
        lines = summary.lines(table(name), "cpu", records(name, methods))
        svg = figures.figure(table(name), lines)
        assert svg.lstrip().startswith("<svg")
        assert figures.figure(table(name), summary.lines(table(name), "cpu", {})) == ""
