"""The command line from end to end: what it writes, what it prints, how it fails."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from rich.console import Console

from command_line import dross, make_pictures, make_table, make_texts
from dross.cli.progress import BarMonitor, LineMonitor, console_monitor
from dross.result_folder import RESULT_FILES

KNN = ("--detector", "knn")


@pytest.fixture(autouse=True)
def _working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.fixture
def table() -> Path:
    return make_table(Path("items.csv"))


def scores(folder: Path) -> pa.Table:
    return pq.read_table(folder / "scores.parquet")


def summary(folder: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return result


def digests(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir() if p.is_file()}


class TestWhatFindWrites:
    def test_all_five_files_in_the_default_folder(self, table: Path) -> None:
        assert dross("find", table).code == 0
        assert sorted(p.name for p in Path("dross-out/items").iterdir()) == sorted(RESULT_FILES)
        assert sorted(p.name for p in Path().iterdir()) == ["dross-out", "items.csv"]

    @pytest.mark.parametrize(
        ("name", "expected"),
        [("a.b.csv", "a.b"), ("x.csv.gz", "x"), ("data", "data"), (".csv", ".csv"), ("ü 1.tsv", "ü 1")],
    )
    def test_default_folder_is_named_after_the_data(self, name: str, expected: str) -> None:
        from dross.cli.find import _stem

        assert _stem(name) == expected
        assert _stem("..") == Path.cwd().parent.name

    def test_scores_parquet(self, table: Path) -> None:
        lines = table.read_text().splitlines()
        lines = [*lines[:1], *(lines[1:] * 4)]  # 240 rows, so that two broken lines are fewer than 1 %
        lines[10] += ",too,many"
        lines[20] = "too few"
        table.write_text("\n".join(lines))
        assert dross("find", table, *KNN, "--contamination", "0.05", "--top", "30").code == 0
        written = scores(Path("dross-out/items"))
        assert dict(zip(written.column_names, map(str, written.schema.types), strict=True)) == {
            "id": "int64", "anomaly_score": "double", "rank": "int64", "is_anomaly": "bool",
            "reasons": "string",
        }  # fmt: skip
        expected = [row for row in range(240) if row not in (9, 19)]
        assert written["id"].to_pylist() == expected
        values, rank = written["anomaly_score"].to_numpy(), written["rank"].to_numpy()
        assert sorted(rank) == list(range(1, 239))
        assert (np.diff(values[np.argsort(rank)]) <= 0).all()
        flags, reasons = written["is_anomaly"].to_numpy(), written["reasons"].to_pylist()
        assert set(rank[flags]) == set(range(1, 13))
        assert [bool(reason) for reason in reasons] == [place <= 30 for place in rank]
        assert [item["id"] for item in summary(Path("dross-out/items"))["unreadable"]] == [
            "line 11",
            "line 21",
        ]

    def test_ids_are_the_id_column_or_relative_paths(self, table: Path) -> None:
        assert dross("find", table, *KNN, "--id-column", "name").code == 0
        assert scores(Path("dross-out/items"))["id"].to_pylist() == [f"item-{row}" for row in range(60)]
        pictures = make_pictures(Path("pictures"))
        (pictures / "deeper").mkdir()
        (pictures / "003.png").rename(pictures / "deeper" / "ö 3.png")
        assert dross("find", pictures, *KNN, "--out", "r").code == 0
        ids = scores(Path("r"))["id"].to_pylist()
        assert "deeper/ö 3.png" in ids
        assert len(ids) == 20

    def test_anomalies_csv_has_the_original_columns(self, table: Path) -> None:
        table.write_text(table.read_text().replace("name,", "id,", 1))
        assert dross("find", table, *KNN, "--contamination", "0.05", "--label-column", "answer").code == 0
        with Path("dross-out/items/anomalies.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        with table.open(newline="", encoding="utf-8") as file:
            originals = list(csv.DictReader(file))
        assert [row["rank"] for row in rows] == ["1", "2", "3"]
        assert {row["id"] for row in rows} == {"0", "1", "2"}
        for row in rows:
            original = originals[int(row["id"])]
            assert row["reasons"]
            assert row["original_id"] == original["id"]
            assert {name: row[name] for name in ("size", "weight", "colour", "answer")} == {
                name: original[name] for name in ("size", "weight", "colour", "answer")
            }

    def test_anomalies_csv_has_a_header_where_nothing_is_flagged(self, table: Path) -> None:
        table.write_text("a\n" + "\n".join(map(str, [1, 2, 3, 4, 5, 6] * 20)))
        assert dross("find", table, *KNN).code == 0
        assert Path("dross-out/items/anomalies.csv").read_text().strip() == "id,anomaly_score,rank,reasons,a"

    def test_summary(self, table: Path) -> None:
        assert dross("find", table, *KNN, "--seed", 3, "--out", "r").code == 0
        about = summary(Path("r"))
        assert about["name"] == "items.csv"
        assert about["kind"] == "table"
        assert (about["rows"], about["detector"], about["seed"]) == (60, "knn", 3)
        assert about["read"]["delimiter"] == ","
        assert [column["name"] for column in about["features"]["columns"]][1:3] == ["size", "weight"]
        assert about["command"] == "dross find items.csv --detector knn --seed 3 --out r"
        assert about["detector_parameters"]["n_neighbors"] == 5
        assert {"python", "dross", "numpy", "torch"} <= set(about["versions"])
        share = about["share"]
        low, high = share["interval"]
        assert 0 <= low <= share["value"] <= high <= 0.5
        assert (share["level"], share["source"]) == (0.9, "estimated")
        found = digests(Path("r"))
        assert about["checksums"] == {name: found[name] for name in RESULT_FILES if name != "summary.json"}

    def test_input_is_never_changed(self, table: Path) -> None:
        pictures = make_pictures(Path("pictures"))
        before = digests(Path()), digests(pictures), sorted(pictures.iterdir())
        for data in (table, pictures):
            assert dross("find", data, *KNN).code == 0
        assert (digests(Path()), digests(pictures), sorted(pictures.iterdir())) == before

    def test_given_share(self, table: Path) -> None:
        run = dross("find", table, *KNN, "--contamination", "0.1")
        share = summary(Path("dross-out/items"))["share"]
        assert (share["value"], share["interval"], share["source"]) == (0.1, [0.1, 0.1], "given")
        assert sum(scores(Path("dross-out/items"))["is_anomaly"].to_pylist()) == 6
        assert "6 of 60 rows" in run.out

    def test_same_seed_same_scores_other_seed_others(self, table: Path) -> None:
        for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
            assert dross("find", table, "--out", folder, "--seed", seed).code == 0
        a, b, c = (scores(Path(folder))["anomaly_score"].to_pylist() for folder in "abc")
        assert a == b != c

    def test_parameters_reach_the_detector(self, table: Path) -> None:
        options = ("--detector", "autoencoder", "--epochs", "2", "--precision", "32", "--device", "cpu")
        parameters = ("hidden_sizes=16,8", "standardize=true", "lr=1e-2")
        run = dross("find", table, *options, *(x for p in parameters for x in ("--param", p)))
        assert run.code == 0
        used = summary(Path("dross-out/items"))["detector_parameters"]
        assert (used["hidden_sizes"], used["lr"], used["max_epochs"]) == ([16, 8], 0.01, 2)
        assert (used["standardize"], used["precision"]) == (True, "32")
        assert len(summary(Path("dross-out/items"))["history"]) == 2

    def test_ignored_columns_change_nothing(self, table: Path) -> None:
        assert dross("find", table, *KNN, "--out", "a", "--ignore-column", "colour").code == 0
        text = table.read_text().replace("red", "green").replace("green", "blue")
        table.write_text(text)
        assert dross("find", table, *KNN, "--out", "b", "--ignore-column", "colour").code == 0
        assert scores(Path("a"))["anomaly_score"] == scores(Path("b"))["anomaly_score"]

    def test_text_column(self) -> None:
        texts = make_texts(Path("l.txt")).read_text().splitlines()
        Path("t.csv").write_text("n,words\n" + "".join(f"{n},{text}\n" for n, text in enumerate(texts)))
        assert dross("find", "t.csv", *KNN, "--text-column", "words", "--id-column", "n").code == 0
        result = scores(Path("dross-out/t"))
        assert result["id"][int(np.argmin(result["rank"].to_numpy()))].as_py() == "0"
        assert summary(Path("dross-out/t"))["kind"] == "text"

    def test_array_of_images(self) -> None:
        rng = np.random.default_rng(0)
        np.savez("a.npz", x=rng.normal(size=(20, 16, 16)), other=np.zeros((20, 3)), y=np.arange(20))
        assert dross("find", "a.npz", *KNN, "--array", "x").code == 0
        assert summary(Path("dross-out/a"))["read"]["array"] == "x"


class TestLabels:
    def test_labels_change_no_score(self, table: Path) -> None:
        lines = [line.split(",") for line in table.read_text().splitlines()]
        permuted = [[*line[:-1], other[-1]] for line, other in zip(lines[1:], lines[:0:-1], strict=True)]
        Path("permuted.csv").write_text("\n".join(map(",".join, [lines[0], *permuted])))
        Path("without.csv").write_text("\n".join(",".join(line[:-1]) for line in lines))
        for name in ("items", "permuted"):
            assert dross("find", f"{name}.csv", "--label-column", "answer").code == 0
        assert dross("find", "without.csv").code == 0
        a, b, c = (scores(Path("dross-out") / name) for name in ("items", "permuted", "without"))
        assert a.equals(b)
        assert a.equals(c)

    def test_only_metrics_are_added(self, table: Path) -> None:
        run = dross("find", table, *KNN, "--contamination", "0.1", "--label-column", "answer")
        found = summary(Path("dross-out/items"))["metrics"]
        assert found["auroc"] == found["aupr"] == 1.0
        assert found["confusion"] == {"tp": 3, "fp": 3, "fn": 0, "tn": 54}
        assert "AUROC 1.000, AUPR 1.000" in run.out
        assert [
            line.split() for line in run.out.splitlines() if line.strip().startswith(("anomaly", "normal"))
        ] == [
            ["anomaly", "3", "0"],
            ["normal", "3", "54"],
        ]
        assert "answer" not in json.dumps(summary(Path("dross-out/items"))["features"])

    def test_labels_of_one_value(self, table: Path) -> None:
        table.write_text(table.read_text().replace(",1\n", ",0\n"))
        run = dross("find", table, *KNN, "--label-column", "answer")
        assert run.code == 0
        assert "no AUROC" in run.out

    def test_anomaly_value(self, table: Path) -> None:
        assert dross("find", table, *KNN, "--label-column", "colour", "--anomaly-value", "red").code == 0
        assert 0 < summary(Path("dross-out/items"))["metrics"]["n_anomalies"] < 60


class TestWhatFindPrints:
    def test_table_share_and_unreadable(self, table: Path) -> None:
        lines = table.read_text().splitlines()
        table.write_text("\n".join([*lines, *(lines[1:] * 2), "broken"]))
        run = dross("find", table, *KNN, "--top", "4", "--contamination", "0.05", "--id-column", "name")
        assert run.code == 0
        assert run.out.startswith("items.csv: table, 180 rows, detector knn\n")
        first = next(line for line in run.out.splitlines() if line.startswith("1 "))
        assert first.split()[1] in ("item-0", "item-1", "item-2")
        assert "yes" in first.split()
        assert not any(line.startswith("5 ") for line in run.out.splitlines())
        assert "9 of 180 rows do not belong: 5.0 % (share given)." in run.out
        assert "Could not be read (1):\n  line 182: 1 field instead of 5\n" in run.out
        assert f"Report: {Path('dross-out/items/report.html').resolve()}\n" in run.out

    def test_unknown_share_is_not_called_none(self, table: Path) -> None:
        table.write_text("a,b\n" + "\n".join(f"{x},{-x}" for x in np.random.default_rng(0).normal(size=50)))
        run = dross("find", table, *KNN)
        assert "None of 50 rows is flagged: the share of anomalies may be" in run.out

    def test_long_ids_and_reasons_stay_whole_in_a_pipe(self, table: Path) -> None:
        long = "x" * 300
        table.write_text(table.read_text().replace("item-0,", f"{long},"))
        run = dross("find", table, *KNN, "--id-column", "name")
        assert f"  {long}  " in run.out

    def test_control_characters_of_the_data_are_not_printed(self, table: Path) -> None:
        table.write_text(table.read_text().replace("item-0,", "a\x1b[2Jb,").replace("size", "s[red]"))
        run = dross("find", table, *KNN, "--id-column", "name")
        assert "\x1b" not in run.out
        assert "s[red]" in run.out

    def test_json_is_one_object_and_nothing_else(self, table: Path) -> None:
        run = dross("find", table, *KNN, "--json", "--top", 7)
        printed = json.loads(run.out)
        assert not run.err
        assert [row["rank"] for row in printed["top"]] == list(range(1, 8))
        assert printed["folder"] == str(Path("dross-out/items").resolve())
        written = summary(Path("dross-out/items"))
        assert {key: printed[key] for key in written} == written

    def test_quiet_prints_nothing(self, table: Path) -> None:
        run = dross("find", table, *KNN, "--quiet")
        assert (run.code, run.out, run.err) == (0, "", "")

    def test_top_0(self, table: Path) -> None:
        run = dross("find", table, *KNN, "--top", 0)
        assert run.code == 0
        assert "rank" not in run.out

    def test_plain_lines_where_there_is_no_terminal(self, table: Path) -> None:
        run = dross("find", table, *KNN)
        assert "\x1b" not in run.out + run.err
        assert "\r" not in run.out + run.err
        assert run.err.splitlines() == [
            f"{s} ..." for s in ("reading", "encoding", "fitting", "explaining", "writing")
        ]

    def test_live_bar_on_a_terminal(self) -> None:
        screen = io.StringIO()
        with console_monitor(Console(file=screen, force_terminal=True), quiet=False) as monitor:
            assert isinstance(monitor, BarMonitor)
            monitor.stage("fitting")
            monitor.progress(2, 4, 0.5, 0.25)
            monitor.bar.refresh()
        assert "fitting" in screen.getvalue()
        assert "epoch 2/4, loss 0.25" in screen.getvalue()

    def test_time_left_of_a_resumed_run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        screen, now = io.StringIO(), [0.0]
        monkeypatch.setattr("time.monotonic", lambda: now[0])
        monitor = LineMonitor(Console(file=screen, width=200))
        monitor.stage("fitting")
        for fraction in (0.5, 0.6):
            monitor.progress(1, 2, fraction, 0.25)
            now[0] += 20
        assert screen.getvalue().splitlines()[-1] == "epoch 1 of 2, loss 0.25, 80 s left"


class TestEarlierResults:
    def test_the_same_command_again_needs_no_force(self, table: Path) -> None:
        assert dross("find", table, *KNN).code == 0
        before = scores(Path("dross-out/items"))
        assert dross("find", table, *KNN).code == 0
        assert scores(Path("dross-out/items")).equals(before)

    @pytest.mark.parametrize(
        "other", [("--param", "n_neighbors=3"), ("--contamination", "0.2"), ("--seed", "1")]
    )
    def test_another_result_needs_force(self, table: Path, other: tuple[str, ...]) -> None:
        assert dross("find", table, *KNN).code == 0
        before = digests(Path("dross-out/items"))
        assert dross("find", table, *KNN, *other).failed_with(
            "other data, features or parameters", "--force", "--out"
        )
        assert digests(Path("dross-out/items")) == before
        assert dross("find", table, *KNN, *other, "--force").code == 0
        assert digests(Path("dross-out/items")) != before

    def test_other_data_needs_force(self, table: Path) -> None:
        assert dross("find", table, *KNN).code == 0
        make_table(table, seed=1)
        assert dross("find", table, *KNN).failed_with("other data, features or parameters")

    def test_unreadable_earlier_result_needs_force(self, table: Path) -> None:
        assert dross("find", table, *KNN).code == 0
        for content in ("[1, 2]", "{", ""):
            Path("dross-out/items/summary.json").write_text(content)
            assert dross("find", table, *KNN).failed_with("--force")
        assert dross("find", table, *KNN, "--force").code == 0

    def test_foreign_files_are_never_replaced(self, table: Path) -> None:
        Path("r").mkdir()
        Path("r/mine.txt").write_text("precious")
        for options in ((), ("--force",)):
            assert dross("find", table, *KNN, "--out", "r", *options).failed_with("did not write", "mine.txt")
        assert Path("r/mine.txt").read_text() == "precious"

    def test_foreign_checkpoint_is_never_replaced(self, table: Path) -> None:
        Path("r/checkpoint").mkdir(parents=True)
        Path("r/checkpoint/weights.bin").write_text("precious")
        assert dross("find", table, *KNN, "--out", "r", "--force").failed_with("checkpoint/weights.bin")
        assert Path("r/checkpoint/weights.bin").exists()


@contextmanager
def without_privileges() -> Iterator[Path]:
    """Yield an open folder, as somebody whom permissions hold back."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        # Modules are loaded when they are needed; later they might be out of reach.
        assert dross("find", make_table(folder / "t.csv"), *KNN, "--out", folder / "r").code == 0
        is_root = os.geteuid() == 0
        if is_root:
            os.setresuid(65534, 65534, 0)
        try:
            yield folder
        finally:
            if is_root:
                os.setresuid(0, 0, 0)
            for path in folder.rglob("*"):
                path.chmod(0o700)


