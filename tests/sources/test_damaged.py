"""Damaged and unusual files end in one sentence, whatever the reader underneath raises for them."""

from __future__ import annotations

import gzip
import json
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from command_line import dross
from dross.errors import InputError
from dross.sources import open_source
from dross.sources.base import ReadOptions

rng = np.random.default_rng(0)


def cut_records(path: Path) -> Path:
    """JSON lines, compressed, cut off beyond what recognising reads."""
    lines = "".join(json.dumps({"a": i, "b": rng.random()}) + "\n" for i in range(40_000))
    whole = gzip.compress(lines.encode())
    (path / "d.jsonl.gz").write_bytes(whole[: len(whole) - len(whole) // 4])
    return path / "d.jsonl.gz"


def flipped_csv(path: Path) -> Path:
    """A CSV in xz whose middle is damaged."""
    rows = "a,b\n" + "".join(f"{i},{rng.random()}\n" for i in range(60_000))
    content = bytearray(lzma.compress(rows.encode()))
    for place in range(len(content) * 3 // 4, len(content) * 3 // 4 + 40):
        content[place] ^= 0xFF
    (path / "d.csv.xz").write_bytes(content)
    return path / "d.csv.xz"


def damaged_spreadsheet(path: Path) -> Path:
    """A spreadsheet whose sheet does not unpack."""
    book = openpyxl.Workbook()
    for row in rng.random((400, 4)).tolist():
        book.active.append(row)
    book.save(path / "d.xlsx")
    content = bytearray((path / "d.xlsx").read_bytes())
    with zipfile.ZipFile(path / "d.xlsx") as archive:
        start = archive.getinfo("xl/worksheets/sheet1.xml").header_offset
    content[start + 200 : start + 400] = bytes(200)
    (path / "d.xlsx").write_bytes(content)
    return path / "d.xlsx"


def damaged_directory(path: Path) -> Path:
    """A zip whose list of files is damaged, its end is not."""
    with zipfile.ZipFile(path / "d.zip", "w") as archive:
        archive.writestr("a.txt", "some text")
    content = (path / "d.zip").read_bytes()
    (path / "d.zip").write_bytes(content.replace(b"PK\x01\x02", b"PK\x09\x09"))
    return path / "d.zip"


def damaged_pages(path: Path) -> Path:
    """A Parquet file whose end is sound and whose pages are not."""
    pq.write_table(pa.table({"a": rng.random(5_000), "b": rng.random(5_000)}), path / "d.parquet")
    content = bytearray((path / "d.parquet").read_bytes())
    content[4:2_000] = bytes(1_996)
    (path / "d.parquet").write_bytes(content)
    return path / "d.parquet"


@pytest.mark.parametrize(
    "make", [cut_records, flipped_csv, damaged_spreadsheet, damaged_directory, damaged_pages]
)
def test_damage_is_one_sentence(make: Callable[[Path], Path], tmp_path: Path) -> None:
    path = make(tmp_path)
    assert dross("find", path, "--out", tmp_path / "out").failed_with(path.name)
    assert not (tmp_path / "out").exists()


def test_a_table_in_utf_32_is_read_as_one(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("name,b\n" + "".join(f"grün,{i}\n" for i in range(8)), encoding="utf-32")
    source = open_source(path)
    assert source.columns == ["name", "b"]
    assert source.take([0]).column("name").to_pylist() == ["grün"]


def test_a_zip_of_arrays_holds_features(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        for name in ("a.npy", "b.npy"):
            np.save(tmp_path / name, rng.random((10, 32)))
            archive.write(tmp_path / name, name)
    assert len(open_source(tmp_path / "d.zip")) == 20
    assert open_source(tmp_path / "d.zip", ReadOptions(kind="features")).kind == "features"


@pytest.mark.parametrize(("shape", "kind"), [((9, 4, 4), "table"), ((9, 4), "image")])
def test_an_array_is_not_read_as_what_it_is_not(shape: tuple[int, ...], kind: str, tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", rng.random(shape))
    assert dross("find", tmp_path / "d.npy", "--kind", kind).failed_with("has shape", f"as {kind} it needs")


def test_the_name_of_an_array_is_of_use_in_npz_alone(tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", rng.random((9, 4)))
    assert dross("find", tmp_path / "d.npy", "--array", "X").failed_with("--array", "no use")
    np.savez(tmp_path / "d.npz", X=rng.random((9, 4)), Z=rng.random((9, 4)))
    assert dross("find", tmp_path / "d.npz", "--array", "X", "--out", tmp_path / "out").code == 0


@pytest.mark.parametrize(
    "values",
    [
        np.arange(9).astype("datetime64[h]"),
        np.arange(9).astype("datetime64[M]"),
        np.arange(9).astype(np.longdouble),
        np.array([[1, 2], None, "a", 2.5, np.nan, True, b"x", (1,), {}], dtype=object),
    ],
)
def test_columns_of_any_type_become_a_table(values: np.ndarray) -> None:
    array = np.empty((9, 1), values.dtype)
    array[:, 0] = values
    assert len(open_source(array)) == 9
    assert len(open_source(array).take(range(9))) == 9


def test_an_array_in_a_cell_is_text() -> None:
    array = np.empty((6, 1), object)
    for row in range(6):
        array[row, 0] = np.arange(row + 2)
    assert open_source(array).take([0]).column(0).to_pylist() == ["[0 1]"]


def test_a_text_that_changes_between_passes_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dross.sources import text

    monkeypatch.setattr(text, "_KEPT_CHARACTERS", 10)
    path = tmp_path / "d.txt"
    path.write_text("".join(f"this is line {i}\n" for i in range(20)))
    source = open_source(path, ReadOptions(kind="text"))
    path.write_text("this is line 0\n" * 5)
    with pytest.raises(InputError, match="has changed while it was read"):
        list(source.documents())
    with pytest.raises(InputError, match="has changed while it was read"):
        source.read([19])
