"""Tables from every format come out with the same cells, ids and notes."""

from __future__ import annotations

import bz2
import csv
import datetime
import decimal
import gzip
import io
import lzma
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from command_line import dross
from dross.errors import InputError
from dross.features.table_encoder import TableEncoder
from dross.sources import open_source
from dross.sources.archives import looks_like_image
from dross.sources.base import ReadOptions
from dross.sources.tables import TableSource

ROWS = [[str(i), f"{i * 0.5}", f"c{i % 3}"] for i in range(300)]
HEADER = ["number", "half", "kind"]


def text(rows: list[list[str]], *, delimiter: str = ",", newline: str = "\n") -> str:
    return "".join(delimiter.join(row) + newline for row in rows)


def table(path: Path, content: str | bytes, **options: Any) -> TableSource:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    source = open_source(path, ReadOptions(**options))
    assert isinstance(source, TableSource)
    return source


def cells(source: TableSource) -> list[list[Any]]:
    found = pa.Table.from_batches(source.batches(source.reader.schema.names))
    return [list(row.values()) for row in found.to_pylist()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.mark.parametrize(
    "content",
    [
        text([HEADER, *ROWS]).encode(),
        text([HEADER, *ROWS], newline="\r\n").encode("utf-8-sig"),
        text([HEADER, *ROWS], newline="\r").encode(),
        text([HEADER, *ROWS]).rstrip("\n").encode(),
        text([HEADER, *ROWS], newline="\n\n").encode(),
        text([HEADER, *ROWS], delimiter=";").encode("utf-16"),
        text([HEADER, *ROWS], delimiter="\t").encode("latin-1"),
        text([HEADER, *ROWS], delimiter="|").encode(),
        text([HEADER, *ROWS], delimiter="  ", newline="  \n").encode(),
        gzip.compress(text([HEADER, *ROWS]).encode()),
        bz2.compress(text([HEADER, *ROWS], delimiter="   ").encode()),
        lzma.compress(text([HEADER, *ROWS]).encode()),
    ],
)
def test_forms_of_delimited_text(path: Path, content: bytes) -> None:
    source = table(path, content)
    assert source.columns == HEADER
    assert cells(source) == ROWS
    assert cells(source) == ROWS, "a second pass reads the same"
    assert source.ids.tolist() == list(range(300))
    assert source.notes[0] == "300 rows and 3 columns, delimited text"
    assert not source.unreadable


def test_no_header(path: Path) -> None:
    source = table(path, text(ROWS))
    assert source.columns == ["0", "1", "2"]
    assert cells(source) == ROWS


@pytest.mark.parametrize(
    ("content", "names", "n_rows"),
    [
        ("a,a,,a\n1,2,3,4\n5,6,7,8\n", ["a", "a.1", "Unnamed: 2", "a.2"], 2),
        (",0,1,2\n0,5,6,7\n1,8,9,1\n", ["Unnamed: 0", "0", "1", "2"], 2),
        ('"a" "b"\n"r1" 1 2\n"r2" 3 4\n', ["Unnamed: 0", "a", "b"], 2),
        ("a,b\n1,2,\n3,4,\n", ["a", "b", "Unnamed: 2"], 2),
        ("a,b,\n1,2\n3,4\n", ["a", "b"], 2),
        ("a,b\n?,NA\n1,2\n2,3\n", ["a", "b"], 3),
        ("1,2,3\n4,5,6\n7,8,12a\n", ["0", "1", "2"], 3),
        ("p,x\ne,y\np,x\np,y\n", ["0", "1"], 4),
        ("word,comment\nyes,it is good\nno,it is not\nyes,indeed\n", ["word", "comment"], 3),
        ("a,b,c\n1,x,3\n", ["a", "b", "c"], 1),
        ("größe;名前\n1,5;x\n2,5;y\n", ["größe", "名前"], 2),
        ("size\n1\n2\n3\n", ["size"], 3),
        ("2020-01-01,5\n2020-01-02,6\n2020-01-03,7\n", ["0", "1"], 3),
    ],
)
def test_headers(path: Path, content: str, names: list[str], n_rows: int) -> None:
    source = table(path, content)
    assert source.columns == names
    assert len(source) == n_rows == len(cells(source))


def test_decimal_commas(path: Path) -> None:
    assert table(path, "a;b\n1,5;2,5\n2,5;1\n").decimal == ","
    assert table(path, "a;b\n1.234,50;x\n12.345.678,9;y\n").decimal == ","
    assert cells(table(path, "a;b\n1.234,50;x\n2.345,60;y\n")) == [["1.234,50", "x"], ["2.345,60", "y"]]
    assert table(path, "a;b\n1.5;2.5\n2.5;1\n").decimal == "."
    assert table(path, "a;b\n1.234;2.500\n2.345;1\n").decimal == "."
    assert table(path, 'a,b\n"1,500",2.5\n"2,500",1\n').decimal == "."


def test_quotes_and_line_breaks_in_cells(path: Path) -> None:
    rows = [["1", 'a "b" c', "x,y"], ["2", "two\nlines", ""], ["3", "three\r\nlines\n", " blanks "]] * 50
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerows([HEADER, *rows])
    assert cells(table(path, buffer.getvalue())) == rows


def test_few_ragged_lines_are_listed(path: Path) -> None:
    rows = [["0", "two\nlines", "x"], *ROWS[1:150], ["1", "2"], *ROWS[150:], ["1", "2", "3", "4"]]
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerows([HEADER, *rows])
    content = buffer.getvalue().replace("7,3.5,c1\n", "7,3.5,c1\n\n\n")
    source = table(path, content)
    assert [(item.id, item.reason) for item in source.unreadable] == [
        ("line 155", "2 fields instead of 3"),
        ("line 306", "4 fields instead of 3"),
    ]
    assert len(source) == 300 == len(cells(source))
    assert source.ids.tolist() == [*range(150), *range(151, 301)], "rows passed over keep their number"
    assert source.take([150]).to_pylist() == [{"number": "150", "half": "75.0", "kind": "c0"}]


def test_many_ragged_lines_are_an_error(path: Path) -> None:
    with pytest.raises(InputError, match=r"4 of 304 lines .* the first is line 12 \(2 fields instead of 3\)"):
        table(path, text([HEADER, *ROWS[:10], *[["1", "2"]] * 4, *ROWS[10:]]))


@pytest.mark.parametrize("where", [0, 150, 298])
def test_a_quotation_mark_that_never_closes_swallows_nothing(path: Path, where: int) -> None:
    rows = [[*row[:2], '"open'] if i == where else row for i, row in enumerate(ROWS)]
    source = table(path, text([HEADER, *rows]))
    assert len(source) == 300
    assert cells(source) == rows


def test_an_open_mark_beyond_the_sample_and_the_block(path: Path) -> None:
    rows = [*ROWS * 400, ["1", "2", '"open'], *ROWS * 400]
    source = table(path, text([HEADER, *rows]))
    assert len(source) == len(rows)
    assert any("quotation marks do not pair" in note for note in source.notes)


def test_a_late_byte_that_is_not_utf8(path: Path) -> None:
    content = text([HEADER, *ROWS * 100]).encode() + "1,2,grün\n".encode("latin-1")
    source = table(path, content)
    assert source.take([len(source) - 1]).to_pylist()[0]["kind"] == "grün"
    assert any("latin-1" in note for note in source.notes)


def test_a_row_longer_than_a_block(path: Path) -> None:
    rows = [*ROWS, ["1", "2", "x" * 5_000_000], *ROWS]
    assert len(table(path, text([HEADER, *rows]))) == 601


@pytest.mark.parametrize("content", ["a,b,c\n", "a,b,c"])
def test_a_header_alone_is_an_error(tmp_path: Path, content: str) -> None:
    with pytest.raises(InputError, match="no rows"):
        table(tmp_path / "data.csv", content)


def test_a_file_that_changes_between_passes(path: Path) -> None:
    source = table(path, text([HEADER, *ROWS]))
    path.write_text(text([["only", "two"], ["1", "2"]]))
    with pytest.raises(InputError, match="changed"):
        TableEncoder().fit(source)


def test_take_keeps_the_order_asked(path: Path) -> None:
    source = table(
        path, text([HEADER, *ROWS * 100]), id_column="number", label_column="half", anomaly_value="0.5"
    )
    taken = source.take([29_999, 3, 3, 0, 20_000])
    assert taken.column_names == HEADER, "all the original columns"
    assert taken["number"].to_pylist() == ["299", "3", "3", "0", "200"]
    assert source.take([]).column_names == HEADER
    for wrong in ([-1], [30_000]):
        with pytest.raises(IndexError):
            source.take(wrong)


def test_ids_and_ignored_columns(path: Path) -> None:
    source = table(path, text([HEADER, *ROWS]), id_column="kind", ignore_columns=("half",))
    assert source.columns == ["number"]
    assert source.ids.tolist()[:4] == ["c0", "c1", "c2", "c0"]
    assert "id column 'kind': 297 of 300 ids are not unique" in source.notes
    assert table(path, "a,b\nx,1\n,2\n", id_column="a").ids.tolist() == ["x", "row 1"]
    assert table(path, text(ROWS), id_column="2").columns == ["0", "1"]


@pytest.mark.parametrize("option", ["id_column", "label_column", "text_column", "ignore_columns"])
def test_an_unknown_column_is_named_with_the_nearest(path: Path, option: str) -> None:
    wrong = ("kinds",) if option == "ignore_columns" else "kinds"
    with pytest.raises(InputError, match="no column 'kinds'; did you mean 'kind'"):
        table(path, text([HEADER, *ROWS]), **{option: wrong})


def test_no_column_left(path: Path) -> None:
    with pytest.raises(InputError, match="no column left"):
        table(path, text([HEADER, *ROWS]), ignore_columns=tuple(HEADER))


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        (["0", "1", "0"], None, [False, True, False]),
        (["false", "True", ""], None, [False, True, False]),
        (["1.0", "0.0", "1.0"], None, [True, False, True]),
        (["good", "bad", " bad"], "bad", [False, True, True]),
        (["1", "2.0", "3"], "2", [False, True, False]),
    ],
)
def test_labels(path: Path, column: list[str], value: str | None, expected: list[bool]) -> None:
    rows = [[str(i), label] for i, label in enumerate(column)]
    source = table(path, text([["x", "label"], *rows]), label_column="label", anomaly_value=value)
    assert source.columns == ["x"]
    assert source.labels is not None
    assert source.labels.is_anomaly.tolist() == expected