class TestBadInput:
    """Each ends with status 2 and one sentence, leaves nothing behind, and shows no traceback."""

    @pytest.fixture(autouse=True)
    def _leaves_nothing(self) -> Iterator[None]:
        yield
        assert not Path("dross-out").exists()

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"", ["empty"]),
            (b" \n\n", ["empty"]),
            (bytes(np.random.default_rng(0).integers(0, 256, 4000, dtype=np.uint8)), ["no known format"]),
            (b"PK\x03\x04" + bytes(100), ["damaged"]),
            (b"\x80\x04\x95K.", ["pickle", "never loaded"]),
            (b"\x1f\x8b\x08\x00" + b"junk" * 50, []),
            (b"a,b\n" + b"1,2\n" * 20 + b"1,2,3\n" + b"1\n", ["2 of 22", "line 22", "3 fields instead of 2"]),
            (b"a,b\n1,2\n3,4\n5,6\n7,8\n", ["4 rows", "at least 5"]),
            (b"a,b\n", ["no rows"]),
            (b"a,b\n" + b"1,2\n" * 20, ["no usable column", "constant"]),
            (b"id\n" + b"\n".join(b"k%d" % i for i in range(20)), ["no usable column"]),
            (b"a,b\n" + b"?,\n" * 20, ["no usable column"]),
            (b'[{"a": 1}]\n', ["JSON lines"]),
        ],
    )
    def test_files(self, content: bytes, words: list[str]) -> None:
        Path("x.csv").write_bytes(content)
        assert dross("find", "x.csv").failed_with("x.csv", *words)

    def test_missing_path(self) -> None:
        assert dross("find", "nowhere.csv").failed_with("nowhere.csv", "no file or folder")

    def test_folders(self) -> None:
        Path("empty").mkdir()
        assert dross("find", "empty").failed_with("neither images nor texts")
        Path("empty/x.png").write_bytes(b"")
        assert dross("find", "empty").code == 2
        make_pictures(Path("few"), n=4)
        assert dross("find", "few").failed_with("4 images", "at least 5")
        make_texts(Path("few.txt"), n=3)
        assert dross("find", "few.txt", "--kind", "text").failed_with("3 texts", "at least 5")

    def test_pipe_is_not_read(self) -> None:
        os.mkfifo("pipe")
        assert dross("find", "pipe").failed_with("neither a file nor a folder")

    def test_no_permission_to_read(self) -> None:
        with without_privileges() as folder:
            (folder / "closed").mkdir(mode=0o000)
            make_table(folder / "t2.csv").chmod(0o000)
            for data in ("closed", "t2.csv"):
                run = dross("find", folder / data, *KNN, "--out", folder / "r2")
                assert run.failed_with(data, "ermission denied")

    def test_no_permission_to_write(self) -> None:
        with without_privileges() as folder:
            table = make_table(folder / "t2.csv")
            (folder / "closed").mkdir(mode=0o555)
            (folder / "result").mkdir(mode=0o555)
            for out in ("closed/r", "closed/deeper/r", "result"):
                run = dross("find", table, *KNN, "--out", folder / out)
                assert run.failed_with("cannot be written", "Permission denied", "--out")

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (["--detector", "knnn"], ["no detector 'knnn'", "'knn'"]),
            (["--detector", "IsolationForest"], ["isolation_forest"]),
            (["--detector", ""], ["no detector ''"]),
            ([*KNN, "--param", "foo=1"], ["no parameter 'foo'", "n_neighbors"]),
            ([*KNN, "--param", "n_neighbors"], ["NAME=VALUE"]),
            ([*KNN, "--param", "=3"], ["NAME=VALUE"]),
            ([*KNN, "--param", "n_neighbors=0"], ["n_neighbors", "at least 1", "got 0"]),
            ([*KNN, "--param", "n_neighbors=2.5"], ["whole number", "2.5"]),
            ([*KNN, "--param", "n_neighbors=many"], ["whole number", "'many'"]),
            ([*KNN, "--param", "n_neighbors=True"], ["whole number", "True"]),
            ([*KNN, "--param", "n_neighbors=" + "(" * 2000], ["whole number"]),
            ([*KNN, "--param", "contamination=0.1"], ["no parameter 'contamination' of its own"]),
            ([*KNN, "--epochs", "3"], ["not trained in epochs"]),
            (["--epochs", "3"], ["not trained in epochs"]),
            (["--detector", "autoencoder", "--param", "lr=0"], ["lr"]),
            (["--detector", "autoencoder", "--param", "lr=1e999"], ["lr", "inf"]),
            (["--detector", "autoencoder", "--param", "standardize=maybe"], ["standardize", "'maybe'"]),
            (["--detector", "autoencoder", "--param", "hidden_sizes=16,x"], ["hidden_sizes"]),
            (["--detector", "autoencoder", "--param", "hidden_sizes=0,"], ["hidden_sizes"]),
            (["--detector", "autoencoder", "--param", "device=tpu"], ["device", "'tpu'"]),
            (["--contamination", "0"], ["contamination", "(0, 0.5]"]),
            (["--contamination", "0.9"], ["0.9", "(0, 0.5]"]),
            (["--contamination", "abc"], ["'abc'", "(0, 0.5]"]),
            (["--contamination", "nan"], ["nan", "(0, 0.5]"]),
            (["--contamination", "-0.1"], ["-0.1", "(0, 0.5]"]),
            (["--id-column", "nme"], ["'nme'", "'name'"]),
            (["--text-column", "colours"], ["'colours'", "'colour'"]),
            (["--ignore-column", "sise"], ["'sise'", "'size'"]),
            (["--label-column", "answr"], ["'answr'", "'answer'"]),
            (["--label-column", "colour"], ["--anomaly-value", "'red'"]),
            (["--label-column", "answer", "--anomaly-value", "7"], ["no value '7'"]),
            (["--anomaly-value", "1"], ["--label-column"]),
            (["--kind", "image"], ["cannot be read as image"]),
            (["--out", "items.csv"], ["is a file", "--out"]),
            (["--out", "items.csv/r"], ["cannot be written", "Not a directory"]),
            (["--out", "/proc/nothing/r"], ["cannot be written"]),
            (["--out", "."], ["the working folder"]),
        ],
    )
    def test_options(self, table: Path, options: list[str], words: list[str]) -> None:
        run = dross("find", table, *options)
        assert run.failed_with(*words), run

    @pytest.mark.parametrize(
        "options",
        [
            ["--image-size", "5"], ["--epochs", "0"], ["--seed", "-1"], ["--top", "-1"], ["--kind", "music"],
            ["--device", "tpu"], ["--precision", "16"], ["--unknown"],
        ],
    )  # fmt: skip
    def test_options_that_the_parser_refuses(self, table: Path, options: list[str]) -> None:
        run = dross("find", table, *options)
        assert run.code == 2
        assert options[0] in run.err
        assert "Traceback" not in run.err

    def test_gpu_that_is_not_there(self, table: Path) -> None:
        import torch

        if torch.cuda.is_available():
            pytest.skip("there is a GPU")
        run = dross("find", table, "--detector", "autoencoder", "--epochs", "1", "--device", "cuda")
        assert run.failed_with("'cuda'", "no GPU")

    def test_arrays_of_an_npz(self) -> None:
        np.savez("two.npz", a=np.ones((30, 3)), b=np.zeros((30, 3)))
        assert dross("find", "two.npz").failed_with("--array", "a (30, 3), b (30, 3)")
        assert dross("find", "two.npz", "--array", "c").failed_with("no array 'c'")

    def test_result_folder_inside_the_data(self) -> None:
        pictures = make_pictures(Path("pictures"))
        assert dross("find", pictures, *KNN, "--out", pictures / "result").failed_with("lies in the data")
        assert dross("find", ".", *KNN).failed_with("lies in the data")

    def test_wrong_parameters_are_told_before_the_data_is_read(self) -> None:
        Path("big.csv").write_text("a\n")
        for options in (
            ["--contamination", "0.9"],
            ["--detector", "knnn"],
            [*KNN, "--param", "n_neighbors=0"],
        ):
            assert "big.csv" not in dross("find", "big.csv", *options).err

    def test_nothing_given(self) -> None:
        run = dross()
        assert "find" in run.out + run.err
        assert dross("find").code == 2
        assert dross("fnid").code == 2


