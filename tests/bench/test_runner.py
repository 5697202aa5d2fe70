"""Cells from draw to line of JSON, on all data sets in tiny form."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dying
import mini_data as mini
import numpy as np
import pytest

from dross import training
from dross.bench import experiments, runner
from dross.bench.datasets import DATASETS
from dross.bench.judge import judge
from dross.bench.methods import BASELINES, Method, named
from dross.bench.results import Results
from dross.bench.tables import Cell, load_tables
from dross.detectors.autoencoder import AutoEncoder

CPU = runner.Place("cpu")
SETTINGS: dict[str, dict[str, Any]] = {
    "arrhythmia": {},
    "counts": {"data": "mnist", "normal": 4, "n_normal": 30, "n_anomalies": 9},
    "gan": {"data": "cifar10", "normal": "automobile", "share": 0.02, "n_test": 6},
    "kdd": {"share": 0.1},
    "one_class": {"data": "cifar100", "normal": ["shark", "ray"], "anomalous": ["whale", "seal"]},
    "rsrae": {"data": "20news", "normal": "sci.med", "ratio": 0.5, "n_normal": 20, "n_terms": 500},
    "toll_images": {"data": "mnist", "normal": 2, "n_validation": 40},
    "ucf_crime": {"category": "Arson"},
    "video": {"video": "Arson002"},
}


@pytest.fixture(scope="module", autouse=True)
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of all data sets, which DROSS_DATA names."""
    path = tmp_path_factory.mktemp("data")
    mini.mini_data(path, rows_per_class=40)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DROSS_DATA", str(path))
        yield path


def cell(experiment: str = "kdd", method: str | Method = "pca", seed: int = 0, **setting: Any) -> Cell:
    chosen = named(method) if isinstance(method, str) else method
    return Cell(experiment, {**SETTINGS[experiment], **setting}, chosen, seed, "cpu")


def test_every_experiment_is_tried_here() -> None:
    assert SETTINGS.keys() == experiments.EXPERIMENTS.keys()


