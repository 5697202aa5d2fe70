"""Texts as rows: lines, files and columns, in every encoding that is about."""

from __future__ import annotations

import bz2
import codecs
import contextlib
import gzip
import io
import lzma
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dross.errors import InputError
from dross.sources import text as module
from dross.sources.base import ReadOptions
from dross.sources.frames import frame_source
from dross.sources.tables import TableSource
from dross.sources.text import TextSource, decode_text, open_text, text_column

LINES = ["first line", "zweite Zeile: ä ö ü", "третья", "四行目", "fünfte 🙂"]


def open_file(path: Path, content: bytes) -> TextSource:
    path.write_bytes(content)
    return open_text(path)


def table_of(columns: dict[str, list[object]], **options: object) -> TableSource:
    return frame_source(pa.table(columns), ReadOptions(**options))  # type: ignore[arg-type]


# -- lines ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_in_unicode(tmp_path: Path, encoding: str, end: str) -> None:
    source = open_file(tmp_path / "x.txt", (end.join(LINES) + end).encode(encoding))
    assert list(source.documents()) == list(source.documents()) == LINES
    assert source.ids.tolist() == [0, 1, 2, 3, 4]
    assert source.ids.dtype == np.int64
    assert (source.kind, source.family, source.name, source.unreadable) == ("text", "text", "x.txt", [])


def test_a_mark_of_the_other_byte_order(tmp_path: Path) -> None:
    content = codecs.BOM_UTF16_BE + "\n".join(LINES).encode("utf-16-be")
    assert list(open_file(tmp_path / "x", content).documents()) == LINES


def test_each_line_is_decoded_for_itself(tmp_path: Path) -> None:
    source = open_file(tmp_path / "x.txt", "für\n".encode() + "für\n".encode("latin-1") + b"for")
    assert list(source.documents()) == ["für", "für", "for"]
    assert source.facts["encodings"] == {"utf-8": 2, "latin-1": 1}
    assert "1 texts read as latin-1, since they are not UTF-8" in source.notes


def test_blank_lines_leave_their_numbers(tmp_path: Path) -> None:
    source = open_file(tmp_path / "x.txt", b"\na\n \t\nb\n\na\n\n")
    assert source.ids.tolist() == [1, 3, 5]
    assert source.notes == ["3 texts", "1 exact duplicates of another text", "4 blank lines passed over"]
    assert source.take([2, 0]).to_pydict() == {"text": ["a", "a"]}


def test_only_line_ends_end_lines(tmp_path: Path) -> None:
    content = "a\x0bb\x0cc\x1cd\u2028e\x85f\nlast"
    assert list(open_file(tmp_path / "x.txt", content.encode()).documents()) == content.split("\n")


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_lines(tmp_path: Path, compress: object) -> None:
    source = open_file(tmp_path / "x.txt.z", compress("\n".join(LINES).encode()))  # type: ignore[operator]
    assert list(source.documents()) == LINES


def test_a_line_with_nul_is_listed(tmp_path: Path) -> None:
    source = open_file(tmp_path / "x.txt", b"text\n" * 2000 + b"a\0b\nend\n")
    assert len(source) == 2001
    assert [(item.id, item.reason) for item in source.unreadable] == [("2000", "binary content, no text")]


