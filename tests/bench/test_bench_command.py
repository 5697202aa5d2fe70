"""``dross bench`` as its user sees it."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import mini_data as mini
import pytest

from command_line import Run, dross
from dross.bench import render, summary
from dross.bench.results import Results
from dross.bench.tables import find_tables

ROOT = Path(__file__).parents[2]
COMMITTED = Results(ROOT / "benchmarks" / "results" / "cells")
KNOWN = tomllib.loads((ROOT / "benchmarks" / "known_baselines.toml").read_text(encoding="utf-8"))["values"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A results folder with Arrhythmia and KDD measured on data in tiny form."""
    data = tmp_path_factory.mktemp("data")
    mini.mini_data(data, rows_per_class=12)
    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DROSS_DATA", str(data))
        for table in ("toll-3", "duad-2"):
            detectors = [
                "--detector",
                "pca",
                "--detector",
                "isolation_forest",
                "--detector",
                "guarded_forest",
            ]
            run = dross("bench", "run", table, *detectors, "--seeds", 2, "--results", folder)
            assert run.code == 0, run.err
        yield folder


def bench(*arguments: object) -> Run:
    return dross("bench", *arguments)


class TestRun:
    def test_resume_leaves_out_what_has_run(self, results: Path) -> None:
        run = bench("run", "duad-3", "--detector", "pca", "--seeds", 3, "--resume", "--results", results)
        assert run.out.startswith("3 cells to run, 6: run before.")

    def test_resume_runs_a_cell_again_whose_figure_needs_more(self, results: Path, tmp_path: Path) -> None:
        small = ("--detector", "f_anogan", "--budget", "smoke", "--seeds", 1, "--results", tmp_path)
        assert bench("run", "joint-encoder-1", *small).out.startswith("1 cells to run.")
        assert bench("run", "joint-encoder-fig-3", *small, "--resume").out.startswith("1 cells to run.")
        assert bench("run", "joint-encoder-fig-3", *small, "--resume").out.startswith("0 cells to run")

    def test_no_cell_is_begun_after_the_minutes_are_over(self, results: Path, tmp_path: Path) -> None:
        run = bench("run", "toll-3", "--detector", "pca", "--seeds", 2, "--minutes", 0, "--results", tmp_path)
        assert run.out == "2 cells to run.\n2 cells are left; go on with --resume.\n"

    def test_only_cells_on_a_data_set(self, results: Path, tmp_path: Path) -> None:
        for data, n in (("kdd", 3), ("arrhythmia", 1)):
            arguments = ("--detector", "pca", "--seeds", 1, "--minutes", 0, "--data", data)
            run = bench("run", "duad-2", "toll-3", *arguments, "--results", tmp_path)
            assert run.out.startswith(f"{n} cells to run.")

    def test_what_cannot_run_is_counted_with_its_reason(self, results: Path, tmp_path: Path) -> None:
        run = bench("run", "duad-2", "--detector", "isif", "--results", tmp_path)
        assert run.out == "0 cells to run, 9: takes no tables.\n"
        assert run.code == 0

    def test_a_failing_cell_is_told_and_the_rest_still_run(
        self, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        data = tmp_path / "data"
        mini.mini_data(data, rows_per_class=8)
        (data / "kddcup99_10_percent.gz").write_bytes(b"\x1f\x8bnot gzip")
        monkeypatch.setenv("DROSS_DATA", str(data))
        run = bench("run", "duad-2", "toll-3", "--detector", "pca", "--seeds", 1, "--results", tmp_path / "r")
        assert run.code == 1
        assert "failed: InputError" in run.out
        assert re.search(r"arrhythmia.*AUROC \d", run.out)
        assert "3 cells failed" in run.out

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("run", "duad-22"), ("no table 'duad-22'", "duad-2")),
            (("run", "duad-2", "--detector", "forest"), ("no detector 'forest'",)),
            (("run", "duad-2", "--data", "kddd"), ("no data set 'kddd'", "kdd")),
            (("run", "duad-2", "--data", "mnist"), ("No cell is on mnist", "on kdd")),
            (("data", "imagenett"), ("no data set 'imagenett'",)),
            (("table", "toll-9"), ("no table 'toll-9'",)),
            (("list", "x"), ("no table 'x'",)),
        ],
    )
    def test_bad_input_gets_one_sentence(self, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
        assert bench(*arguments).failed_with(*words)

    def test_a_results_folder_that_is_a_file(self, results: Path, tmp_path: Path) -> None:
        file = tmp_path / "file"
        file.write_text("")
        run = bench("run", "toll-3", "--detector", "pca", "--seeds", 1, "--results", file)
        assert run.code == 2
        assert "Traceback" not in run.err


class TestTable:
    def test_ours_stand_beside_the_papers(self, results: Path) -> None:
        out = bench("table", "duad-2", "--results", results).out
        row = next(line for line in out.splitlines() if line.startswith("| 5 % |"))
        assert "(0.982 ± 0.010)" in row, "what the paper prints for DUAD"
        assert re.search(r"\d\.\d{3} ± \d\.\d{3} \[2 of 3\]", row), (
            "ours, with the spread over two of three seeds"
        )
        assert "not run" in out
        assert "60 000 attacks" in out, "the cuts"

    def test_a_method_that_no_column_names_is_shown(self, results: Path) -> None:
        assert "guarded_forest" in bench("table", "duad-2", "--results", results).out

    def test_quoted_numbers_are_marked(self, results: Path) -> None:
        assert "MEMGAN (quoted)" in bench("table", "toll-3", "--results", results).out

    def test_json_holds_the_same(self, results: Path) -> None:
        table = json.loads(bench("table", "duad-2", "--format", "json", "--results", results).out)["tables"][
            0
        ]
        entry = table["rows"][0]["methods"]["isolation_forest"]
        assert 0 <= entry["mean"] <= 1
        assert (entry["n_done"], entry["n_cells"]) == (2, 3)
        assert table["rows"][0]["methods"]["duad"]["paper"] == [0.982, 0.01]

    def test_html_is_one_page_without_requests(self, results: Path) -> None:
        page = bench("table", "duad-2", "duad-fig-4", "--format", "html", "--results", results).out
        assert page.startswith("<!doctype html>")
        assert not re.search(r"""(src|href)=["']?https?:""", page.replace("xlink:href", ""))
        assert "<svg" in page


class TestList:
    def test_every_table_with_its_data_and_what_has_run(self, results: Path) -> None:
        lines = bench("list", "--results", results).out.splitlines()
        assert len(lines) == 1 + len(find_tables(()))
        arrhythmia = next(line for line in lines if line.startswith("toll-3"))
        assert "arrhythmia" in arrhythmia
        assert re.search(r"\b4 of \d+", arrhythmia)
        assert dross("bench", "list", "all", "--results", results).out.splitlines() == lines

    def test_absent_data_is_said(
        self, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DROSS_DATA", str(tmp_path))
        assert "kdd (absent)" in bench("list", "duad-2", "--results", results).out
        assert "absent" in bench("data", "kdd").out


class TestCommitted:
    """What README and docs say is what the committed results say."""

    def test_the_readmes_method_table_is_not_stale(self) -> None:
        standings = summary.standings(find_tables(()), "cpu", COMMITTED.load())
        assert render.method_table(standings, fewest=5) in (ROOT / "README.md").read_text(encoding="utf-8")

    def test_baselines_are_what_they_are_elsewhere(self) -> None:
        """On KDD and MNIST, where the draws are the same up to the seed; the page shows the others too."""
        records = COMMITTED.load()
        n_compared = 0
        for known in KNOWN:
            if known["table"] not in ("duad-2", "duad-4"):
                continue
            (table,) = find_tables((known["table"],))
            entries = {line.row.name: line.entries for line in summary.lines(table, "cpu", records)}
            for setting, auroc in known["auroc"].items():
                mean = entries[known["row"].format(setting)][known["method"]].mean
                assert mean == pytest.approx(auroc, abs=0.03), (known["table"], setting, known["method"])
                n_compared += 1
        assert n_compared == 9