@pytest.mark.parametrize("experiment", SETTINGS)
class TestEveryExperiment:
    def test_a_cell_says_what_it_is_and_what_it_hangs_on(self, experiment: str) -> None:
        record = runner.run_cell(cell(experiment), CPU)
        assert 0 <= record["values"]["auroc"] <= 1
        assert record["n_train"] > 5
        assert record["seconds"] >= 0
        assert record["peak_memory_mib"] > 10
        assert record["draw"].endswith(".")
        assert {"versions", "commit", "hardware", "seed", "budget", "when", "data_copy"} <= record.keys()
        assert sum(record["histogram"]["normal"] + record["histogram"]["anomalous"]) == record["n_scored"]

    def test_labels_reach_the_draw_and_the_metrics_only(
        self, experiment: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Once rows are drawn, permuting the answers changes no score, and all values."""
        quick = {"max_epochs": 2, "batch_size": 16}
        kind = "image" if DATASETS[cell(experiment).data].kind == "image" else "table"
        watched = (  # which must change nothing
            Method("autoencoder", "autoencoder", quick, trace=True),
            Method("duad", "duad", {**quick, "r": 1}, trace=True),
        )
        # Where labels choose a checkpoint, the last one beside it must not have seen them.
        chosen = Method("toll(validation)", "toll", quick, "validation")
        methods = [*BASELINES, *watched, *[chosen, Method("toll", "toll", quick)] * (kind == "table")]
        if experiment != "arrhythmia":
            methods = [method for method in methods if not method.select]
        true = [runner.run_cell(cell(experiment, method), CPU) for method in methods]
        carry_out = experiments.Plan.carry_out

        def permuted(plan: experiments.Plan, at_most: int | None = None) -> Any:
            task, answers, sentence = carry_out(plan, at_most)
            order = np.random.default_rng(0).permutation(len(answers.is_anomaly))
            answers = dataclasses.replace(
                answers,
                is_anomaly=answers.is_anomaly[order],
                is_anomaly_trained=~answers.is_anomaly_trained,
            )
            if answers.validation is not None:
                rows, is_anomaly = answers.validation
                answers = dataclasses.replace(answers, validation=(rows, ~is_anomaly))
            return task, answers, sentence

        monkeypatch.setattr(experiments.Plan, "carry_out", permuted)
        monkeypatch.setattr(runner, "_here", runner._Workplace())
        false = [runner.run_cell(cell(experiment, method), CPU) for method in methods]
        for method, one, other in zip(methods, true, false, strict=True):
            if not method.select:
                assert one["scores_sha256"] == other["scores_sha256"], f"{method.name} saw labels"
        assert [r["values"] for r in true] != [r["values"] for r in false]

    def test_equal_seeds_give_equal_scores(self, experiment: str, monkeypatch: pytest.MonkeyPatch) -> None:
        first = runner.run_cell(cell(experiment, "isolation_forest"), CPU)
        monkeypatch.setattr(runner, "_here", runner._Workplace())
        again = runner.run_cell(cell(experiment, "isolation_forest"), CPU)
        other = runner.run_cell(cell(experiment, "isolation_forest", seed=1), CPU)
        assert first["scores_sha256"] == again["scores_sha256"] != other["scores_sha256"]


def test_a_trace_tells_how_clean_the_selected_rows_are() -> None:
    quick = {"max_epochs": 4, "batch_size": 16, "r": 2, "p": 0.25}
    traced = cell("kdd", Method("duad", "duad", quick, trace=True), share=0.2)
    trace = runner.run_cell(traced, CPU)["trace"]
    assert ["selected" in entry for entry in trace] == [False, False, True, True]  # all rows until the first
    task, answers, *_ = runner._Workplace().drawn(traced)
    rows = traced.method.fit(task, 0, "cpu", answers).detector.training_rows_
    assert trace[-1]["selected"] == pytest.approx(len(rows) / len(task.train), abs=1e-4)
    assert trace[-1]["contamination"] == pytest.approx(answers.is_anomaly_trained[rows].mean(), abs=1e-4)


class TestSelectionByLabels:
    """Toll's own protocol, the one excuse: its weights are chosen on labelled validation rows."""

    parameters = {"beta": 1.0, "max_epochs": 6, "batch_size": 16, "lr": 0.01}  # noqa: RUF012

    def test_the_best_epoch_is_kept_and_the_last_stands_beside(self) -> None:
        chosen = cell("arrhythmia", Method("toll(validation)", "toll", self.parameters, "validation"))
        last = cell("arrhythmia", Method("toll", "toll", self.parameters))
        by_labels, beside = runner.run_cell(chosen, CPU), runner.run_cell(last, CPU)
        trace = [entry["auroc"] for entry in by_labels["trace"]]
        assert len(trace) == 6
        alone = runner._Workplace()
        task, answers, *_ = alone.drawn(last)
        scores = last.method.score(last.method.fit(task, 0, "cpu"), task).scores
        assert runner._digest(scores) == beside["scores_sha256"], "watching changes no training step"
        fitted = chosen.method.fit(task, 0, "cpu", answers)
        chosen.method.score(fitted, task)
        rows, is_anomaly = answers.validation or pytest.fail("there are validation rows")
        value = judge(fitted.detector.anomaly_score(rows), is_anomaly, 0.5)["auroc"]
        assert value == pytest.approx(max(trace), abs=1e-4)

    def test_one_fit_serves_both(self, monkeypatch: pytest.MonkeyPatch) -> None:
        calls = []
        fit = Method.fit
        monkeypatch.setattr(Method, "fit", lambda *a, **k: calls.append(1) or fit(*a, **k))
        monkeypatch.setattr(runner, "_here", runner._Workplace())
        for select in ("validation", ""):
            runner.run_cell(cell("arrhythmia", Method("toll" + select, "toll", self.parameters, select)), CPU)
        assert len(calls) == 1


class TestUnfinished:
    """A training that is cut short is gone on with."""

    method = Method("autoencoder", "autoencoder", {"max_epochs": 6, "batch_size": 16})

    def interrupted(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def stop(detector: AutoEncoder) -> dict[str, float]:
            nonlocal n_epochs
            n_epochs += 1
            if n_epochs == 4:
                raise KeyboardInterrupt
            return {}

        n_epochs = 0
        with monkeypatch.context() as patch:
            patch.setattr(training, "_CHECKPOINT_SECONDS", -1)
            patch.setattr(AutoEncoder, "_on_epoch_end", stop)
            patch.setattr(runner, "_here", runner._Workplace())
            with pytest.raises(KeyboardInterrupt):
                runner.run_cells(
                    [cell(method=self.method)], Results(folder), jobs=1, device="cpu", done=print
                )

    def run(self, folder: Path, *, resume: bool, seed: int = 0) -> dict[str, Any]:
        told: list[dict[str, Any]] = []
        runner.run_cells(
            [cell(method=self.method, seed=seed)],
            Results(folder),
            jobs=1,
            device="cpu",
            done=told.append,
            resume=resume,
        )
        return told[0]

    def test_it_is_gone_on_with(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(runner, "_here", runner._Workplace())
        whole = self.run(tmp_path / "whole", resume=False)
        for resume in (True, False):
            self.interrupted(tmp_path / "cut", monkeypatch)
            assert list(tmp_path.glob("cut/.unfinished/*/training.safetensors"))
            monkeypatch.setattr(runner, "_here", runner._Workplace())
            assert "resumed_from_epoch" not in self.run(tmp_path / "cut", resume=resume, seed=1)
            record = self.run(tmp_path / "cut", resume=resume)
            assert record["scores_sha256"] == whole["scores_sha256"]
            assert record.get("resumed_from_epoch") == (3 if resume else None)
            assert not list(tmp_path.glob("*/.unfinished/*"))


class TestSubClasses:
    """The sub-clusters paper's own protocol: a classifier is told the classes of its normal rows."""

    def test_the_fit_is_told_the_classes(self) -> None:
        method = Method("known", "sub_clusters", {"net": "small", "max_epochs": 1}, "sub_classes")
        of_three = cell("one_class", method, normal=["shark", "trout", "ray"], n_clusters=2)
        task, answers, *_ = runner._Workplace().drawn(of_three)
        fitted = method.fit(task, 0, "cpu", answers)
        data = runner._here._read("cifar100")
        draw = experiments.plan("one_class", dict(of_three.setting), data, 0).draw
        # The first two of the three are one group: places 0 and 1 of 3, times 2, by 3.
        expected = (data.labels[draw.train] == "ray").astype(int)
        assert fitted.detector.labels_[:, 0].tolist() == expected.tolist()

    def test_one_class_leaves_nothing_to_tell_apart(self) -> None:
        method = Method("known", "sub_clusters", {}, "sub_classes")
        alone = cell("one_class", method, normal=["shark"], n_clusters=1)
        assert runner.obstacle(alone) == "one class leaves nothing to tell apart"


class TestWhatCannotRun:
    def test_each_has_its_reason(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        assert runner.obstacle(cell("kdd", "isif")) == "takes no tables"
        assert runner.obstacle(cell("counts", "guarded_forest")) == "takes no images"
        assert runner.obstacle(cell("counts", "guarded_forest", features="netvlad")) == ""
        assert runner.obstacle(cell("counts", "rotnet", features="netvlad")) == "takes no tables"
        assert runner.obstacle(cell("kdd")) == ""
        monkeypatch.setenv("DROSS_DATA", str(tmp_path))
        assert runner.obstacle(cell("kdd")) == "data not present"

    def test_an_absent_class_is_no_failure(self) -> None:
        record = runner.run_cell(cell("one_class", normal=["shark", "yeti"]), CPU)
        assert record["absent"] == "data not present: yeti"
        assert "error" not in record

    def test_a_failing_cell_is_written_down_with_its_error(self) -> None:
        record = runner.run_cell(cell("kdd", Method("pca", "pca", {"n_components": 0})), CPU)
        assert record["error"].startswith("ParameterError: n_components of PCA must be")

    def test_too_few_rows_are_an_error_of_one_sentence(self) -> None:
        record = runner.run_cell(cell("counts", n_normal=10**6), CPU)
        assert "needs 1 000 000 normal rows" in record["error"]


class TestProcesses:
    def test_several_at_a_time_measure_the_same(self, tmp_path: Path) -> None:
        cells = [cell("kdd", method.name) for method in BASELINES[:3]]
        told: list[dict[str, Any]] = []
        runner.run_cells(cells, Results(tmp_path), jobs=2, device="cpu", done=told.append)
        alone = {c.key: runner.run_cell(c, CPU)["scores_sha256"] for c in cells}
        assert {record["key"]: record["scores_sha256"] for record in told} == alone
        assert Results(tmp_path).load().keys() == alone.keys()

    def test_a_worker_that_dies_costs_its_own_cell(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
        deadly = cell("kdd", Method("deadly", "deadly"))
        monkeypatch.setattr(runner, "_run_unit", dying.run_unit)
        told: list[dict[str, Any]] = []
        cells = [cell("kdd", "pca"), deadly, cell("kdd", "isolation_forest"), cell("kdd", "knn_5")]
        runner.run_cells(cells, Results(tmp_path), jobs=2, device="cpu", done=told.append)
        failed = [record["method"] for record in told if "error" in record]
        assert failed == ["deadly"]
        assert len(told) == 4

    def test_workers_end_with_a_killed_parent(self, tmp_path: Path) -> None:
        parent = subprocess.Popen([sys.executable, "-c", dying.PARENT], stdout=subprocess.PIPE, text=True)
        output = parent.stdout or pytest.fail("there is a pipe")
        worker = int(output.readline())
        parent.kill()
        parent.wait()
        output.close()
        for _ in range(100):
            if not Path(f"/proc/{worker}").exists():
                return
            time.sleep(0.1)
        pytest.fail("the worker outlives its parent")

    @pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
    def test_a_killed_run_loses_at_most_the_running_cell(self, tmp_path: Path, root: Path) -> None:
        command = [
            sys.executable,
            "-c",
            "from dross.cli import main; main()",
            "bench",
            "run",
            "toll-3",
            "--seeds",
            "3",
            "--resume",
        ]
        command += ["--detector", "isolation_forest", "--detector", "autoencoder", "--results", str(tmp_path)]
        environment = {**os.environ, "DROSS_DATA": str(root), "OMP_NUM_THREADS": "1"}
        running = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        output = running.stdout or pytest.fail("there is a pipe")
        seen = [output.readline() for _ in range(3)]  # the count, and two cells
        running.send_signal(signal.SIGKILL)
        running.wait()
        output.close()
        before = Results(tmp_path).load()
        assert len(before) >= 2, seen
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert f"{6 - len(before)} cells to run, {len(before)}: run before." in done.stdout
        after = Results(tmp_path).load()
        assert len(after) == 6
        assert all(after[key] == record for key, record in before.items())


class TestResults:
    record = {"key": "a", "experiment": "kdd", "value": 1}  # noqa: RUF012

    def test_a_line_cut_short_costs_only_itself(self, tmp_path: Path) -> None:
        results = Results(tmp_path)
        results.add(self.record)
        with (tmp_path / "kdd.jsonl").open("a") as file:
            file.write('{"key": "b", "experiment": "kd')
        results.add({**self.record, "key": "c"})
        assert results.load().keys() == {"a", "c"}

    def test_the_last_line_of_a_key_counts_and_the_others_go(self, tmp_path: Path) -> None:
        results = Results(tmp_path)
        for value in (1, 2, 3):
            results.add({**self.record, "value": value})
        results.compact()
        assert results.load()["a"]["value"] == 3
        assert len((tmp_path / "kdd.jsonl").read_text().splitlines()) == 1

    def test_a_failure_replaces_no_value(self, tmp_path: Path) -> None:
        results = Results(tmp_path)
        results.add({**self.record, "values": {"auroc": 0.9}})
        results.add({**self.record, "error": "the disk was full"})
        results.compact()
        assert results.load()["a"]["values"] == {"auroc": 0.9}

    def test_an_error_may_hold_any_character(self, tmp_path: Path) -> None:
        Results(tmp_path).add({**self.record, "error": "a\u2028b\x85c"})
        assert Results(tmp_path).load()["a"]["error"] == "a\u2028b\x85c"

    def test_many_writers_at_once_lose_nothing(self, tmp_path: Path) -> None:
        code = (
            "import sys; from pathlib import Path; from dross.bench.results import Results\n"
            "for i in range(60): Results(Path(sys.argv[1])).add("
            "{'key': sys.argv[2] + str(i), 'experiment': 'kdd', 'pad': 'x' * 9000})"
        )
        writers = [
            subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name]) for name in ("a", "b", "c")
        ]
        for _ in range(20):
            Results(tmp_path).compact()
            time.sleep(0.05)
        assert [writer.wait() for writer in writers] == [0, 0, 0]
        assert len(Results(tmp_path).load()) == 180


def test_f1_flags_the_share_that_the_protocol_states() -> None:
    scores = np.arange(20.0)
    truth = np.zeros(20, bool)
    truth[[19, 17]] = True
    assert judge(scores, truth, 0.15)["f1"] == pytest.approx(0.8)
    assert judge(scores, truth, 0.1)["f1"] == pytest.approx(0.5)
    assert judge(scores, np.zeros(20, bool), 0.1) == {}


def test_smoke_runs_the_tables() -> None:
    """All but those whose counts are larger than the miniatures."""
    cells: dict[str, Cell] = {}
    for table in load_tables().values():
        for _, one in table.cells("smoke", detectors=("pca",)):
            if not runner.obstacle(one) and one.experiment in ("arrhythmia", "kdd", "one_class", "ucf_crime"):
                cells[one.key] = one
    records = [runner.run_cell(one, CPU) for one in cells.values()]
    assert {record["experiment"] for record in records} == {"arrhythmia", "kdd", "one_class", "ucf_crime"}
    assert not [record["error"] for record in records if "error" in record]
    assert max(record.get("n_train", 0) for record in records) == 120


def test_data_sets_name_where_they_come_from() -> None:
    for dataset in DATASETS.values():
        assert dataset.source.startswith("http")
        assert dataset.licence
