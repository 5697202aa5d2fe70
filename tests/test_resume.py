"""An interrupted training goes on from its checkpoint, to scores equal to the bit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from torch import Tensor, nn

import dross
from command_line import dross as run_dross
from command_line import make_table
from dross import registry, training
from dross.checkpoint import Checkpoint
from dross.detectors.autoencoder import AutoEncoder, AutoEncoderModule
from dross.detectors.joint_encoder import JointEncoderGAN
from dross.errors import InputError
from dross.monitor import Monitor

EPOCHS, STEPS = 4, 5  # 150 rows in batches of 32
FIND = (
    "find",
    "t.csv",
    "--detector",
    "autoencoder",
    "--epochs",
    EPOCHS,
    "--param",
    "batch_size=32",
    "--out",
    "r",
)


@dataclass(kw_only=True, eq=False, repr=False)
class Dropping(AutoEncoder):
    """An autoencoder that draws random numbers in every step."""

    def _build_module(self, input_shape: tuple[int, ...]) -> nn.Module:
        (width,) = input_shape
        return AutoEncoderModule(
            nn.Sequential(nn.Linear(width, 8), nn.Dropout(0.3), nn.ReLU()),
            nn.Sequential(nn.BatchNorm1d(8), nn.Linear(8, width)),
        )


@pytest.fixture(autouse=True)
def _working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    make_table(Path("t.csv"), n=150)


def at_step(monkeypatch: pytest.MonkeyPatch, number: int, act: Callable[[], object]) -> None:
    """Do something just before a step of the training, the first being 1; keep every step's state."""
    step = training.Training._step
    taken = [0]

    def counted(self: Any, rows: Tensor) -> Tensor:
        taken[0] += 1
        if taken[0] == number:
            act()
        return step(self, rows)

    monkeypatch.setattr(training.Training, "_step", counted)
    monkeypatch.setattr(training, "_CHECKPOINT_SECONDS", -1.0)


def raise_signal(number: int) -> Callable[[], object]:
    return lambda: os.kill(os.getpid(), number)


def scores(folder: str) -> Any:
    return pq.read_table(Path(folder) / "scores.parquet")


