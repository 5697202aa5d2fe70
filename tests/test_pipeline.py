"""The main job as a function: any data in, findings out."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.typing import NDArray

import dross
from command_line import make_pictures, make_table, make_texts
from dross import registry
from dross.detectors.autoencoder import AutoEncoder
from dross.detectors.isolation_forest import IsolationForest
from dross.detectors.knn import KNN
from dross.errors import DrossError, InputError, ParameterError
from dross.monitor import Monitor
from quick import LEAVE_ONE_OUT

FOR_TABLES = [name for name in registry.DETECTORS if "table" in registry.get(name).input_kinds]


def quick(name: str) -> dict[str, Any]:
    """Return options for a detector that is fitted in no time."""
    efforts = {"max_epochs": 2, "n_estimators": 5}
    own = {one.name for one in fields(registry.get(name))}
    return {"detector": name, "parameters": {key: value for key, value in efforts.items() if key in own}}


def normal(n: int = 60, d: int = 3, seed: int = 0) -> NDArray[np.float64]:
    """Gaussian rows, the first one far off."""
    X = np.random.default_rng(seed).normal(size=(n, d))
    X[0] = 10 * (-1.0) ** np.arange(d)
    return X


def whole(findings: dross.Findings) -> None:
    """What holds of all findings, whatever was found."""
    n = len(findings.ids)
    assert len(findings.anomaly_scores) == len(findings.labels) == len(findings.reasons) == n
    assert np.isfinite(findings.anomaly_scores).all()
    assert sorted(findings.rank) == list(range(1, n + 1))
    assert (findings.labels == (findings.anomaly_scores > findings.threshold)).all()
    assert all(findings.reasons[row] for row in np.flatnonzero(findings.labels))
    low, high = findings.contamination_interval
    assert 0 <= low <= findings.contamination <= high <= 0.5


class TestSameDataSameScores:
    def test_of_a_table(self, tmp_path: Path) -> None:
        path = make_table(tmp_path / "t.csv")
        frame = pd.read_csv(path)
        frame.to_parquet(tmp_path / "t.parquet")
        frame.to_json(tmp_path / "t.jsonl", orient="records", lines=True)
        sources = [
            path, str(path), tmp_path / "t.parquet", tmp_path / "t.jsonl", frame,
            frame.set_index(frame.index + 7), pl.read_csv(path), pa.Table.from_pandas(frame),
        ]  # fmt: skip
        expected = dross.find(path, **quick("isolation_forest")).anomaly_scores
        for source in sources:
            found = dross.find(source, **quick("isolation_forest"))
            np.testing.assert_array_equal(found.anomaly_scores, expected)
            assert found.ids.tolist() == list(range(60))

    def test_of_an_array(self, tmp_path: Path) -> None:
        X = normal()
        np.save(tmp_path / "x.npy", X)
        np.savez(tmp_path / "x.npz", X=X, y=np.zeros(60))
        np.savez_compressed(tmp_path / "c.npz", X=X)
        expected = dross.find(X).anomaly_scores
        for source in (
            tmp_path / "x.npy",
            tmp_path / "x.npz",
            tmp_path / "c.npz",
            pd.DataFrame(X),
            np.asfortranarray(X),
        ):
            np.testing.assert_array_equal(dross.find(source).anomaly_scores, expected)

    def test_of_images(self, tmp_path: Path) -> None:
        pixels = np.random.default_rng(0).integers(0, 256, (20, 16, 16), dtype=np.uint8)
        np.save(tmp_path / "x.npy", pixels)
        expected = dross.find(pixels, detector="pca").anomaly_scores
        for source in (tmp_path / "x.npy", pixels[:, None], pixels[..., None]):
            np.testing.assert_array_equal(dross.find(source, detector="pca").anomaly_scores, expected)

    @pytest.mark.parametrize("name", FOR_TABLES)
    def test_two_runs(self, name: str) -> None:
        a, b = (dross.find(normal(), **quick(name)) for _ in range(2))
        np.testing.assert_array_equal(a.anomaly_scores, b.anomaly_scores)
        assert a.reasons == b.reasons
        assert a.summary["key"] == b.summary["key"]

    @pytest.mark.parametrize("name", FOR_TABLES)
    def test_findings_and_model_agree(self, name: str, tmp_path: Path) -> None:
        path = make_table(tmp_path / "t.csv")
        found = dross.find(path, **quick(name))
        whole(found)
        scores = found.model.anomaly_score(path)
        assert np.array_equal(scores, found.anomaly_scores) != (name in LEAVE_ONE_OUT)


class TestOptions:
    def test_detector_by_name_or_as_an_object(self) -> None:
        X = normal()
        by_name = dross.find(X, detector="knn", parameters={"n_neighbors": 3})
        by_object = dross.find(X, detector=KNN(n_neighbors=3))
        np.testing.assert_array_equal(by_name.anomaly_scores, by_object.anomaly_scores)
        assert by_object.summary["detector_parameters"]["n_neighbors"] == 3

    def test_object_is_left_alone_and_what_is_given_here_goes_before(self) -> None:
        X, detector = normal(), IsolationForest(n_estimators=7, contamination=0.2)
        before = detector.get_params()
        found = dross.find(X, detector=detector)
        assert (found.contamination, found.summary["detector_parameters"]["n_estimators"]) == (0.2, 7)
        found = dross.find(X, detector=detector, contamination=0.1, parameters={"n_estimators": 9})
        assert (found.contamination, found.summary["detector_parameters"]["n_estimators"]) == (0.1, 9)
        assert detector.get_params() == before
        assert not hasattr(detector, "offset_")
        deep = dross.find(X, detector=AutoEncoder(max_epochs=5), epochs=2)
        assert len(deep.history) == 2

    def test_seed_of_an_object(self) -> None:
        X = normal()
        a, b = (dross.find(X, detector=IsolationForest()) for _ in range(2))
        np.testing.assert_array_equal(a.anomaly_scores, b.anomaly_scores)
        assert a.summary["seed"] == 0
        own = dross.find(X, detector=IsolationForest(random_state=5))
        np.testing.assert_array_equal(
            own.anomaly_scores, dross.find(X, random_state=5, detector="isolation_forest").anomaly_scores
        )
        assert own.summary["seed"] == 5

    def test_numpy_numbers_as_parameters_are_saved(self, tmp_path: Path) -> None:
        found = dross.find(normal(), detector=KNN(n_neighbors=np.int64(3)), contamination=np.float32(0.25))
        found.save(tmp_path / "r")
        assert dross.load(tmp_path / "r/model.dross").detector.get_params()["n_neighbors"] == 3

    def test_only_registered_detectors(self) -> None:
        class Own(KNN):
            pass

        with pytest.raises(ParameterError, match="not registered"):
            dross.find(normal(), detector=Own())
        for wrong in (KNN, 3, None):
            with pytest.raises(ParameterError, match="a name or a detector"):
                dross.find(normal(), detector=wrong)  # type: ignore[arg-type]

    def test_top(self) -> None:
        X = normal()
        for top in (0, 1, 7, 1000):
            found = dross.find(X, detector="knn", top=top, contamination=0.05)
            assert [finding.rank for finding in found.top] == list(range(1, min(top, 60) + 1))
            assert sum(reason is not None for reason in found.reasons) == min(max(top, 3), 60)
        with pytest.raises(ParameterError, match="top"):
            dross.find(X, top=-1)

    def test_monitor_is_told_every_stage(self) -> None:
        class Listening(Monitor):
            def __init__(self) -> None:
                super().__init__()
                self.stages: list[str] = []

            def stage(self, name: str) -> None:
                self.stages.append(name)

        monitor = Listening()
        found = dross.find(normal(), monitor=monitor)
        assert (
            monitor.stages
            == ["reading", "encoding", "fitting", "explaining"]
            == list(found.summary["seconds"])
        )

    @pytest.mark.parametrize(
        "data",
        [
            [[1, 2]],
            None,
            7,
            {"a": [1]},
            np.zeros(5),
            np.zeros((0, 3)),
            np.zeros((9, 0)),
            np.zeros((9, 2), "c16"),
        ],
    )
    def test_data_of_other_kinds(self, data: Any) -> None:
        with pytest.raises(InputError):
            dross.find(data)

    def test_expected_key(self) -> None:
        X = normal()
        key = dross.find(X, detector="knn").summary["key"]
        dross.find(X, detector="knn", expected_key=key)
        for other in (X * 2, X[:, ::-1], X[1:]):
            with pytest.raises(InputError, match="other data"):
                dross.find(other, detector="knn", expected_key=key)


class TestOddData:
    """Each goes through the whole job, with every detector where it matters."""

    def run(self, X: Any, tmp_path: Path, **options: Any) -> dross.Findings:
        found = dross.find(X, **options)
        whole(found)
        found.save(tmp_path / "r")
        model = dross.load(tmp_path / "r/model.dross")
        np.testing.assert_array_equal(model.anomaly_score(X), found.model.anomaly_score(X))
        return found

    @pytest.mark.parametrize("name", FOR_TABLES)
    @pytest.mark.parametrize(
        "X",
        [
            normal(n=5),
            normal(n=257, d=1),
            np.repeat(normal(n=10), 10, axis=0),
            np.vstack([np.zeros((50, 3)), normal(n=5)]),
            np.hstack([normal(), normal() * 1e300, normal() * 1e-300, normal() * 1e-320]),
            np.where(np.arange(300).reshape(100, 3) % 7 == 0, np.nan, np.tile(normal(n=50), (2, 1))),
            (normal() > 0).astype(bool),
            np.arange(180).reshape(60, 3) % 7,
            np.array([-1.7e308, 1.7e308, 0, 5e-324] * 10)[:, None] * np.ones(3),
        ],
        ids=[
            "few",
            "one column",
            "duplicates",
            "zeros",
            "magnitudes",
            "missing",
            "booleans",
            "integers",
            "extremes",
        ],
    )
    def test_tables(self, name: str, X: NDArray[Any], tmp_path: Path) -> None:
        self.run(X, tmp_path, **quick(name), top=3)

    def test_magnitudes_change_nothing(self) -> None:
        X = normal()
        expected = dross.find(X, detector="knn").anomaly_scores
        for factor in (1e300, 1e-300):
            np.testing.assert_allclose(
                dross.find(X * factor, detector="knn").anomaly_scores, expected, rtol=1e-5
            )

    def test_infinities_are_counted_and_are_the_reason(self, tmp_path: Path) -> None:
        X = normal()
        X[7, 1], X[9, 2], X[11, 2] = np.inf, -np.inf, np.nan
        found = self.run(X, tmp_path, top=60)
        assert "infinite" in str(found.reasons[7])
        assert "infinite" in str(found.reasons[9])
        assert "infinite" not in str(found.reasons[11])
        assert {7, 9} <= set(np.argsort(found.rank)[:5])
        notes = " ".join(found.notes)
        assert "column '1': 1 infinite" in notes
        assert "column '2': 1 infinite" in notes

    def test_many_columns(self, tmp_path: Path) -> None:
        X = normal(n=50, d=10_000)
        X[3, 77] = 50
        found = self.run(X, tmp_path, **quick("guarded_forest"), top=2)
        assert found.model.detector.input_shape_[0] >= 10_000

    def test_unicode_names(self, tmp_path: Path) -> None:
        frame = pd.DataFrame(normal(), columns=["größe", "重さ 📏", "a\nb"])
        frame["naïve 'quoted\""] = ["ключ", "ñandú", "🙂"] * 20
        found = self.run(frame, tmp_path)
        assert "größe" in str(found.reasons[0]) or "重さ" in str(found.reasons[0])
        assert "重さ 📏" in (tmp_path / "r/anomalies.csv").read_text(encoding="utf-8")
        assert "größe" in (tmp_path / "r/report.html").read_text(encoding="utf-8")
        pictures = make_pictures(tmp_path / "bilder ö")
        (pictures / "001.png").rename(pictures / "日本 <b>&.png")
        found = dross.find(pictures, detector="knn")
        found.save(tmp_path / "p")
        assert "日本 <b>&.png" in found.ids

    def test_names_that_are_no_unicode(self, tmp_path: Path) -> None:
        pictures = make_pictures(tmp_path / "p")
        (pictures / "000.png").rename(os.fsdecode(bytes(pictures) + b"/\xff\xfe.png"))
        found = dross.find(pictures, detector="knn")
        found.save(tmp_path / "r")
        assert len(found.ids) == 20

    @pytest.mark.parametrize("name", registry.DETECTORS)
    def test_images_and_texts(self, name: str, tmp_path: Path) -> None:
        if "table" in registry.get(name).input_kinds:
            texts = make_texts(tmp_path / "l.txt")
            self.run(texts, tmp_path, **quick(name), kind="text", top=2)
        if "image" in registry.get(name).input_kinds:
            pictures = make_pictures(tmp_path / "p", n=7)
            self.run(pictures, tmp_path, **quick(name), top=2)

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64, bool])
    def test_images_of_any_type(self, dtype: Any, tmp_path: Path) -> None:
        X = (np.random.default_rng(0).random((12, 20, 24)) * 1.5).round().astype(dtype)
        self.run(X, tmp_path, detector="pca", top=2)

    def test_detector_that_does_not_take_the_data(self) -> None:
        for name in registry.DETECTORS:
            if "image" not in registry.get(name).input_kinds:
                with pytest.raises(DrossError, match=name):
                    dross.find(np.zeros((9, 16, 16)) + np.arange(9)[:, None, None], detector=name)
            if "table" not in registry.get(name).input_kinds:
                with pytest.raises(DrossError, match=name):
                    dross.find(normal(), detector=name)


@pytest.mark.parametrize(
    "wrong",
    [{"random_state": -1}, {"random_state": 0.5}, {"top": None}, {"device": "tpu"}, {"precision": "64"}],
)
def test_wrong_options_are_told_before_anything_is_read(wrong: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        dross.find("there is no such file", detector="knn", **wrong)


@pytest.mark.parametrize("seed", [np.random.RandomState(5), np.int64(3)])
def test_the_reported_seed_repeats_the_run(seed: Any) -> None:
    found = dross.find(normal(), detector=IsolationForest(n_estimators=5, random_state=seed))
    again = dross.find(normal(), detector=IsolationForest(n_estimators=5), random_state=found.summary["seed"])
    np.testing.assert_array_equal(found.anomaly_scores, again.anomaly_scores)
    assert found.summary["key"] == again.summary["key"]


def test_columns_of_the_flagged_rows_have_names_of_their_own(tmp_path: Path) -> None:
    frame = pd.DataFrame(normal(), columns=["rank", "original_rank", "x"])
    folder = dross.find(frame, contamination=0.1).save(tmp_path / "out")
    names = (folder / "anomalies.csv").read_text().splitlines()[0].split(",")
    assert names[-3:] == ["original_rank", "original_rank.1", "x"]


def test_labels_change_nothing() -> None:
    frame = pd.DataFrame(normal(), columns=["a", "b", "c"])
    rng = np.random.default_rng(0)
    expected = dross.find(frame)
    for _ in range(2):
        labels = rng.permutation([1] * 6 + [0] * 54)
        found = dross.find(frame.assign(label=labels), label_column="label")
        np.testing.assert_array_equal(found.anomaly_scores, expected.anomaly_scores)
        assert found.reasons == expected.reasons
        assert found.threshold == expected.threshold
        assert found.metrics is not None
        assert found.metrics["n_anomalies"] == 6


def test_fitting_needs_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    dross.find(normal(), detector="autoencoder", epochs=1)
    assert list(tmp_path.iterdir()) == []