class TestScore:
    @pytest.fixture
    def model(self, table: Path) -> Path:
        options = ("--label-column", "answer", "--contamination", "0.05", "--out", "r")
        assert dross("find", table, *KNN, *options).code == 0
        return Path("r/model.dross")

    def test_one_row_without_the_label(self, model: Path) -> None:
        Path("new.csv").write_text("name,size,weight,colour\nz,9.0,-9.0,red\n")
        run = dross("score", model, "new.csv")
        assert run.code == 0
        assert "1 of 1 are over the threshold." in run.out
        assert "size = 9" in run.out

    @pytest.mark.parametrize(
        ("text", "note"),
        [
            ("size,weight,colour,extra\n0.1,0.2,red,7\n", "does not know, passed over: 'extra'"),
            ("size,weight\n0.1,0.2\n", "missing here, taken as their mean: 'colour'"),
            ("size,weight,colour\n0.1,0.2,purple\n", ""),
            ("size,weight,colour\n0.1,heavy,red\n", ""),
            ("weight,colour,size\n,,\n", ""),
        ],
    )
    def test_missing_and_new_columns_and_categories(self, model: Path, text: str, note: str) -> None:
        Path("new.csv").write_text(text)
        run = dross("score", model, "new.csv", "--out", "s.csv")
        assert run.code == 0, run
        assert note in run.out

    def test_unseen_category_scores_higher(self, model: Path) -> None:
        Path("new.csv").write_text("size,weight,colour\n0.1,0.2,red\n0.1,0.2,purple\n")
        assert dross("score", model, "new.csv", "--out", "s.jsonl").code == 0
        known, unseen = (
            json.loads(line)["anomaly_score"] for line in Path("s.jsonl").read_text().splitlines()
        )
        assert unseen > known

    def test_new_share_without_refitting(self, table: Path) -> None:
        assert dross("find", table, "--detector", "pca", "--out", "r").code == 0
        for share in ("0.05", "0.2", "0.5"):
            options = ("--contamination", share, "--out", "s.parquet")
            assert dross("score", "r/model.dross", table, *options).code == 0
            result = pq.read_table("s.parquet")
            assert sum(result["is_anomaly"].to_pylist()) == round(60 * float(share))
            assert result["anomaly_score"] == scores(Path("r"))["anomaly_score"]

    def test_the_three_forms_say_the_same(self, model: Path, table: Path) -> None:
        for ending in ("parquet", "csv", "jsonl"):
            assert dross("score", model, table, "--out", f"s.{ending}").code == 0
        expected = pq.read_table("s.parquet").to_pylist()
        assert [json.loads(line) for line in Path("s.jsonl").read_text().splitlines()] == expected
        with Path("s.csv").open(newline="", encoding="utf-8") as file:
            assert [float(row["anomaly_score"]) for row in csv.DictReader(file)] == [
                row["anomaly_score"] for row in expected
            ]
        assert [path.name for path in Path().glob(".s*")] == []

    def test_single_image(self) -> None:
        pictures = make_pictures(Path("pictures"))
        assert dross("find", pictures, *KNN, "--contamination", "0.05").code == 0
        model = Path("dross-out/pictures/model.dross")
        run = dross("score", model, pictures / "005.png")
        assert "0 of 1 are over the threshold." in run.out
        Image.new("RGB", (50, 30), (255, 0, 0)).save("other.jpg")
        run = dross("score", model, "other.jpg", "--out", "s.jsonl")
        assert "1 of 1 are over the threshold." in run.out

    def test_text_that_looks_like_a_table(self) -> None:
        Path("l.txt").write_text("".join(f"the cat, number {i % 7}, sat\n" for i in range(40)))
        assert dross("find", "l.txt", "--kind", "text", *KNN).code == 0
        run = dross("score", "dross-out/l/model.dross", "l.txt")
        assert run.code == 0
        assert "0 of 40 are over" in run.out

    def test_wrong_data_for_the_model(self, model: Path) -> None:
        pictures = make_pictures(Path("pictures"))
        assert dross("score", model, pictures).failed_with("pictures")
        Path("other.csv").write_text("a,b\n1,2\n3,4\n")
        assert dross("score", model, "other.csv").failed_with("wrong model", "'size'", "'a'")
        assert dross("score", model, "nowhere.csv").failed_with("no file or folder")
        assert dross("find", pictures, *KNN).code == 0
        assert dross("score", "dross-out/pictures/model.dross", "items.csv").failed_with("items.csv")

    def test_wrong_options(self, model: Path, table: Path) -> None:
        before = digests(Path()), digests(Path("r"))
        assert dross("score", model, table, "--out", "s.xlsx").failed_with(
            "'s.xlsx'", ".parquet, .csv or .jsonl"
        )
        assert dross("score", model, table, "--out", "no/s.csv").failed_with("folder that exists")
        assert dross("score", model, table, "--out", table).failed_with("is read here")
        for share in ("0", "0.6", "nan"):
            assert dross("score", model, table, "--contamination", share).failed_with("(0, 0.5]")
        assert dross("score", model, table, "--contamination", "abc").code == 2
        assert (digests(Path()), digests(Path("r"))) == before

    def test_no_model(self, table: Path) -> None:
        assert dross("score", "nowhere.dross", table).failed_with("no model file")
        assert dross("score", table, table).failed_with("no dross model")
        assert dross("inspect", table).failed_with("no dross model")
        assert dross("inspect", "nowhere.dross").failed_with("no model file")

    def test_inspect(self, model: Path) -> None:
        about = json.loads(dross("inspect", model).out)
        assert (about["family"], about["detector"]) == ("table", "knn")
        assert (about["kept_rows"], about["training_rows"], about["format_version"]) == (60, 60, 1)
        assert about["fitted_on"] == {"name": "items.csv", "kind": "table", "rows": 60}
        assert about["share"]["value"] == 0.05

    @pytest.mark.parametrize("detector", ["knn", "lof", "kde", "ocsvm"])
    def test_inspect_tells_how_many_rows_are_kept(self, table: Path, detector: str) -> None:
        options = ("--detector", detector, "--param", "max_samples=40", "--out", "k", "--quiet")
        assert dross("find", table, *options).code == 0
        assert json.loads(dross("inspect", "k/model.dross").out)["kept_rows"] == 40


