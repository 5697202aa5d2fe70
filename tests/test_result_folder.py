"""A result is there whole or not at all, and nothing that dross did not write is ever lost."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import dross
from command_line import dross as run_dross
from command_line import make_table
from dross import findings as findings_module
from dross import report, result_folder
from dross.errors import InputError
from dross.model import Model
from dross.result_folder import RESULT_FILES, check_target, earlier_summary, staged


@pytest.fixture(autouse=True)
def _working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "here" / "r"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class TestStaged:
    def test_appears_at_the_end(self, folder: Path) -> None:
        with staged(folder) as partial:
            (partial / "summary.json").write_text("{}")
            assert not folder.exists()
        assert contents(folder.parent) == {"r/summary.json": b"{}"}

    @pytest.mark.parametrize("can_exchange", [True, False])
    def test_replaces_an_earlier_result(
        self, folder: Path, can_exchange: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if not can_exchange:
            monkeypatch.setattr(result_folder, "_exchange", lambda a, b: False)
        for content in ("old", "new"):
            with staged(folder) as partial:
                (partial / "summary.json").write_text(content)
        assert contents(folder.parent) == {"r/summary.json": b"new"}
        assert [path.name for path in folder.parent.iterdir()] == ["r"]

    @pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt(), SystemExit()])
    def test_vanishes_on_an_error(self, folder: Path, error: BaseException) -> None:
        with staged(folder) as partial:
            (partial / "summary.json").write_text("old")
        with pytest.raises(type(error)), staged(folder) as partial:  # noqa: PT012
            (partial / "summary.json").write_text("new")
            raise error
        assert contents(folder.parent) == {"r/summary.json": b"old"}
        assert [path.name for path in folder.parent.iterdir()] == ["r"]

    def test_what_killed_runs_left_is_swept(self, folder: Path) -> None:
        process = subprocess.Popen([sys.executable, "-c", ""])
        process.wait()
        dead = folder.with_name(f".r.partial-{process.pid}")
        alive = folder.with_name(f".r.partial-{os.getppid()}")
        other = folder.with_name(".r.partial-of-mine")
        for left in (dead, alive, other):
            left.mkdir()
        with staged(folder):
            pass
        assert sorted(folder.parent.iterdir()) == sorted([alive, other, folder])

    def test_displaced_result_comes_back(self, folder: Path) -> None:
        with staged(folder) as partial:
            (partial / "summary.json").write_text("old")
        folder.rename(folder.with_name(".r.previous"))  # where a kill between two renames leaves it
        check_target(folder)
        assert contents(folder.parent) == {"r/summary.json": b"old"}


class TestCheckTarget:
    def test_leaves_nothing_behind(self, folder: Path) -> None:
        check_target(folder / "deep" / "deeper")
        assert list(folder.parent.iterdir()) == []

    def test_results_and_checkpoints_may_be_replaced(self, folder: Path) -> None:
        (folder / "checkpoint").mkdir(parents=True)
        for name in (*RESULT_FILES, "checkpoint/about.json", "checkpoint/training.safetensors.part"):
            (folder / name).touch()
        check_target(folder)

    @pytest.mark.parametrize("name", ["mine.txt", ".hidden", "checkpoint/mine.txt", "Summary.json"])
    def test_foreign_files(self, folder: Path, name: str) -> None:
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("precious")
        with pytest.raises(InputError, match=f"did not write .*{name}"):
            check_target(folder)
        with pytest.raises(InputError), staged(folder):
            pass
        assert contents(folder) == {name: b"precious"}

    def test_file(self, folder: Path) -> None:
        folder.write_text("precious")
        with pytest.raises(InputError, match="is a file"):
            check_target(folder)

    def test_mount_point_and_working_folder(self) -> None:
        with pytest.raises(InputError, match="mount point"):
            check_target(Path("/proc"))
        with pytest.raises(InputError, match="working folder"):
            check_target(Path.cwd())


def test_earlier_summary(folder: Path) -> None:
    assert earlier_summary(folder) is None
    folder.mkdir()
    assert earlier_summary(folder) is None
    (folder / "scores.parquet").touch()
    assert earlier_summary(folder) == {}
    (folder / "summary.json").write_text('{"key": "abc"}')
    assert earlier_summary(folder) == {"key": "abc"}


class TestSave:
    def test_python_callers_are_held_back_too(self, folder: Path) -> None:
        found = dross.find(np.random.default_rng(0).normal(size=(20, 2)), detector="knn")
        folder.mkdir()
        (folder / "mine.txt").write_text("precious")
        with pytest.raises(InputError, match=r"mine\.txt"):
            found.save(folder)
        assert contents(folder) == {"mine.txt": b"precious"}
        assert found.save("other") == Path("other").absolute()
        found.save("other")
        assert sorted(contents(Path("other"))) == sorted(RESULT_FILES)

    def test_link_to_a_folder_stays_a_link(self, folder: Path) -> None:
        found = dross.find(np.random.default_rng(0).normal(size=(20, 2)), detector="knn")
        folder.mkdir()
        link = folder.with_name("link")
        link.symlink_to(folder)
        for _ in range(2):
            found.save(link)
        assert link.is_symlink()
        assert sorted(contents(folder)) == sorted(RESULT_FILES)
        assert sorted(path.name for path in folder.parent.iterdir()) == ["link", "r"]


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """Let the system refuse to write more, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class TestFailingWrites:
    @pytest.fixture
    def earlier(self) -> dict[str, bytes]:
        make_table(Path("t.csv"), n=400)
        assert run_dross("find", "t.csv", "--detector", "knn").code == 0
        return contents(Path())

    @pytest.mark.parametrize(
        ("holder", "name"),
        [
            (findings_module.pq, "write_table"),
            (findings_module.Findings, "_write_anomalies"),
            (Model, "save"),
            (report, "render_report"),
            (findings_module, "_sha256"),
        ],
    )
    def test_full_disk(
        self, earlier: dict[str, bytes], holder: object, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*arguments: object, **options: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(holder, name, full)
        for options in ((), ("--force", "--param", "n_neighbors=3")):
            run = run_dross("find", "t.csv", "--detector", "knn", *options)
            assert run.failed_with("the disk is full")
            assert contents(Path()) == earlier
            assert sorted(path.name for path in Path("dross-out").iterdir()) == ["t"]

    @pytest.mark.parametrize("size", [1, 5_000, 20_000])
    def test_system_refuses_to_write(self, earlier: dict[str, bytes], size: int) -> None:
        sizes = {name: len(data) for name, data in earlier.items() if name.startswith("dross-out")}
        assert max(sizes.values()) > 20_000
        with files_no_larger_than(size):
            run = run_dross("find", "t.csv", "--detector", "knn")
        assert run.failed_with("too large")
        assert contents(Path()) == earlier
        assert sorted(path.name for path in Path("dross-out").iterdir()) == ["t"]

    def test_score(self, earlier: dict[str, bytes]) -> None:
        for name in ("s.parquet", "s.csv", "s.jsonl"):
            Path(name).write_text("old")
            with files_no_larger_than(500):
                run = run_dross("score", "dross-out/t/model.dross", "t.csv", "--out", name)
            assert run.failed_with("too large")
            assert Path(name).read_text() == "old"
        assert sorted(path.name for path in Path().iterdir()) == [
            "dross-out", "s.csv", "s.jsonl", "s.parquet", "t.csv",
        ]  # fmt: skip


_KILLED_WHILE_WRITING = """
import os, signal, sys
import dross.report
from dross.cli import main
dross.report.render_report = lambda findings: os.kill(os.getpid(), signal.SIGKILL)
sys.argv = ["dross", *sys.argv[1:]]
main()
"""


def test_kill_while_writing_loses_nothing() -> None:
    make_table(Path("t.csv"))
    assert run_dross("find", "t.csv", "--detector", "knn").code == 0
    before = contents(Path("dross-out/t"))
    command = [sys.executable, "-c", _KILLED_WHILE_WRITING, "find", "t.csv", "--detector", "pca", "--force"]
    assert subprocess.run(command, capture_output=True).returncode == -signal.SIGKILL
    assert contents(Path("dross-out/t")) == before
    assert len(list(Path("dross-out").iterdir())) == 2  # the result, and what was begun
    assert run_dross("find", "t.csv", "--detector", "knn").code == 0
    assert [path.name for path in Path("dross-out").iterdir()] == ["t"]
