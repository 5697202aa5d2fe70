"""Model files: what was saved comes back to the bit; what is damaged or hostile is refused."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from numpy.typing import NDArray
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

import dross
from command_line import dross as run_dross
from command_line import make_pictures, make_table, make_texts
from dross import registry
from dross.errors import InputError, ModelFileError, ParameterError
from dross.model_file import FORMAT_VERSION, read_model_file, write_model_file
from quick import LEAVE_ONE_OUT, quick

FEW_TREES = {name: {"n_estimators": 5} for name in ("guarded_forest", "isolation_forest")}

Values, Arrays = dict[str, Any], dict[str, NDArray[Any]]


def find(data: Any, detector: str, **options: Any) -> dross.Findings:
    return dross.find(
        data, detector=detector, parameters=quick(detector) | FEW_TREES.get(detector, {}), **options
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("data")
    return {
        "table": make_table(folder / "t.csv"),
        "image": make_pictures(folder / "pictures"),
        "text": make_texts(folder / "l.txt"),
    }


@pytest.fixture(scope="module")
def models(data: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of one model for each detector, fitted on a table where it takes one."""
    folder = tmp_path_factory.mktemp("models")
    for name in registry.DETECTORS:
        family = "table" if "table" in registry.get(name).input_kinds else "image"
        find(data[family], name).model.save(folder / f"{name}.dross")
    find(data["text"], "knn", kind="text").model.save(folder / "text.dross")
    find(data["image"], "autoencoder").model.save(folder / "image.dross")
    return folder


class TestRoundTrip:
    @pytest.mark.parametrize(
        ("name", "family"),
        [
            (name, family)
            for name in registry.DETECTORS
            for family in ("table", "image", "text")
            if ("image" if family == "image" else "table") in registry.get(name).input_kinds
        ],
    )
    def test_scores_are_equal_to_the_bit(
        self, name: str, family: str, data: dict[str, Path], tmp_path: Path
    ) -> None:
        found = find(data[family], name, kind=family)
        found.model.save(tmp_path / "m.dross")
        model = dross.load(tmp_path / "m.dross")
        scores = model.anomaly_score(data[family])
        np.testing.assert_array_equal(scores, found.model.anomaly_score(data[family]))
        if name not in LEAVE_ONE_OUT:
            np.testing.assert_array_equal(scores, found.anomaly_scores)
        assert model.threshold == found.threshold
        again, before = model.score(data[family]), found.model.score(data[family])
        assert again.reasons == before.reasons
        assert again.labels.tolist() == before.labels.tolist()
        model.save(tmp_path / "again.dross")
        np.testing.assert_array_equal(
            dross.load(tmp_path / "again.dross").anomaly_score(data[family]), scores
        )

    def test_rows_are_scored_one_by_one_as_together(self, data: dict[str, Path], models: Path) -> None:
        model = dross.load(models / "isolation_forest.dross")
        header, *lines = data["table"].read_text().splitlines()
        together = model.anomaly_score(data["table"])
        one = data["table"].with_name("one.csv")
        for number in (0, 7):
            one.write_text(f"{header}\n{lines[number]}\n")
            assert model.anomaly_score(one).tolist() == [together[number]]

    def test_model_trained_on_a_gpu_scores_without_one(self, models: Path, tmp_path: Path) -> None:
        import torch

        if torch.cuda.is_available():
            pytest.skip("there is a GPU")
        path = rewritten(
            models / "autoencoder.dross", tmp_path, set_value("cuda", "detector", "parameters", "device")
        )
        assert dross.load(path).detector.device_ == "cpu"

    def test_nothing_is_pickled(self, models: Path) -> None:
        for path in models.iterdir():
            values, arrays = read_model_file(path)
            assert values["format_version"] == FORMAT_VERSION
            for array in arrays.values():
                assert array.dtype.kind in "biuf"

    def test_callers_generator_is_left_alone(self, models: Path) -> None:
        import torch

        before = torch.get_rng_state()
        dross.load(models / "image.dross")
        assert torch.equal(torch.get_rng_state(), before)


def write_zip(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=compression)
    return path


def members_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewritten(path: Path, folder: Path, change: Callable[[Values, Arrays], object]) -> Path:
    """Return a copy whose values and arrays went through a change."""
    members = members_of(path)
    values, arrays = json.loads(members["model.json"]), load_arrays(members["arrays.safetensors"])
    change(values, arrays)
    members = {"model.json": json.dumps(values).encode(), "arrays.safetensors": save_arrays(arrays)}
    return write_zip(folder / "changed.dross", members)