def test_detectors() -> None:
    from dross import registry

    listed = json.loads(dross("detectors", "--json").out)["detectors"]
    assert [row["name"] for row in listed] == list(registry.DETECTORS)
    assert all(row["idea"] and row["input"] for row in listed)
    names = [line.split()[0] for line in dross("detectors").out.splitlines()]
    assert names == ["name", *registry.DETECTORS]


def test_demo() -> None:
    run = dross("demo")
    assert run.code == 0
    for name in ("patients", "digits"):
        assert sorted(p.name for p in Path(f"dross-demo/{name}-result").iterdir()) == sorted(RESULT_FILES)
        assert f"{name}-result/report.html" in run.out
    metrics = summary(Path("dross-demo/patients-result"))["metrics"]
    assert metrics["auroc"] > 0.8
    assert dross("demo").code == 0


@pytest.mark.data
class TestRealData:
    def test_arrhythmia(self, data_dir: Path) -> None:
        options = ("--label-column", "279", "--anomaly-value", "1", "--quiet")
        assert dross("find", data_dir / "arrhythmia.data", *options).code == 0
        about = summary(Path("dross-out/arrhythmia"))
        assert about["rows"] == 452
        assert about["metrics"]["confusion"]["tn"] + about["metrics"]["confusion"]["fp"] == 207

    def test_photographs_in_an_archive(self, data_dir: Path) -> None:
        assert dross("find", data_dir / "cats_dogs_128.tar.gz", "--image-size", 32, "--quiet").code == 0
        result = scores(Path("dross-out/cats_dogs_128"))
        assert len(result) == 1399
        assert {name.split("/")[0] for name in result["id"].to_pylist()} == {"cat", "dog"}

    def test_digits_in_an_npz(self, data_dir: Path) -> None:
        assert dross("find", data_dir / "mnist.npz", "--array", "x_test", "--quiet").code == 0
        assert summary(Path("dross-out/mnist"))["rows"] == 10_000