def test_labels_that_cannot_be_told(path: Path) -> None:
    rows = [[str(i), f"k{i:02}"] for i in range(20)]
    with pytest.raises(InputError, match=r"--anomaly-value; its values are 'k00', .*'k07', \.\.\.\.$"):
        table(path, text([["x", "label"], *rows]), label_column="label")
    with pytest.raises(InputError, match="no value 'k99'"):
        table(path, text([["x", "label"], *rows]), label_column="label", anomaly_value="k99")


def test_json_lines(path: Path) -> None:
    lines = [
        '{"a": 1.50, "b": {"c": 1}, "t": "x"}',
        "",
        '{"a": 2, "z": null}',
        *['{"a": true}'] * 200,
        "nope",
    ]
    source = table(path, "\n".join(lines))
    assert source.columns == ["a", "t", "z"]
    assert cells(source)[:3] == [["1.50", "x", None], ["2", None, None], ["true", None, None]]
    assert [item.id for item in source.unreadable] == ["line 204"]
    assert "column 'b' holds lists or objects: left out" in source.notes
    with pytest.raises(InputError, match=r"2 of 3 lines .* the first is line 2"):
        table(path, '{"a": 1}\nx\n[1]\n')


def test_a_spreadsheet(path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.create_sheet("Daten")
    sheet.append([])
    sheet.append([None, "when", "size", None, "ok"])
    for i in range(6):
        sheet.append([None, datetime.datetime(2020, 1, 1 + i), i / 2, None, i % 2 == 0])
    sheet.append([None, None, "x"])
    buffer = io.BytesIO()
    book.save(buffer)
    source = table(path, buffer.getvalue())
    assert source.columns == ["when", "size", "ok"]
    assert cells(source)[0] == ["2020-01-01T00:00:00", "0", "true"]
    assert cells(source)[6] == [None, "x", None]
    assert "sheet 'Daten', with a header" in source.notes
    empty = io.BytesIO()
    openpyxl.Workbook().save(empty)
    with pytest.raises(InputError, match="no sheet has any data"):
        table(path, empty.getvalue())


def typed() -> pa.Table:
    return pa.table(
        {
            "a": pa.array([1.0, None, 3.0] * 40_000),
            "a.b": pa.array(range(120_000)),
            "list": [[1], None, []] * 40_000,
            "bytes": [b"1"] * 120_000,
            "s": pa.array(["x", "y", None] * 40_000).dictionary_encode(),
        }
    )


@pytest.mark.parametrize("form", ["parquet", "feather", "stream", "frame"])
def test_typed_formats(path: Path, form: str) -> None:
    whole = typed()
    if form == "parquet":
        pa.parquet.write_table(whole, path, row_group_size=1000)
    elif form == "feather":
        pa.feather.write_feather(whole, path)
    elif form == "stream":
        with pa.ipc.new_stream(path, whole.schema) as writer:
            writer.write_table(whole, max_chunksize=70_000)
    source = open_source(whole if form == "frame" else path)
    assert isinstance(source, TableSource)
    assert source.columns == ["a", "a.b", "s"]
    assert sum("left out" in note for note in source.notes) == 2
    batches = list(source.batches(["a.b", "a"]))
    assert max(map(len, batches)) <= 65_536
    found = pa.Table.from_batches(batches)
    assert found.select(["a"]).equals(whole.select(["a"]))
    assert source.take([70_001, 0]).to_pylist() == whole.take([70_001, 0]).to_pylist()


def in_dictionary(values: pa.Array) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array([0, 1] * 5), values)