def summary(folder: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((Path(folder) / "summary.json").read_text())
    return result


@pytest.fixture
def whole() -> Any:
    """The scores of an uninterrupted run."""
    assert run_dross(*FIND[:-1], "whole").code == 0
    assert summary("whole")["resumed_from_epoch"] is None
    assert not Path("whole/checkpoint").exists()
    return scores("whole")


class TestInterrupted:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_signal(self, whole: Any, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as patch:
            at_step(patch, 2 * STEPS + 3, raise_signal(number))  # in the middle of the third epoch
            run = run_dross(*FIND)
        assert run.code == 130
        assert f"Stopped; go on with: dross {' '.join(map(str, FIND))} --resume\n" in run.err
        assert run.out == ""
        assert sorted(path.name for path in Path("r").iterdir()) == ["checkpoint"]
        assert sorted(path.name for path in Path("r/checkpoint").iterdir()) == [
            "about.json",
            "training.safetensors",
        ]
        assert json.loads(Path("r/checkpoint/about.json").read_text())["epoch"] == 2
        assert run_dross(*FIND, "--resume").code == 0
        assert scores("r").equals(whole)
        assert summary("r")["resumed_from_epoch"] == 2
        assert [entry["epoch"] for entry in summary("r")["history"]] == [1, 2, 3, 4]
        assert summary("r")["history"] == summary("whole")["history"]
        assert not Path("r/checkpoint").exists()

    @pytest.mark.parametrize("step", [1, 3, STEPS, STEPS + 1, EPOCHS * STEPS])
    def test_at_any_step(self, whole: Any, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as patch:
            at_step(patch, step, raise_signal(signal.SIGINT))
            assert run_dross(*FIND).code == 130
        assert run_dross(*FIND, "--resume").code == 0
        assert scores("r").equals(whole)
        assert summary("r")["resumed_from_epoch"] == (step - 1) // STEPS

    def test_again_and_again(self, whole: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        for step in (3, 4, 6):
            with monkeypatch.context() as patch:
                at_step(patch, step, raise_signal(signal.SIGINT))
                run = run_dross(*FIND, "--resume")
            assert run.code == 130
            assert run.err.count("--resume") == 1
        assert run_dross(*FIND, "--resume").code == 0
        assert scores("r").equals(whole)

    def test_second_signal_interrupts_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def twice() -> None:
            raise_signal(signal.SIGINT)()
            raise_signal(signal.SIGINT)()

        at_step(monkeypatch, 3, twice)
        assert run_dross(*FIND).code == 130

    def test_outside_of_training(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as patch:
            patch.setattr("dross.pipeline.open_source", lambda *_: raise_signal(signal.SIGINT)())
            assert run_dross(*FIND).code == 130
        assert sorted(path.name for path in Path().iterdir()) == ["t.csv"]
        before = signal.getsignal(signal.SIGINT)
        assert run_dross(*FIND).code == 0
        assert signal.getsignal(signal.SIGINT) is before

    def test_earlier_result_stays(self, whole: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        del whole
        before = {path.name: path.read_bytes() for path in Path("whole").iterdir()}
        other = (*FIND[:-1], "whole", "--seed", 7, "--force")
        with monkeypatch.context() as patch:
            at_step(patch, 7, raise_signal(signal.SIGINT))
            assert run_dross(*other).code == 130
        assert {path.name: path.read_bytes() for path in Path("whole").iterdir() if path.is_file()} == before
        assert Path("whole/checkpoint/training.safetensors").exists()
        assert run_dross(*other, "--resume").code == 0
        assert summary("whole")["seed"] == 7
        assert not Path("whole/checkpoint").exists()


_KILLED = """
import os, signal, sys
from dross import training
from dross.cli import main
step, taken = training.Training._step, 0

def counted(self, rows):
    global taken
    taken += 1
    if taken == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, rows)

training.Training._step, training._CHECKPOINT_SECONDS = counted, -1.0
sys.argv = ["dross", *sys.argv[1:]]
main()
"""


def test_kill(whole: Any) -> None:
    process = subprocess.run([sys.executable, "-c", _KILLED, *map(str, FIND)], capture_output=True)
    assert process.returncode == -signal.SIGKILL
    assert sorted(path.name for path in Path("r").iterdir()) == ["checkpoint"]
    assert run_dross(*FIND, "--resume").code == 0
    assert scores("r").equals(whole)
    assert summary("r")["resumed_from_epoch"] == 2


class TestCheckpoint:
    @pytest.fixture
    def interrupted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as patch:
            at_step(patch, 8, raise_signal(signal.SIGINT))
            assert run_dross(*FIND).code == 130

    @pytest.mark.usefixtures("interrupted")
    def test_holds_no_pickle(self) -> None:
        data = Path("r/checkpoint/training.safetensors").read_bytes()
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        assert {"rng", "loss_sum"} <= set(header)
        assert not data.startswith((b"\x80", b"PK"))
        assert json.loads(Path("r/checkpoint/about.json").read_text())["key"] == header["__metadata__"]["key"]

    @pytest.mark.usefixtures("interrupted")
    def test_without_resume_the_run_starts_anew_and_says_so(self, whole: Any) -> None:
        run = run_dross(*FIND)
        assert run.code == 0
        assert "Starting anew; --resume would go on from the checkpoint" in run.err
        assert summary("r")["resumed_from_epoch"] is None
        assert scores("r").equals(whole)

    def test_resume_without_checkpoint_starts_anew_and_says_so(self, whole: Any) -> None:
        run = run_dross(*FIND, "--resume")
        assert run.code == 0
        assert "There is no checkpoint" in run.err
        assert summary("r")["resumed_from_epoch"] is None
        assert scores("r").equals(whole)

    @pytest.mark.usefixtures("interrupted")
    @pytest.mark.parametrize(
        "other",
        [
            ("--seed", "1"),
            ("--param", "lr=0.1"),
            ("--epochs", "5"),
            ("--detector", "toll"),
            ("--detector", "knn"),
        ],
    )
    def test_of_other_parameters(self, other: tuple[str, ...]) -> None:
        options = [x for x in FIND if x not in ("--epochs", EPOCHS, "--param", "batch_size=32")]
        options += [] if other[0] == "--epochs" or other[1] == "knn" else ["--epochs", str(EPOCHS)]
        before = Path("r/checkpoint/training.safetensors").read_bytes()
        run = run_dross(*options, *other, "--resume")
        assert run.failed_with("checkpoint", "other data, features or parameters", "without --resume")
        assert Path("r/checkpoint/training.safetensors").read_bytes() == before

    @pytest.mark.usefixtures("interrupted")
    def test_of_other_data(self) -> None:
        make_table(Path("t.csv"), n=150, seed=1)
        assert run_dross(*FIND, "--resume").failed_with("checkpoint", "other data, features or parameters")

    @pytest.mark.usefixtures("interrupted")
    @pytest.mark.parametrize("size", [0, 5, 100, -1])
    def test_damaged(self, size: int) -> None:
        path = Path("r/checkpoint/training.safetensors")
        path.write_bytes(path.read_bytes()[:size])
        assert run_dross(*FIND, "--resume").failed_with("is damaged", "without --resume")

    @pytest.mark.usefixtures("interrupted")
    @pytest.mark.parametrize(
        "header", [b"[]", b"{}", b'{"__metadata__": {}}', b'{"__metadata__": {"key": "x"}}']
    )
    def test_strange(self, header: bytes) -> None:
        path = Path("r/checkpoint/training.safetensors")
        path.write_bytes(len(header).to_bytes(8, "little") + header)
        assert run_dross(*FIND, "--resume").failed_with("is damaged")

    def test_what_another_run_left_goes_with_the_first_save(self, tmp_path: Path) -> None:
        """Else a run that is stopped before it reaches that part could not be resumed."""
        folder = tmp_path / "c"
        for part in ("labels", "embedding"):
            Checkpoint(folder, "old").part(part).save({}, {"a": np.ones(3)})
        (folder / "training.safetensors").write_bytes(b"\xff" * 6 + b"\0\0{}")
        new = Checkpoint(folder, "new")
        new.part("embedding").save({"epoch": 1}, {"a": np.zeros(3)})
        assert new.load() is new.part("labels").load() is None
        assert new.part("embedding").load() is not None
        assert len(list(folder.iterdir())) == 2

    def test_of_another_precision(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Steps and the layout of what the optimiser knows hang on it."""
        X = np.random.default_rng(0).normal(size=(129, 1, 8, 8)).astype(np.float32)
        options: dict[str, Any] = {
            "detector": "autoencoder",
            "parameters": {"batch_size": 32},
            "epochs": 3,
            "checkpoint_folder": tmp_path,
        }
        monkeypatch.setattr("dross.deep.has_bf16", lambda _: False)
        with pytest.raises(KeyboardInterrupt):
            dross.find(X, **options, monitor=Stopping(5))
        monkeypatch.setattr("dross.deep.has_bf16", lambda _: True)
        with pytest.raises(
            InputError, match=r"made where training computes in float32, here it computes in bf16"
        ):
            dross.find(X, **options, resume=True)

    def test_only_whole_states_are_ever_there(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        checkpoint = Checkpoint(tmp_path / "c", "key")
        checkpoint.save({"epoch": 1}, {"a": np.ones(3)})

        def full(_: int) -> None:
            raise OSError("full")

        monkeypatch.setattr("os.fsync", full)
        with pytest.raises(OSError, match="full"):
            checkpoint.save({"epoch": 2}, {"a": np.zeros(3)})
        values, arrays = checkpoint.load() or ({}, {})
        assert (values, arrays["a"].tolist()) == ({"epoch": 1}, [1, 1, 1])
        assert len(list((tmp_path / "c").iterdir())) == 2


class Stopping(Monitor):
    """Asks for a stop after a number of looks, as the command line does on a signal."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after

    @property
    def stop_requested(self) -> bool:
        self.after -= self.training
        return self.after < 0

    @stop_requested.setter
    def stop_requested(self, value: bool) -> None:
        pass


@pytest.mark.parametrize("after", [0, 2, 3, 4, 7])
@pytest.mark.parametrize("name", ["ae_lfr", "autoencoder", "drae", "dropping", "memae", "rsrae", "toll"])
def test_in_python(name: str, after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batch norm's statistics, dropout's random numbers, DRAE's split and RSRAE's optimisers are kept."""
    monkeypatch.setitem(registry.DETECTORS, "dropping", f"{__name__}:Dropping")
    X = np.random.default_rng(0).normal(size=(129, 4))  # four batches of 32 and one row more
    options: dict[str, Any] = {"detector": name, "parameters": {"batch_size": 32}, "epochs": 3}
    expected = dross.find(X, **options)
    with pytest.raises(KeyboardInterrupt):
        dross.find(X, **options, checkpoint_folder=tmp_path / "c", monitor=Stopping(after))
    resumed = dross.find(X, **options, checkpoint_folder=tmp_path / "c", resume=True)
    np.testing.assert_array_equal(resumed.anomaly_scores, expected.anomaly_scores)
    assert resumed.history == expected.history
    assert resumed.summary["resumed_from_epoch"] == after // 4
    with pytest.raises(InputError, match="other data, features or parameters"):
        dross.find(X + 1, **options, checkpoint_folder=tmp_path / "c", resume=True)


@pytest.mark.parametrize("after", [0, 3, 4, 5, 6, 7, 9])
def test_selected_rows_are_kept(after: int, tmp_path: Path) -> None:
    """DUAD learns from other rows in every epoch here: four batches of all, then three of seven in ten."""
    X = np.random.default_rng(0).normal(size=(129, 4))
    options: dict[str, Any] = {"detector": "duad", "parameters": {"batch_size": 32, "r": 1}, "epochs": 4}
    expected = dross.find(X, **options)
    with pytest.raises(KeyboardInterrupt):
        dross.find(X, **options, checkpoint_folder=tmp_path / "c", monitor=Stopping(after))
    resumed = dross.find(X, **options, checkpoint_folder=tmp_path / "c", resume=True)
    np.testing.assert_array_equal(resumed.anomaly_scores, expected.anomaly_scores)
    assert resumed.history == expected.history
    assert [entry.get("selected") for entry in expected.history] == [None, 90, 90, 90]


@pytest.mark.parametrize("after", [0, 3, 7])
@pytest.mark.parametrize("name", ["geom", "rotnet"])
def test_views_are_drawn_again(name: str, after: int, tmp_path: Path) -> None:
    """Every step draws transformations; GEOM has something to do after the last."""
    X = np.random.default_rng(0).uniform(size=(12, 1, 8, 8)).astype(np.float32)
    parameters = {"batch_size": 4, "depth": 4, "precision": "32"}
    options: dict[str, Any] = {"detector": name, "parameters": parameters, "epochs": 3}
    expected = dross.find(X, **options).anomaly_scores
    with pytest.raises(KeyboardInterrupt):
        dross.find(X, **options, checkpoint_folder=tmp_path / "c", monitor=Stopping(after))
    resumed = dross.find(X, **options, checkpoint_folder=tmp_path / "c", resume=True)
    np.testing.assert_array_equal(resumed.anomaly_scores, expected)


@pytest.mark.parametrize("after", [3, 5])
def test_training_ends_where_it_would_have_ended(
    after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted in the midst of an epoch, or at its end, what was learnt before counts too."""
    monkeypatch.setattr("dross.pretext.classifier._VIEWS_TO_TELL", 48)  # those of two epochs
    noise = 0.05 * np.random.default_rng(0).normal(size=(24, 1, 8, 8))
    lit = (np.linspace(0, 1, 8)[:, None] + noise).astype(np.float32)
    parameters = {"batch_size": 4, "depth": 4, "lr": 0.01, "precision": "32", "stop_at": 0.7}
    options: dict[str, Any] = {"detector": "rotnet", "parameters": parameters, "epochs": 40}
    expected = dross.find(lit, **options)
    assert 1 < len(expected.history) < 40
    with pytest.raises(KeyboardInterrupt):
        dross.find(lit, **options, checkpoint_folder=tmp_path / "c", monitor=Stopping(after))
    resumed = dross.find(lit, **options, checkpoint_folder=tmp_path / "c", resume=True)
    assert resumed.history == expected.history
    np.testing.assert_array_equal(resumed.anomaly_scores, expected.anomaly_scores)


def _shades() -> Any:
    """Return 24 shades of one ramp of 16×16."""
    rng = np.random.default_rng(0)
    ramp = np.outer(np.linspace(0, 1, 16), np.ones(16))
    return (rng.uniform(0.5, 1, (24, 1, 1, 1)) * ramp).astype(np.float32)


_GENERATIVE: dict[str, Any] = {
    "parameters": {"channels": 4, "latent_dim": 6, "batch_size": 8, "precision": "32", "weight_decay": 0.01},
    "epochs": 4,
}


@pytest.mark.parametrize("after", [0, 1, 3, 4, 6, 7, 8, 10])
@pytest.mark.parametrize("name", ["joint_encoder", "f_anogan"])
def test_at_every_stage_of_growth(name: str, after: int, tmp_path: Path) -> None:
    """Of twelve steps each size has four, two of them fading in; or six are the GAN's, six the encoder's."""
    options: dict[str, Any] = {"detector": name, **_GENERATIVE}
    expected = dross.find(_shades(), **options)
    with pytest.raises(KeyboardInterrupt):
        dross.find(_shades(), **options, checkpoint_folder=tmp_path / "c", monitor=Stopping(after))
    resumed = dross.find(_shades(), **options, checkpoint_folder=tmp_path / "c", resume=True)
    np.testing.assert_array_equal(resumed.anomaly_scores, expected.anomaly_scores)
    assert resumed.history == expected.history


def test_the_last_good_epoch_outlives_an_interruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bad_in_the_third(self: Any, entry: dict[str, float]) -> str:
        return "it is bad" if entry["epoch"] == 3 else ""

    monkeypatch.setattr(JointEncoderGAN, "_trouble", bad_in_the_third)
    options: dict[str, Any] = {"detector": "joint_encoder", **_GENERATIVE}
    expected = dross.find(_shades(), **options)
    with pytest.raises(KeyboardInterrupt):
        dross.find(_shades(), **options, checkpoint_folder=tmp_path / "c", monitor=Stopping(7))
    resumed = dross.find(_shades(), **options, checkpoint_folder=tmp_path / "c", resume=True)
    np.testing.assert_array_equal(resumed.anomaly_scores, expected.anomaly_scores)
    assert any("it is bad" in note for note in resumed.notes)
    assert len(resumed.history) == 2