def set_value(value: Any, *keys: str) -> Callable[[Values, Arrays], None]:
    def change(values: Values, arrays: Arrays) -> None:
        place: Any = values
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value

    return change


def without(*keys: str) -> Callable[[Values, Arrays], None]:
    def change(values: Values, arrays: Arrays) -> None:
        place: Any = values
        for key in keys[:-1]:
            place = place[key]
        del place[keys[-1]]

    return change


def refused(path: Path, *words: str) -> None:
    """Loading raises, and the command line ends with one sentence."""
    with pytest.raises(ModelFileError) as error:
        dross.load(path)
    for word in words:
        assert word in str(error.value)
    assert run_dross("score", path, path).failed_with(*words)


class Exploit:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str, str]]:
        return open, (str(self.path), "w")


class TestFile:
    @pytest.mark.parametrize("content", [b"", b"model", b"PK\x03\x04", b"PK\x05\x06" + bytes(18)])
    def test_no_model(self, content: bytes, tmp_path: Path) -> None:
        (tmp_path / "m.dross").write_bytes(content)
        refused(tmp_path / "m.dross", "no dross model")

    def test_missing_and_folder(self, tmp_path: Path) -> None:
        for path in (tmp_path, tmp_path / "nowhere.dross"):
            with pytest.raises(InputError, match="no model file"):
                dross.load(path)

    def test_pickle(self, tmp_path: Path, models: Path) -> None:
        mark = tmp_path / "executed"
        bomb = pickle.dumps(Exploit(mark))
        (tmp_path / "m.dross").write_bytes(bomb)
        refused(tmp_path / "m.dross", "no dross model")
        for member in ("model.json", "arrays.safetensors"):
            members = members_of(models / "knn.dross") | {member: bomb}
            refused(write_zip(tmp_path / "z.dross", members), "z.dross")
        path = rewritten(
            models / "knn.dross", tmp_path, lambda v, a: a.update({"detector/estimator": as_bytes(bomb)})
        )
        refused(path, "stored estimator")
        assert not mark.exists()

    @pytest.mark.parametrize("share", [0.05, 0.5, 0.95, 0.999])
    def test_cut_short(self, share: float, tmp_path: Path, models: Path) -> None:
        data = (models / "knn.dross").read_bytes()
        (tmp_path / "m.dross").write_bytes(data[: int(share * len(data))])
        refused(tmp_path / "m.dross", "no dross model")

    @pytest.mark.parametrize("place", [0.1, 0.3, 0.5, 0.7, 0.9])
    def test_flipped_bytes_are_noticed(self, place: float, tmp_path: Path, models: Path) -> None:
        data = bytearray((models / "knn.dross").read_bytes())
        data[int(place * len(data))] ^= 0xFF
        (tmp_path / "m.dross").write_bytes(data)
        refused(tmp_path / "m.dross", "m.dross")

    @pytest.mark.parametrize("version", [FORMAT_VERSION + 1, 10**30, 0, -1, "1", None, 1.5, [1]])
    def test_other_versions(self, version: Any, tmp_path: Path, models: Path) -> None:
        path = rewritten(models / "knn.dross", tmp_path, set_value(version, "format_version"))
        refused(path, "model format", "up to 1")

    @pytest.mark.parametrize(
        "values",
        [
            b"",
            b"{",
            b"[]",
            b"7",
            b'"model"',
            b"\xff\xfe",
            b"[" * 100_000,
            b"{}",
            b'{"format": "dross-model"}',
        ],
    )
    def test_values_that_are_none(self, values: bytes, tmp_path: Path, models: Path) -> None:
        members = members_of(models / "knn.dross") | {"model.json": values}
        refused(write_zip(tmp_path / "m.dross", members), "no dross model", "model.json")

    def test_foreign_format(self, tmp_path: Path, models: Path) -> None:
        refused(rewritten(models / "knn.dross", tmp_path, set_value("other", "format")), "no dross model")

    @pytest.mark.parametrize("member", ["model.json", "arrays.safetensors"])
    def test_missing_members(self, member: str, tmp_path: Path, models: Path) -> None:
        members = members_of(models / "knn.dross")
        del members[member]
        refused(write_zip(tmp_path / "m.dross", members), member.partition(".")[0])

    @pytest.mark.parametrize("name", ["/etc/passwd", "../up", "a/../../up", "C:\\x", "..\\up", "\\\\host\\x"])
    def test_unsafe_names(self, name: str, tmp_path: Path, models: Path) -> None:
        members = members_of(models / "knn.dross") | {name: b"x"}
        refused(write_zip(tmp_path / "m.dross", members), "unsafe name")
        inside = write_zip(tmp_path / "e.zip", {"schema.json": b"{}", name: b"x"}).read_bytes()
        path = rewritten(
            models / "knn.dross", tmp_path, lambda v, a: a.update({"detector/estimator": as_bytes(inside)})
        )
        refused(path, "unsafe name")

    def test_compressed_members(self, tmp_path: Path, models: Path) -> None:
        """What is not compressed cannot unpack to more than it is."""
        bomb = write_zip(tmp_path / "m.dross", {"model.json": b" " * 10**7}, zipfile.ZIP_DEFLATED)
        assert bomb.stat().st_size < 20_000
        refused(bomb, "compressed")
        inside = as_bytes(
            write_zip(tmp_path / "e.zip", {"schema.json": b" " * 10**7}, zipfile.ZIP_DEFLATED).read_bytes()
        )
        path = rewritten(
            models / "knn.dross", tmp_path, lambda v, a: a.update({"detector/estimator": inside})
        )
        refused(path, "compressed")

    @pytest.mark.parametrize(("size", "words"), [(2**32 - 2, "GiB"), (2**30, "damaged"), (3, "damaged")])
    def test_false_sizes(self, size: int, words: str, tmp_path: Path, models: Path) -> None:
        data = (models / "knn.dross").read_bytes()
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            (true,) = (m.file_size for m in archive.infolist() if m.filename == "arrays.safetensors")
        central = data.rindex(b"PK\x01\x02")
        entry = bytearray(data[central:])
        for place in (20, 24):
            assert int.from_bytes(entry[place : place + 4], "little") == true
            entry[place : place + 4] = size.to_bytes(4, "little")
        (tmp_path / "m.dross").write_bytes(data[:central] + bytes(entry))
        refused(tmp_path / "m.dross", words)

    def test_absurd_sizes(self, tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("dross.estimator_file.MAX_BYTES", 1000)
        refused(models / "knn.dross", "unpacks to", "GiB")

    @pytest.mark.parametrize("length", [2**63, 2**40, 10**6])
    def test_absurd_safetensors(self, length: int, tmp_path: Path, models: Path) -> None:
        header = json.dumps(
            {"a": {"dtype": "F64", "shape": [length], "data_offsets": [0, length * 8]}}
        ).encode()
        members = members_of(models / "knn.dross")
        members["arrays.safetensors"] = len(header).to_bytes(8, "little") + header
        refused(write_zip(tmp_path / "m.dross", members), "arrays cannot be read")
        members["arrays.safetensors"] = (length).to_bytes(8, "little") + header
        refused(write_zip(tmp_path / "m.dross", members), "arrays cannot be read")

    def test_unknown_number_formats(self, tmp_path: Path, models: Path) -> None:
        header = json.dumps({"a": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}).encode()
        members = members_of(models / "knn.dross")
        members["arrays.safetensors"] = len(header).to_bytes(8, "little") + header + bytes(4)
        refused(write_zip(tmp_path / "m.dross", members), "m.dross")


def as_bytes(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8)


class Foreign:
    """A class that no model file may hold."""


class TestForeignClasses:
    @pytest.mark.parametrize("holder", [lambda x: x, lambda x: [x], lambda x: {"a": x}])
    def test_refused_by_name(self, holder: Any, tmp_path: Path, models: Path) -> None:
        stored = as_bytes(skops.io.dumps(holder(Foreign())))
        path = rewritten(
            models / "knn.dross", tmp_path, lambda v, a: a.update({"detector/estimator": stored})
        )
        refused(path, "foreign classes", "Foreign")

    def test_functions_are_foreign(self, tmp_path: Path, models: Path) -> None:
        import os

        stored = as_bytes(skops.io.dumps(os.system))
        path = rewritten(
            models / "knn.dross", tmp_path, lambda v, a: a.update({"detector/estimator": stored})
        )
        refused(path, "foreign classes", "system")

    def test_another_estimator(self, tmp_path: Path, models: Path) -> None:
        from sklearn.linear_model import LinearRegression

        stored = as_bytes(skops.io.dumps(LinearRegression()))
        path = rewritten(
            models / "knn.dross", tmp_path, lambda v, a: a.update({"detector/estimator": stored})
        )
        refused(path, "LinearRegression")

    def test_unknown_parts(self, tmp_path: Path, models: Path) -> None:
        path = models / "knn.dross"
        for value, keys in (("os", ("family",)), ("os:system", ("detector", "name")), ([], ("family",))):
            refused(
                rewritten(path, tmp_path, set_value(value, *keys)), "changed.dross" if value == [] else "os"
            )


CHANGES: list[tuple[str, Callable[[Values, Arrays], Any]]] = [
    *[
        ("knn", without(key))
        for key in ("family", "detector", "features", "options", "about")
    ],
    *[("knn", set_value(None, key)) for key in ("family", "detector", "features", "options")],
    ("knn", without("detector", "base")),
    ("knn", without("detector", "base", "offset")),
    ("knn", set_value("high", "detector", "base", "offset")),
    ("knn", set_value(float("nan"), "detector", "base", "offset")),
    ("knn", set_value([2], "detector", "base", "input_shape")),
    ("knn", set_value([10**12], "detector", "base", "input_shape")),
    ("knn", set_value("ab", "detector", "base", "input_shape")),
    ("knn", set_value({"shell": "rm"}, "detector", "parameters")),
    ("knn", set_value({"nonsense": 1}, "options")),
    ("knn", set_value([], "features", "encodings")),
    ("knn", set_value([{"role": "os"}], "features", "encodings")),
    ("knn", lambda v, a: a.pop("detector/estimator") is None),
    ("knn", lambda v, a: a.pop("score_quantiles") is None),
    ("knn", lambda v, a: a.update(score_quantiles=np.full(5, np.nan))),
    ("knn", lambda v, a: a.update(score_quantiles=np.ones((2, 2)))),
    ("knn", lambda v, a: a.update({"detector/estimator": np.ones((3, 3))})),
    ("kde", lambda v, a: a.update({"detector/kept": a["detector/kept"][:, :-1]})),
    ("kde", lambda v, a: a.update({"detector/kept": a["detector/kept"][0]})),
    ("kde", lambda v, a: a.update({"detector/kept": np.full_like(a["detector/kept"], np.nan)})),
    ("kde", set_value("wide", "detector", "bandwidth")),
    ("autoencoder", lambda v, a: a.update({"detector/center": a["detector/center"][:-1]})),
    ("autoencoder", lambda v, a: a.update({"detector/scale": np.ones((7, 7))})),
    ("autoencoder", lambda v, a: a.update({"detector/center": np.full_like(a["detector/center"], np.nan)})),
    ("autoencoder", lambda v, a: a.update({n: x.T.copy() for n, x in a.items() if "weight" in n})),
    ("autoencoder", lambda v, a: a.update({n: x[:-1] for n, x in a.items() if "weight" in n})),
    ("autoencoder", lambda v, a: a.update({n: x.astype(int) for n, x in a.items() if "weight" in n})),
    ("autoencoder", lambda v, a: a.update({n: x.astype(np.float64) for n, x in a.items() if "weight" in n})),
    ("autoencoder", set_value([10**9, 10**9], "detector", "parameters", "hidden_sizes")),
    ("autoencoder", set_value("wide", "detector", "parameters", "hidden_sizes")),
    ("autoencoder", set_value(None, "detector", "parameters", "device")),
    ("text", lambda v, a: a.update({"features/idf": a["features/idf"][:3]})),
    ("text", lambda v, a: a.update({"features/projection": a["features/projection"].T.copy()})),
    ("text", set_value("pickle", "features", "analyzer")),
    ("text", set_value(7, "features", "terms")),
    ("image", set_value([1, 8, 8], "features", "shape")),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(CHANGES)))
@pytest.mark.filterwarnings("ignore")
def test_parts_that_do_not_fit(case: int, tmp_path: Path, models: Path) -> None:
    name, change = CHANGES[case]
    path = rewritten(models / f"{name}.dross", tmp_path, change)
    refused(path, "changed.dross")
    assert run_dross("inspect", path).code in (0, 2)


def test_files_of_an_installation_are_loaded_by_name_only(models: Path, tmp_path: Path) -> None:
    """A member more is neither read nor unpacked."""
    members = members_of(models / "knn.dross") | {"extra/sitecustomize.py": b"raise SystemExit"}
    dross.load(write_zip(tmp_path / "m.dross", members))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.dross"]


def test_write_refuses_what_json_cannot_say(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        write_model_file(tmp_path / "m.dross", {"a": float("nan")}, {})


@pytest.mark.parametrize("share", [0, -0.1, 0.6, 1, float("nan")])
def test_share_out_of_range(share: float, models: Path, data: dict[str, Path]) -> None:
    with pytest.raises(ParameterError, match=r"\(0, 0\.5\]"):
        dross.load(models / "pca.dross").score(data["table"], contamination=share)