def in_runs(values: pa.Array) -> pa.Array:
    return pa.RunEndEncodedArray.from_arrays(pa.array([4, 10], pa.int32()), values)


MONTHS = [pa.MonthDayNano([1, 2, 3]), pa.MonthDayNano([0, 0, 1])]
WITHOUT_TEXT = {
    "list": pa.array([[1], None] * 5),
    "struct": pa.array([{"a": 1}, None] * 5),
    "bytes": pa.array([b"\xff", b"a"] * 5),
    "interval": pa.array(MONTHS * 5),
    "dictionary of lists": in_dictionary(pa.array([[1], [2]])),
    "dictionary of bytes": in_dictionary(pa.array([b"\xff", b"a"])),
    "dictionary of intervals": in_dictionary(pa.array(MONTHS)),
    "runs of lists": in_runs(pa.array([[1], [2]])),
}


@pytest.mark.parametrize("form", WITHOUT_TEXT)
def test_columns_that_have_no_text(form: str) -> None:
    frame = pa.table({"x": [i * i % 7 for i in range(10)], "odd": WITHOUT_TEXT[form]})
    source = open_source(frame)
    assert isinstance(source, TableSource)
    assert source.columns == ["x"]
    assert any("column 'odd' holds" in note and note.endswith(": left out") for note in source.notes)
    assert source.take([4, 0])["odd"].to_pylist() == [WITHOUT_TEXT[form][i].as_py() for i in (4, 0)]
    for use in ("id", "label"):
        with pytest.raises(InputError, match=f"{use} column 'odd' holds .*, which cannot be read as text"):
            open_source(frame, ReadOptions(**{f"{use}_column": "odd"}))


