"""What is recognised, by content, and what is refused."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from PIL import Image

from dross.errors import InputError
from dross.sources import open_source
from dross.sources.base import ReadOptions
from dross.sources.recognise import Recognised, recognise

CSV = b"a,b\n" + b"1,x\n2,y\n3,z\n" * 20
TEXT = b"It was a dark night. Rain fell, and fell.\nNobody came\nso we left, late; and tired.\n"
TABLE = pa.table({"a": [1, 2], "b": ["x", "y"]})


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (20, 20), 7).save(buffer, "PNG")
    return buffer.getvalue()


def archive(kind: str, members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w") as packed:
            for name, content in members.items():
                packed.writestr(name, content)
    else:
        with tarfile.open(fileobj=buffer, mode=f"w:{kind}") as packed:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                packed.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def arrow(*, stream: bool) -> bytes:
    buffer = io.BytesIO()
    new = pa.ipc.new_stream if stream else pa.ipc.new_file
    with new(buffer, TABLE.schema) as writer:
        writer.write_table(TABLE)
    return buffer.getvalue()


def parquet() -> bytes:
    buffer = io.BytesIO()
    pa.parquet.write_table(TABLE, buffer)
    return buffer.getvalue()


def numpy_file() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.eye(3))
    return buffer.getvalue()


def numpy_archive() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, X=np.eye(3), y=np.ones(3))
    return buffer.getvalue()


def spreadsheet() -> bytes:
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(["a", "b"])
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "kind", "form"),
    [
        (CSV, "table", "delimited"),
        (gzip.compress(CSV), "table", "delimited"),
        ("a;b\n1,5;x\n2,5;y\n".encode("utf-16"), "table", "delimited"),
        (b"1 2 3\n4 5 6\n7 8 9\n", "table", "delimited"),
        (b"1.5\n2.5\n3.5\n", "table", "delimited"),
        (b'{"a": 1}\n{"a": 2}\n', "table", "jsonl"),
        (TEXT, "text", "lines"),
        (gzip.compress(TEXT), "text", "lines"),
        (b"cat\ndog\ncow\n", "text", "lines"),
        (b"Hello, world\n", "text", "lines"),
        (parquet(), "table", "parquet"),
        (arrow(stream=False), "table", "arrow"),
        (arrow(stream=True), "table", "arrow-stream"),
        (numpy_file(), "array", "npy"),
        (numpy_archive(), "array", "npz"),
        (spreadsheet(), "table", "xlsx"),
        (png(), "image", "image"),
        (archive("zip", {"a.png": png(), "b.png": png()}), "image", "zip"),
        (archive("zip", {"a.txt": TEXT}), "text", "zip"),
        (archive("gz", {"a.png": png()}), "image", "tar"),
        (archive("xz", {"x/a": TEXT}), "text", "tar"),
    ],
)
def test_content_decides(tmp_path: Path, content: bytes, kind: str, form: str) -> None:
    path = tmp_path / "thing.bin"  # the name tells nothing
    path.write_bytes(content)
    assert recognise(path) == Recognised(kind, form)  # type: ignore[arg-type]


def test_a_name_decides_where_the_content_leaves_it_open(tmp_path: Path) -> None:
    (tmp_path / "animals.csv").write_bytes(b"animal\ncat\ndog\n")
    assert recognise(tmp_path / "animals.csv").kind == "table"


def test_folders(tmp_path: Path) -> None:
    for name, content in (("images/a.jpg", png()), ("texts/a", TEXT)):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(content)
    assert recognise(tmp_path / "images") == Recognised("image", "folder")
    assert recognise(tmp_path / "texts") == Recognised("text", "folder")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (gzip.compress(b""), "is empty"),
        (bytes(range(256)) * 20, "no known format"),
        (gzip.compress(bytes(range(256))), "compressed binary"),
        (gzip.compress(os.urandom(5000))[:2000], "cannot be read"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "old or encrypted Office"),
        (b"\x80\x04\x95\x10", "never loaded"),
        (spreadsheet()[:900], "damaged or cut-off"),
        (archive("zip", {"[Content_Types].xml": b"<a/>", "word/document.xml": b"<a/>"}), "no spreadsheet"),
        (b'[{"a": 1},\n {"a": 2}]', "JSON lines"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "thing"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        recognise(path)


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, message in [
        (tmp_path / "pipe", "neither a file nor a folder"),
        (Path("/dev/null"), "neither a file nor a folder"),
        (tmp_path / "nothing.csv", "no file or folder"),
        (Path("nul\0byte"), "cannot be read"),
        (tmp_path, "neither images nor texts"),
    ]:
        with pytest.raises(InputError, match=message):
            recognise(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "secret.csv"
    path.write_bytes(CSV)
    path.chmod(0)
    with pytest.raises(InputError, match="permission"):
        recognise(path)


def test_forced_kinds(tmp_path: Path) -> None:
    path = tmp_path / "thing.txt"
    path.write_bytes(TEXT)
    assert open_source(path).kind == "text"
    path.write_bytes(b"cat\ndog\ncow\n")
    assert open_source(path, ReadOptions(kind="table")).kind == "table"
    path.write_bytes(CSV)
    assert open_source(path, ReadOptions(kind="text")).kind == "text"
    assert open_source(path, ReadOptions(text_column="b")).kind == "text"
    with pytest.raises(InputError, match="cannot be read as image"):
        open_source(path, ReadOptions(kind="image"))
    with pytest.raises(InputError, match="cannot be read as text"):
        open_source(np.eye(3), ReadOptions(kind="text"))


def test_naming_a_column_makes_it_a_table(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_bytes(b"note\nno delimiter here\nnor there\n")
    assert len(open_source(path)) == 3
    assert len(open_source(path, ReadOptions(text_column="note"))) == 2


@pytest.mark.parametrize("data", [5, None, [[1, 2]], {"a": 1}])
def test_other_objects_are_refused(data: object) -> None:
    with pytest.raises(InputError, match="needed is a path, an array, or a pandas"):
        open_source(data)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("kddcup99_10_percent.gz", "table"),
        ("arrhythmia.data", "table"),
        ("ucfcrime_temporal_annotation.txt", "table"),
        ("20news.tar.gz", "text"),
        ("reuters21578.tar.gz", "text"),
        ("caltech101_11.tar.gz", "image"),
        ("cats_dogs_128.tar.gz", "image"),
        ("bccd.tar.gz", "image"),
        ("mnist.npz", "array"),
        ("README.md", "text"),
    ],
)
def test_real_files(data_dir: Path, name: str, kind: str) -> None:
    assert recognise(data_dir / name).kind == kind