def test_a_truncated_gzip_keeps_its_beginning(tmp_path: Path) -> None:
    lines = [f"{i} {hash(str(i))}" for i in range(20_000)]
    content = gzip.compress("\n".join(lines).encode())
    source = open_file(tmp_path / "x.gz", content[: len(content) // 2])
    assert 1000 < len(source) < 19_000
    assert any("damaged or cut off after line" in note for note in source.notes)
    assert next(source.documents()) == lines[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no readable text"),
        (b"\n \n", "no readable text"),
        (b"\x89PNG\r\n\x1a\n\0\0", "is not text: it holds binary data"),
        (gzip.compress(b"text" * 1000)[:15], "cannot be read"),
    ],
)
def test_no_text(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_file(tmp_path / "x", content)


def test_texts_beyond_the_limit_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.txt"
    kept = open_file(path, b"\n".join(b"%d" % i for i in range(50)))
    monkeypatch.setattr(module, "_KEPT_CHARACTERS", 20)
    streamed = open_text(path)
    assert kept.kept is not None
    assert streamed.kept is None
    assert list(streamed.documents()) == list(streamed.documents()) == list(kept.documents())
    assert streamed.read([7, 3, 3]) == kept.read([7, 3, 3]) == ["7", "3", "3"]
    assert streamed.read([]) == []
    assert streamed.take([49]).to_pydict() == {"text": ["49"]}


# -- files ---------------------------------------------------------------------------------------------------

FILES = {
    "a/ü.txt": "grün".encode(),
    "a/bom": codecs.BOM_UTF8 + b"bom",
    "latin": "grün".encode("latin-1"),
    "u16.txt": "grün".encode("utf-16"),
    "bad16": codecs.BOM_UTF16_LE + b"\x00\xd8",
    "empty": b"",
    "blank": b" \n",
    "binary": b"\x89PNG\0\1\2",
    ".hidden": b"hidden",
    "x.zip": b"PK\x03\x04\0\0",
}
READABLE = {"a/bom": "bom", "a/ü.txt": "grün", "latin": "grün", "u16.txt": "grün"}
UNREADABLE = {
    "bad16": "not valid UTF-16, though it is marked as such",
    "binary": "binary content, no text",
    "blank": "empty",
    "empty": "empty",
    "x.zip": "binary content, no text",
}


def test_a_folder_and_an_archive_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "f"
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    with tarfile.open(tmp_path / "x.tgz", "w:gz") as archive:
        for name in sorted(FILES):
            info = tarfile.TarInfo(name)
            info.size = len(FILES[name])
            archive.addfile(info, io.BytesIO(FILES[name]))
    for path in (folder, tmp_path / "x.tgz"):
        for limit in (10**6, 2):
            monkeypatch.setattr(module, "_KEPT_CHARACTERS", limit)
            source = open_text(path)
            assert dict(zip(source.ids, source.documents(), strict=True)) == READABLE
            assert {item.id: item.reason for item in source.unreadable} == UNREADABLE
            assert source.facts["duplicates"] == 2
            assert source.facts["encodings"] == {"utf-8": 1, "utf-8-sig": 1, "latin-1": 1, "utf-16": 1}
            assert source.notes[-1] == "passed over 1 hidden files or folders"
            assert source.read([3, 0]) == ["grün", "bom"]


def test_shown_texts_are_cut(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "long").write_text("x" * 5000)
    source = open_text(tmp_path / "f")
    assert len(source.take([0])["text"][0].as_py()) == 2000
    assert len(source.read([0])[0]) == 5000


def test_a_folder_without_text(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\0")
    with pytest.raises(InputError, match="no readable text; the first is a: binary content"):
        open_text(tmp_path)


# -- columns -------------------------------------------------------------------------------------------------


def test_a_column_keeps_ids_labels_and_the_other_columns() -> None:
    table = table_of(
        {
            "key": ["k0", "k1", "k2", "k3", "k4", "k5"],
            "words": ["one", None, "  ", "four", "one", "six"],
            "bad": ["no", "no", "yes", "yes", "no", "no"],
        },
        id_column="key",
        label_column="bad",
        anomaly_value="yes",
    )
    source = text_column(table, "words")
    assert source.ids.tolist() == ["k0", "k3", "k4", "k5"]
    assert list(source.documents()) == ["one", "four", "one", "six"]
    assert source.read([3, 1]) == ["six", "four"]
    assert source.take([1, 0])["key"].to_pylist() == ["k3", "k0"]
    assert source.take([1])["words"].to_pylist() == ["four"]
    assert source.labels is not None
    assert source.labels.is_anomaly.tolist() == [False, True, False, False]
    assert [(item.id, item.reason) for item in source.unreadable] == [
        ("k1", "empty cell in 'words'"),
        ("k2", "empty cell in 'words'"),
    ]
    assert source.facts["text_column"] == "words"
    assert source.kind == source.family == "text"


def test_a_column_of_numbers_is_read_as_text() -> None:
    source = text_column(table_of({"n": [1, 22, None]}), "n")
    assert list(source.documents()) == ["1", "22"]


def test_an_empty_column() -> None:
    with pytest.raises(InputError, match="no readable text; the first is 0: empty cell in 'a'"):
        text_column(table_of({"a": [None, ""]}), "a")


# -- decoding ------------------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]))


@given(TEXTS)
def test_unicode_comes_back(text: str) -> None:
    for encoding in ("utf-16", "utf-32", "utf-8-sig"):
        assert decode_text(text.encode(encoding)) == (text, encoding)
    assert decode_text(codecs.BOM_UTF16_BE + text.encode("utf-16-be")) == (text, "utf-16")
    if not text.startswith("\ufeff"):
        assert decode_text(text.encode()) == (text, "utf-8")


@given(st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"])))
def test_latin_1_comes_back_where_it_is_no_utf8(text: str) -> None:
    content = text.encode("latin-1")
    try:
        content.decode()
    except UnicodeDecodeError:
        if not content.startswith((b"\xff\xfe", b"\xfe\xff", codecs.BOM_UTF8)):
            assert decode_text(content) == (text, "latin-1")


@given(st.binary())
def test_any_bytes_are_text_or_a_value_error(content: bytes) -> None:
    text = ""
    with contextlib.suppress(ValueError):
        text, _ = decode_text(content)
    text.encode()  # fails on lone surrogates


@given(st.lists(st.binary(max_size=20), max_size=20))
def test_lines_of_any_bytes(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("lines") / "x"
    path.write_bytes(b"\n".join(lines))
    try:
        source = open_text(path)
    except InputError:
        return
    documents = list(source.documents())
    assert len(documents) == len(source)
    assert all(document.strip() and document.encode() for document in documents)


@pytest.mark.data
def test_twenty_newsgroups(data_dir: Path) -> None:
    source = open_text(data_dir / "20news.tar.gz")
    assert len(source) == 18_846
    assert not source.unreadable
    assert source.facts["duplicates"] == 0
    assert source.facts["encodings"]["latin-1"] < 100
    assert source.ids[0] == "20news-bydate-test/alt.atheism/53068"


@pytest.mark.data
def test_reuters(data_dir: Path) -> None:
    source = open_text(data_dir / "reuters21578.tar.gz")
    assert len(source) == 31
    parts = [text for name, text in zip(source.ids, source.documents(), strict=True) if name.endswith(".sgm")]
    assert len(parts) == 22
    assert sum(text.count("<REUTERS ") for text in parts) == 21_578