@pytest.mark.parametrize("option", ["--id-column", "--label-column"])
def test_a_column_of_lists_named_on_the_command_line(path: Path, option: str) -> None:
    pa.parquet.write_table(pa.table({"x": range(10), "l": WITHOUT_TEXT["list"]}), path)
    assert dross("find", path, option, "l").failed_with("column 'l' holds list<", "needed are")


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1.5, None]),
        pa.array(["u", "v"]),
        pa.array(["u", "v"], pa.string_view()),
        pa.array(["u", "v"]).dictionary_encode(),
    ],
)
def test_runs_are_read_as_their_cells(path: Path, values: pa.Array) -> None:
    whole = pa.table({"x": [i * i % 7 for i in range(10)], "runs": in_runs(values)})
    with pa.ipc.new_file(path, whole.schema) as writer:
        writer.write_table(whole, max_chunksize=3)
    source = open_source(path, ReadOptions(id_column="runs"))
    assert isinstance(source, TableSource)
    expected = [values[int(i >= 4)].as_py() for i in range(10)]
    assert [row[1] for row in cells(source)] == expected
    assert source.ids.tolist() == [f"row {i}" if v is None else str(v) for i, v in enumerate(expected)]
    assert source.take([9, 0])["runs"].to_pylist() == [expected[9], expected[0]]
    source = open_source(path)
    assert isinstance(source, TableSource)
    assert source.columns == ["x", "runs"]
    assert len(TableEncoder().fit(source).transform(source)) == 10


def test_pandas() -> None:
    frame = pd.DataFrame(
        {
            "i": pd.array([1, None, 3], dtype="Int64"),
            "mixed": [1, "x", None],
            "c": pd.Categorical(["u", "v", "u"]),
            5: pd.date_range("2020", periods=3, tz="Europe/Berlin", unit="ns"),
        },
        index=[7, 8, 9],
    )
    frame.insert(0, "i", [0.5, 1.5, 2.5], allow_duplicates=True)
    source = open_source(frame)
    assert isinstance(source, TableSource)
    assert source.columns == ["i", "i.1", "mixed", "c", "5"], "and not the index"
    assert source.ids.tolist() == [0, 1, 2]
    row = source.take([1]).to_pylist()[0]
    assert (row["i"], row["i.1"], row["mixed"], row["c"]) == (1.5, None, "x", "v")


def test_polars() -> None:
    frame = pl.DataFrame(
        {
            "s": ["x", None, "z"],
            "c": pl.Series(["u", "v", "u"], dtype=pl.Categorical),
            "d": [decimal.Decimal("1.5")] * 3,
            "l": [["a"], [], ["b"]],
            "t": [datetime.time(1, 2, 3)] * 3,
        }
    )
    source = open_source(frame)
    assert isinstance(source, TableSource)
    assert source.columns == ["s", "c", "d", "t"]
    assert source.take([2, 0])["s"].to_pylist() == ["z", "x"]
    with pytest.raises(InputError, match="LazyFrame"):
        open_source(frame.lazy())


def test_nanoseconds_can_be_shown() -> None:
    source = open_source(
        pa.table({"t": pa.array([1, 2], pa.timestamp("ns")), "d": pa.array([1, 2], pa.duration("ns"))})
    )
    assert len(source.take([0, 1]).to_pylist()) == 2


@pytest.mark.parametrize(
    "values", [pa.table({"a": pa.array([], pa.int64())}), pd.DataFrame(index=[1]), np.ones((0, 3))]
)
def test_nothing_in_memory(values: Any) -> None:
    with pytest.raises(InputError, match=r"no rows|no columns"):
        open_source(values)


def test_arrays(tmp_path: Path) -> None:
    array = np.arange(40.0).reshape(10, 4)
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "one.npz", X=array, y=np.ones((10, 2)), label_names=np.ones((2, 2)), n=np.int64(3))
    for data in (
        array,
        tmp_path / "a.npy",
        tmp_path / "one.npz",
        array.astype(">f4"),
        np.asfortranarray(array),
    ):
        source = open_source(data)
        assert isinstance(source, TableSource)
        assert (source.kind, source.columns) == ("array", ["0", "1", "2", "3"])
        assert cells(source) == array.tolist()
    objects = np.array([[1, "a"], [None, True], [2.5, float("nan")]], dtype=object)
    source = open_source(objects)
    assert isinstance(source, TableSource)
    assert cells(source) == [["1", "a"], [None, "true"], ["2.5", None]]


def test_which_array_of_several(tmp_path: Path) -> None:
    path = tmp_path / "several.npz"
    np.savez(path, x_train=np.ones((9, 2)), x_test=np.ones((3, 2)), y_train=np.ones((9, 1)))
    message = r"--array NAME.* x_train \(9, 2\), x_test \(3, 2\), y_train \(9, 1\)"
    with pytest.raises(InputError, match=message):
        open_source(path)
    assert len(open_source(path, ReadOptions(array="x_test"))) == 3
    with pytest.raises(InputError, match="no array 'x'"):
        open_source(path, ReadOptions(array="x"))
    with pytest.raises(InputError, match="never features"):
        open_source(path, ReadOptions(array="y_train"))
    np.savez(path, y=np.ones(9))
    with pytest.raises(InputError, match="no array of two to four dimensions"):
        open_source(path)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.arange(5), r"shape \(5,\)"),
        (np.ones((2, 2, 2, 2, 2)), "needed are"),
        (np.ones((5, 2), dtype=complex), "complex128"),
        (np.ones((5, 0)), "no columns"),
        (np.zeros(5, dtype=[("a", "f8")]), "cannot be used"),
    ],
)
def test_arrays_that_are_no_table(array: np.ndarray[Any, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_source(array)


def test_pickled_objects_are_not_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "o.npy", np.array([[1, None]], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="Python objects"):
        open_source(tmp_path / "o.npy")


CELL = st.text(st.sampled_from('abÜ日 0129.-+?,"\n\r\t;'), max_size=6)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.integers(1, 4).flatmap(
        lambda n: st.lists(st.lists(CELL, min_size=n, max_size=n), min_size=3, max_size=12)
    ),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
@example(rows=[[""], [""], [",\r,"]], quoting=csv.QUOTE_ALL)  # its halves are as wide as the table
@example(rows=[[""], [""], [",\r,"]], quoting=csv.QUOTE_MINIMAL)
def test_any_csv_reads_back(tmp_path: Path, rows: list[list[str]], quoting: Any) -> None:
    # Two numbered columns make it plain that it is a table: the cells themselves may be anything.
    rows = [[str(i), *row, f"{i}.5"] for i, row in enumerate(rows)]
    header = ["number", *(f"column {j}" for j in range(len(rows[0]) - 2)), "half"]
    buffer = io.StringIO(newline="")
    csv.writer(buffer, quoting=quoting).writerows([header, *rows])
    source = table(tmp_path / "data.csv", buffer.getvalue())
    assert source.columns == header
    assert cells(source) == rows


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.one_of(st.text(max_size=200), st.binary(max_size=200)))
@example(content="\x1f0\r0")  # the mark that stands for no delimiter
def test_any_file_is_read_or_refused(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "data"
    raw = content.encode(errors="replace") if isinstance(content, str) else content
    assume(not looks_like_image(raw))
    path.write_bytes(raw)
    for options in (ReadOptions(), ReadOptions(kind="table")):
        try:
            source = open_source(path, options)
        except InputError:
            continue
        assert len(source) >= 1
        assert source.take([0]).num_rows == 1


@pytest.mark.data
def test_kdd_cup_99(data_dir: Path) -> None:
    source = open_source(
        data_dir / "kddcup99_10_percent.gz", ReadOptions(label_column="41", anomaly_value="normal.")
    )
    assert isinstance(source, TableSource)
    assert len(source) == 494_021
    assert source.columns == [str(j) for j in range(41)]
    assert source.labels is not None
    assert int(source.labels.is_anomaly.sum()) == 97_278
    assert source.take([0])["2"].to_pylist() == ["http"]


@pytest.mark.data
def test_arrhythmia(data_dir: Path) -> None:
    source = open_source(data_dir / "arrhythmia.data")
    assert isinstance(source, TableSource)
    assert (len(source), len(source.columns)) == (452, 280)
    assert sum(batch.column(13).to_pylist().count("?") for batch in source.batches()) == 376


@pytest.mark.data
def test_annotation_separated_by_blanks(data_dir: Path) -> None:
    source = open_source(data_dir / "ucfcrime_temporal_annotation.txt")
    assert isinstance(source, TableSource)
    assert (len(source), len(source.columns)) == (290, 6)
    assert list(source.take([0]).to_pylist()[0].values()) == [
        "Abuse028_x264.mp4",
        "Abuse",
        "165",
        "240",
        "-1",
        "-1",
    ]
