"""Columns become numbers by what is in them, and scores become words."""

from __future__ import annotations

import json
import math
import tracemalloc
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dross.errors import InputError, ModelFileError
from dross.features.cells import numbers
from dross.features.encodings import rarity
from dross.features.profiles import ValueProfile
from dross.features.table_encoder import TableEncoder
from dross.sources import open_source
from dross.sources.base import ReadOptions

N = 400
RNG = np.random.default_rng(0)
TEXT = "the pump runs quiet and cool since the last service was done by our own crew"
WORDS = TEXT.split()


class Median:
    """A detector whose score is the distance from the median: what a column adds is plain to see."""

    def __init__(self, X: NDArray[np.float32]) -> None:
        self.median = np.median(X, axis=0)

    def explain(self, X: NDArray[np.float32], groups: NDArray[np.int64]) -> NDArray[np.float64]:
        parts = np.abs(X - self.median)
        return np.stack([parts[:, groups == g].max(axis=1) for g in range(groups.max() + 1)], axis=1)


def messy() -> dict[str, list[Any]]:
    dates = np.datetime64("2020-01-01") + RNG.integers(0, 900, N)
    return {
        "number": list(range(N)),
        "key": [str(uuid.UUID(int=int(i))) for i in RNG.integers(0, 2**62, N)],
        "size": RNG.normal(10, 2, N).round(3).tolist(),
        "holes": [None if i % 10 == 0 else float(i % 17) for i in range(N)],
        "bad": ["12a" if i == 7 else "inf" if i == 8 else f"{i % 13}.5" for i in range(N)],
        "flag": ["yes" if i % 20 == 0 else "no" for i in range(N)],
        "bit": [int(i % 50 == 0) for i in range(N)],
        "kind": ["rare" if i == 5 else "ab"[i % 2] for i in range(N)],
        "day": [date.astype(object).strftime("%d.%m.%Y") for date in dates],
        "at": [f"{date}T{int(h):02}:30:00Z" for date, h in zip(dates, RNG.integers(0, 24, N), strict=True)],
        "note": [" ".join(RNG.choice(WORDS, 8)) for _ in range(N - 1)]
        + ["cheap watches! buy buy http://x.example"],
        "unit": ["mm"] * N,
        "nothing": [None] * N,
    }


@pytest.fixture(scope="module")
def messy_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("messy") / "messy.csv"
    pd.DataFrame(messy()).to_csv(path, index=False)
    return path


def fitted(**columns: Any) -> tuple[TableEncoder, NDArray[np.float32]]:
    source = open_source(pa.table(columns))
    encoder = TableEncoder().fit(source)
    return encoder, encoder.transform(source)


def roles(encoder: TableEncoder) -> dict[str, str]:
    return {column["name"]: column["role"] for column in encoder.description["columns"]}


def reasons(encoder: TableEncoder, data: Any, rows: list[int]) -> list[str]:
    source = open_source(data)
    X = encoder.transform(source)
    return encoder.explain(Median(X), source, X, np.array(rows)).reasons  # type: ignore[arg-type]


# --- what a column is -------------------------------------------------------------------------------------


def test_roles_by_content(messy_csv: Path) -> None:
    encoder = TableEncoder().fit(open_source(messy_csv))
    assert roles(encoder) == {
        "number": "id",
        "key": "id",
        "size": "numeric",
        "holes": "numeric",
        "bad": "numeric",
        "flag": "boolean",
        "bit": "boolean",
        "kind": "categorical",
        "day": "date-time",
        "at": "date-time",
        "note": "text",
        "unit": "constant",
        "nothing": "empty",
    }
    assert encoder.notes == [
        "column 'number' numbers the rows: left out",
        "column 'key' has another value in every row: left out",
        "column 'unit' is constant ('mm'): left out",
        "column 'nothing' is empty: left out",
        "column 'bad': 1 infinite and 1 not a number, such as '12a': taken as missing",
    ]
    assert encoder.owners == ["size", "holes", "bad", "flag", "bit", "kind", "day", "at", "note"]
    assert list(dict.fromkeys(encoder.feature_owner)) == encoder.owners
    made = {column["name"]: column["features"] for column in encoder.description["columns"]}
    assert made["bad"] == ["value", "invalid"]
    assert made["kind"] == ["= a", "= b", "rarity"]
    assert made["day"] == ["time", "weekday_sin", "weekday_cos"]
    assert made["at"] == ["time", "hour_sin", "hour_cos", "weekday_sin", "weekday_cos"]


@pytest.mark.parametrize(
    ("values", "role"),
    [
        ([str(i) for i in range(20)], "id"),
        ([str(-i) for i in range(20)], "id"),
        ([str(i) for i in range(5)], "numeric"),
        ([f"{i}.5" for i in range(20)], "numeric"),
        ([str(i % 3) for i in range(20)], "numeric"),
        (["01234", "5", "+6", "1e3", " 7 ", "-.5"], "numeric"),
        (["1"] * 95 + ["2"] * 4 + ["x"], "numeric"),
        (["1"] * 80 + ["2"] * 10 + ["x"] * 10, "categorical"),
        (["true", "False", "TRUE", "false", "?"], "boolean"),
        (["y", "n", "n", "y", "y"], "boolean"),
        (["0", "1", "1", "0", "NA"], "boolean"),
        (["a", "b", "c", "a", "b"], "categorical"),
        (["a", "b", "c", "d", "e"], "id"),
        (["x", "", "x", "", "x"], "categorical"),
        (["5", "?", "5", "NULL", "5"], "constant"),
        (["5"] * 99 + ["?"], "numeric"),
        (["?", "NA", "n/a", "-", "None"], "empty"),
        (["5", "5.0", "5e0", "5", "5"], "constant"),
        (["inf", "1", "2", "3", "2"], "numeric"),
        (["2020-01-31", "2020-02-01", "2021-03-04", "1999-12-31", "2020-01-31"], "date-time"),
        (["31.12.2020", "1.2.2020", "3.4.2021", "4.4.2021", "NA"], "date-time"),
        (["12/25/2020", "01/02/2020", "03/14/2021", "11/30/2020", "7/4/2021"], "date-time"),
        (["2020/1/2 3:04", "2020/1/3 13:04", "2020/1/4", "2020/1/5 3:04", "2020/1/6 3:04:05.5"], "date-time"),
        (["3 Jan 2020", "14 February 2020", "1 Mar 2020", "5 May 2020", "9 Dec 2020"], "date-time"),
        (["12:30", "13:45", "01:02:03", "23:59", "0:00"], "date-time"),
        (["2020-01-01T00:00:00Z", "2020-01-01T00:00:00+02:00"] * 3, "date-time"),
    ],
)
def test_role_of(values: list[str], role: str) -> None:
    other = [f"{(i * 7) % 5}.25" for i in range(len(values))]
    encoder, X = fitted(x=values, other=other)
    assert roles(encoder)["x"] == role
    assert np.isfinite(X).all()


def test_ids_by_name() -> None:
    shuffled = RNG.permutation(1000)[:50].tolist()
    encoder, _ = fitted(patient_id=shuffled, weight=shuffled, PassengerId=shuffled)
    assert roles(encoder) == {"patient_id": "id", "weight": "numeric", "PassengerId": "id"}


def test_months_and_days_are_told_apart() -> None:
    american = [f"{m}/{d}/2020" for m in (1, 2, 3) for d in (5, 14, 25)]
    european = [f"{d}/{m}/2020" for m in (1, 2, 3) for d in (5, 14, 25)]
    encoder, X = fitted(a=american, e=european)
    names = encoder.feature_owner
    assert np.array_equal(X[:, [n == "a" for n in names]], X[:, [n == "e" for n in names]])


def test_typed_columns() -> None:
    n = 12
    encoder, X = fitted(
        t=pa.array(np.arange(n) * 10**13 % 7 * 10**13, pa.timestamp("ns", "Europe/Berlin")),
        d=pa.array([i * i % 11 for i in range(n)], pa.date32()),
        clock=pa.array([i * i % 11 * 1000 for i in range(n)], pa.time32("s")),
        took=pa.array([i * i % 11 for i in range(n)], pa.duration("ms")),
        price=pa.array([i * i % 11 for i in range(n)], pa.decimal128(6, 2)),
        big=pa.array([2**64 - 1, *[i * i % 11 for i in range(n - 1)]], pa.uint64()),
        half=pa.array([i * i % 11 for i in range(n)], pa.float16()),
        flag=pa.array([True, None, False] * 4),
        kind=pa.array(["u", "v", None] * 4).dictionary_encode(),
        text_numbers=pa.array([str(i * i % 11) for i in range(n)], pa.large_string()),
        null=pa.nulls(n),
    )
    assert list(roles(encoder).values()) == [
        *["date-time"] * 3,
        *["numeric"] * 4,
        "boolean",
        "categorical",
        "numeric",
        "empty",
    ]
    assert np.isfinite(X).all()


# --- what it becomes --------------------------------------------------------------------------------------


def test_numbers_are_standardised_and_gaps_told() -> None:
    values = [*RNG.normal(3, 2, 497), None, float("inf"), None]
    encoder, X = fitted(x=values)
    assert encoder.description["columns"][0]["features"] == ["value", "missing", "invalid"]
    present = np.array(values[:497])
    np.testing.assert_allclose(X[:497, 0], (present - present.mean()) / present.std(), rtol=1e-5)
    assert X[497:, 0].tolist() == [0, 0, 0], "the mean"
    told = [[0, 0]] * 497 + [[rarity(2, 500), 0], [0, rarity(1, 500)], [rarity(2, 500), 0]]
    np.testing.assert_allclose(X[:, 1:], told, rtol=1e-6)
    assert X.dtype == np.float32
    assert X.flags.c_contiguous


def test_points_group_thousands_where_the_comma_is_the_decimal_sign() -> None:
    grouped = {"1.234,5": 1234.5, "-12.345.678,0": -12345678, " +1.000,25 ": 1000.25}
    plain = {"2,5": 2.5, "1234,5": 1234.5, "1.5": 1.5, "1.234": 1.234, "1234.567": 1234.567, "1e3": 1000}
    for cells in ({**grouped, **plain}, plain, {**grouped, **plain, "192.168.100.200": np.nan, "": np.nan}):
        read = numbers(pa.array([*cells, None]), ",")
        np.testing.assert_array_equal(read.values, [*cells.values(), np.nan])
        assert read.invalid.tolist() == [cell == "192.168.100.200" for cell in [*cells, None]]
    assert numbers(pa.array(["1.234"]), ".").values.tolist() == [1.234]


def test_running_sums_are_those_of_the_whole() -> None:
    values = RNG.normal(1e6, 3, 200_000)
    _, X = fitted(x=values)  # many batches
    np.testing.assert_allclose(X[:, 0], (values - values.mean()) / values.std(), atol=1e-5)


@pytest.mark.parametrize("factor", [1e-320, 1e-300, 1e-160, 1.0, 1e160, 1e300, 1.7e308])
def test_any_magnitude(factor: float) -> None:
    unit = np.array([-1.0, 0.5, 0.25, 1.0, -0.75, 0.1])
    _, X = fitted(x=unit * factor)
    np.testing.assert_allclose(X[:, 0], (unit - unit.mean()) / unit.std(), atol=1e-3)


def test_all_magnitudes_in_one_column() -> None:
    _, X = fitted(x=[1e300, 1e-300, -1e308, 1.7e308, 0.0, -1.0, 5e-324])
    assert np.isfinite(X).all()


def test_a_few_absurd_values_do_not_squeeze_the_others() -> None:
    values = RNG.normal(size=1000)
    values[3] = 1e30
    encoder, X = fitted(x=values)
    others = np.arange(1000) != 3
    assert X[others, 0].std() == pytest.approx(1, abs=0.05)
    assert X[3, 0] == 1000
    assert encoder.notes == ["column 'x': a few values are absurdly large; its scale is that of the others"]


def test_rare_truths_lie_far_out() -> None:
    _, X = fitted(x=[True] + [False] * 999)
    assert X[0, 0] == pytest.approx(rarity(1, 1000))
    assert X[1:, 0] == pytest.approx(-rarity(999, 1000))


def test_categories() -> None:
    kinds = ["a"] * 600 + ["b"] * 398 + ["c", None]
    encoder, X = fitted(kind=kinds)
    assert encoder.description["columns"][0]["features"] == ["= a", "= b", "rarity", "missing"]
    assert X[:, :2].sum(axis=0).tolist() == [600, 398]
    assert abs(X[:, 2].mean()) < 1e-5
    new = encoder.transform(open_source(pa.table({"kind": ["a", "c", "never seen", None]})))
    assert new[2, 2] > new[1, 2] > new[0, 2], "an unseen category is rarer than any seen"
    assert new[3, 3] == pytest.approx(rarity(1, 1000))


def test_at_most_100_categories_have_a_feature() -> None:
    kinds = [f"k{i % 300}" for i in range(3000)]
    _, X = fitted(kind=kinds)
    assert X.shape[1] == 101


def test_very_many_categories() -> None:
    kinds = [f"k{i % 30_000}" for i in range(60_000)]
    encoder, X = fitted(kind=kinds)
    assert roles(encoder) == {"kind": "categorical"}
    assert np.isfinite(X).all()


def test_rarity_does_not_depend_on_the_order_of_the_rows() -> None:
    kinds = np.array([f"v{i % 12_000}" for i in range(72_000)] + ["often"] * 8_000)  # more than a batch
    encoder, X = fitted(x=kinds)
    assert encoder.description["columns"][0]["features"] == ["= often", "rarity"]
    assert len(np.unique(X[:72_000], axis=0)) == 1, "each is there six times"
    assert abs(X[:, 1].mean(dtype=np.float64)) < 1e-6
    order = np.random.default_rng(0).permutation(len(kinds))
    assert fitted(x=kinds[order])[1].tobytes() == X[order].tobytes()
    new = encoder.transform(open_source(pa.table({"x": ["never seen"]})))[0, 1]
    assert new - X[0, 1] == pytest.approx(rarity(0, 80_000) - rarity(6, 80_000), abs=1e-6)
    said = reasons(encoder, pa.table({"x": ["often", "v11999", "never seen"]}), [0, 2])
    assert said == ["x = 'often' (10 % of rows)", "x = 'never seen' (in none of 80,000 rows)"]
    assert reasons(encoder, pa.table({"x": ["often", "often", "v11999"]}), [2]) == [
        "x = 'v11999' (6 in 80,000 rows)"
    ]


def test_frequent_categories_are_found_wherever_they_are() -> None:
    rng = np.random.default_rng(0)
    kinds = np.array([f"k{i}" for i in range(140_000)] + [f"late {i % 90}" for i in range(20_000)])
    for order in (np.arange(len(kinds)), rng.permutation(len(kinds))):
        encoder, X = fitted(x=kinds[order])
        names = encoder.description["columns"][0]["features"]
        assert set(names) == {"rarity"} | {f"= late {i}" for i in range(90)}
        assert X[:, :-1].sum() == 20_000


def test_a_value_that_recurs_after_very_many_is_seen() -> None:
    values = [f"k{i}" for i in range(70_000)]
    other = [float(i % 7) for i in range(70_001)]
    assert roles(fitted(x=[*values, "new"], other=other)[0])["x"] == "id"
    assert roles(fitted(x=[*values, "k50000"], other=other)[0])["x"] == "categorical"


def test_the_rarest_of_too_many_categories_share_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dross.features.roles._MOST_COUNTED", 50)
    kinds = [f"k{i % 60}" for i in range(200)]  # 20 are there four times, 40 three times
    encoder, X = fitted(x=kinds)
    values, arrays = encoder.get_state()
    again = TableEncoder.from_state(json.loads(json.dumps(values)), arrays)
    assert len(arrays["0.counts"]) == 20
    assert abs(X[:, -1].mean(dtype=np.float64)) < 1e-6
    assert X[0, -1] < X[30, -1] == X[50, -1]
    data = pa.table({"x": ["k0", "k0", "k0", "k50"]})
    for e in (encoder, again):
        said = reasons(e, data, [3])
        assert said == ["x = 'k50' (at most 3 in 200 rows)"]


def test_long_values_are_told_apart_without_being_kept() -> None:
    long = "x" * 100_000
    encoder, X = fitted(x=[f"{long}{i % 180}" for i in range(200)])
    values, arrays = encoder.get_state()
    assert len(json.dumps(values)) < 1_000_000
    assert sorted(arrays["0.counts"]) == [1] * 160 + [2] * 20
    assert X[:, :-1].sum(axis=0).tolist() == [2] * 20
    assert X[0, -1] == X[180, -1] < X[20, -1]


def test_profiles_of_long_values_are_small() -> None:
    profile = ValueProfile()
    nothing_sampled = np.empty(0, dtype=np.int64)
    tracemalloc.start()
    for i in range(20):
        profile.add(pa.array([f"{i} {j} " + "x" * 100_000 for j in range(10)]), nothing_sampled)
    held = tracemalloc.get_traced_memory()[0] + sum(len(text) for text, _, _ in profile.values.frequent())
    tracemalloc.stop()
    assert held < 2_000_000


def test_hours_and_weekdays_lie_on_circles() -> None:
    hours = [f"2020-01-{1 + h // 24:02} {h % 24:02}:00" for h in range(24 * 14)]
    encoder, X = fitted(at=hours)
    names = encoder.description["columns"][0]["features"]
    assert names == ["time", "hour_sin", "hour_cos", "weekday_sin", "weekday_cos"]
    np.testing.assert_allclose(X[:, 1], np.sin(2 * np.pi * (np.arange(336) % 24) / 24), atol=1e-6)
    assert len(np.unique(X[:, 3:].round(4), axis=0)) == 7
    np.testing.assert_array_equal(X[:24, 4], X[7 * 24 : 8 * 24, 4])


def test_a_text_of_foreign_words_is_the_least_familiar(messy_csv: Path) -> None:
    source = open_source(messy_csv)
    encoder = TableEncoder().fit(source)
    made = {column["name"]: column["features"] for column in encoder.description["columns"]}["note"]
    first = encoder.feature_owner.index("note")
    unfamiliar = encoder.transform(source)[:, first + made.index("unfamiliarity")]
    assert unfamiliar.argmax() == N - 1
    assert unfamiliar[-1] > 3 * np.sort(unfamiliar)[-2]


def test_texts_without_a_common_word_are_ids() -> None:
    encoder, _ = fitted(t=[f"a{i} b{i} c{i} d{i}" for i in range(9)], x=[i * i % 7 for i in range(9)])
    assert roles(encoder)["t"] == "id"


# --- sizes ------------------------------------------------------------------------------------------------


def test_ten_thousand_columns() -> None:
    values = RNG.normal(size=(8, 10_000))
    values[:, ::1000] = 3
    source = open_source(values)
    encoder = TableEncoder().fit(source)
    assert encoder.transform(source).shape == (8, 9990)
    assert encoder.notes == [
        "10 columns are constant: left out ('0', '1000', '2000', '3000', '4000' and 5 more)"
    ]


@pytest.mark.parametrize("n", [1, 4])
def test_fewer_than_5_rows(n: int) -> None:
    encoder, _ = fitted(x=[1.0, 2, 4, 8, 16])
    source = open_source(pa.table({"x": [2.0] * n}))
    with pytest.raises(InputError, match=rf"has {n} rows?; at least 5 are needed"):
        TableEncoder().fit(source)
    assert encoder.transform(source).shape == (n, 1), "but so few can be scored"


def test_one_feature_duplicates_and_zeros() -> None:
    _, X = fitted(x=[0.0] * 50 + [1.5])
    assert X.shape == (51, 1)
    assert len(np.unique(X)) == 2


def test_no_usable_column() -> None:
    message = r"no usable column: 'a' is constant \(1\); 'b' is constant \('x'\); 'c' is empty\.$"
    with pytest.raises(InputError, match=message):
        fitted(a=[1] * 6, b=["x"] * 6, c=[None] * 6)
    with pytest.raises(InputError, match=r"'4' is constant \(0\); and 3 more"):
        TableEncoder().fit(open_source(np.zeros((9, 8))))


# --- other data -------------------------------------------------------------------------------------------


def test_text_and_typed_data_encode_alike(messy_csv: Path) -> None:
    encoder = TableEncoder().fit(open_source(messy_csv))
    from_text = encoder.transform(open_source(messy_csv))
    frame = pd.read_csv(messy_csv, dtype=str)
    frame["size"], frame["bit"] = frame["size"].astype(float), frame["bit"].astype("Int8")
    frame["day"] = pd.to_datetime(frame["day"], format="%d.%m.%Y")
    frame["kind"] = frame["kind"].astype("category")
    frame["flag"] = frame["flag"] == "yes"
    np.testing.assert_array_equal(encoder.transform(open_source(frame)), from_text)


def test_a_decimal_comma_makes_no_difference(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": RNG.normal(size=30), "k": ["a", "b", "c"] * 10})
    frame.to_csv(tmp_path / "point.csv", index=False)
    frame.to_csv(tmp_path / "comma.csv", index=False, sep=";", decimal=",")
    point, comma = open_source(tmp_path / "point.csv"), open_source(tmp_path / "comma.csv")
    encoder = TableEncoder().fit(point)
    np.testing.assert_array_equal(encoder.transform(comma), encoder.transform(point))
    np.testing.assert_array_equal(TableEncoder().fit(comma).transform(comma), encoder.transform(point))


def test_absent_and_new_columns() -> None:
    encoder, X = fitted(x=[1.0, 2, 4, 8, None], kind=["a", "b", "a", "b", "a"], one=["c"] * 5)
    source = open_source(pa.table({"new": [1, 2], "x": [1.0, 2.0], "one": ["c", "d"]}))
    scored = encoder.transform(source)
    np.testing.assert_array_equal(scored[:, 0], X[:2, 0])
    assert not scored[:, 1:].any(), "an absent column is 0 throughout: the mean"
    assert source.notes[-2:] == [
        "columns missing here, taken as their mean: 'kind'",
        "columns that the model does not know, passed over: 'new'",
    ]
    assert encoder.explain(Median(X), source, scored, np.array([0, 1])).reasons  # type: ignore[arg-type]


def test_cells_of_another_type_only_here() -> None:
    encoder, _ = fitted(x=[1.0, 2, 4, 8, 16])
    source = open_source(pa.table({"x": ["1", "oops", "inf"]}))
    assert encoder.transform(source)[1:, 0].tolist() == [0, 0]
    assert source.notes[-1] == "column 'x': 2 cells are not a number: taken as the mean"


def test_the_wrong_model(tmp_path: Path) -> None:
    encoder, _ = fitted(**{f"x{j}": RNG.normal(size=6) for j in range(7)})
    with pytest.raises(ModelFileError, match=r"columns 'x0', .*'x4' and 2 more, and table has 'y'\.$"):
        encoder.transform(open_source(pa.table({"y": [1, 2]})))
    text = tmp_path / "text.txt"
    text.write_text("Some text.\nAnd more of it\n")
    with pytest.raises(ModelFileError, match="a table is needed"):
        encoder.transform(open_source(text))


def test_state_survives_json(messy_csv: Path) -> None:
    source = open_source(messy_csv)
    encoder = TableEncoder().fit(source)
    X = encoder.transform(source)
    values, arrays = encoder.get_state()
    again = TableEncoder.from_state(json.loads(json.dumps(values, allow_nan=False)), arrays)
    assert again.transform(source).tobytes() == X.tobytes()
    assert (again.owners, again.feature_owner) == (encoder.owners, encoder.feature_owner)
    assert (again.notes, again.description) == (encoder.notes, encoder.description)
    rows = np.arange(20)
    words = [e.explain(Median(X), source, X, rows).reasons for e in (encoder, again)]  # type: ignore[arg-type]
    assert words[0] == words[1]
    assert TableEncoder().fit(source).transform(source).tobytes() == X.tobytes(), "nothing is left to chance"


# --- words ------------------------------------------------------------------------------------------------


def test_reasons_name_the_strongest_first(messy_csv: Path) -> None:
    data = pd.read_csv(messy_csv, dtype=str)
    data.loc[3, "size"] = "30.5"
    data.loc[3, "kind"] = "rare"
    encoder = TableEncoder().fit(open_source(messy_csv))
    strange = reasons(encoder, data, [3, 10])
    low, high = np.quantile(pd.read_csv(messy_csv)["size"], [0.01, 0.99], method="nearest")
    assert strange[0].startswith(f"size = 30.5 (usually {low:.3g} to {high:.3g}); ")
    assert "kind = 'rare' (1 in 400 rows)" in strange[0]
    assert len(strange[0].split("; ")) == 3


def test_infinite_and_foreign_cells_come_first(messy_csv: Path) -> None:
    encoder = TableEncoder().fit(open_source(messy_csv))
    data = pd.read_csv(messy_csv, dtype=str)
    data.loc[8, "size"] = "1e6"
    data.loc[9, ["size", "holes", "day", "bit"]] = ["big", "-inf", "soon", "7"]
    said = reasons(encoder, data, [7, 8, 9])
    assert said[0].startswith("bad is not a number: '12a'; ")
    assert said[1].startswith("bad is infinite: 'inf'; size = 1e6 (usually")
    assert said[2].split("; ")[:3] == [
        "size is not a number: 'big'",
        "holes is infinite: '-inf'",
        "bit is not true or false: '7'",
    ]
    assert said[2].endswith("; and 1 more cells that are infinite or of another type")


@pytest.mark.parametrize(
    ("column", "cell", "words"),
    [
        ([1.0, 2, 3, 4, None], None, "x missing (20 % of rows)"),
        ([1.0, 2, 3, 4, 1.5], None, "x missing (in none of 5 rows)"),
        ([10_000, 54_540, 20_000, 1, 7], 54_540, "x = 54540 (usually 1 to 54,540)"),
        (["a"] * 99 + ["b"], "b", "x = 'b' (1 in 100 rows)"),
        (["a"] * 99 + ["b"], "new", "x = 'new' (in none of 100 rows)"),
        ([True, False, False, False, False], True, "x = True (20 % of rows)"),
        (
            ["2020-01-05", "2020-03-01", "2020-02-01"] * 3,
            "2031-01-01",
            "x = 2031-01-01 (usually 2020-01-05 to 2020-03-01)",
        ),
        (
            ["good water here", "good water there", "good air here", "bad air there", "bad air here"],
            "x" * 99,
            f"x = '{'x' * 39}…' (words hardly seen elsewhere: '{'x' * 39}…')",
        ),
    ],
)
def test_words_for_a_cell(column: list[Any], cell: Any, words: str) -> None:
    encoder, _ = fitted(x=column)
    source = open_source(pa.table({"x": pa.array([cell], pa.array(column).type)}))
    X = encoder.transform(source)
    groups = np.zeros_like(X) - 50
    assert encoder.explain(Median(groups), source, X, np.array([0])).reasons == [words]  # type: ignore[arg-type]


def test_nothing_stands_out() -> None:
    encoder, _ = fitted(x=[1.0, 2, 4, 8, 16])
    source = open_source(pa.table({"x": [1.0, 2.0]}))

    class Flat:
        def explain(self, X: NDArray[np.float32], groups: NDArray[np.int64]) -> NDArray[np.float64]:
            return np.full((len(X), groups.max() + 1), -0.5)

    scored = encoder.transform(source)
    said = encoder.explain(Flat(), source, scored, np.array([0, 1])).reasons  # type: ignore[arg-type]
    assert said == ["no single column stands out"] * 2
    assert encoder.explain(Flat(), source, scored, np.array([], dtype=np.int64)).reasons == []  # type: ignore[arg-type]


def test_contributions_follow_the_owners(messy_csv: Path) -> None:
    source = open_source(messy_csv)
    encoder = TableEncoder().fit(source)
    X = encoder.transform(source)
    X[3, encoder.feature_owner.index("bit")] += 50
    found = encoder.contributions(Median(X), X, np.array([3, 4]))  # type: ignore[arg-type]
    assert found.shape == (2, len(encoder.owners))
    assert encoder.owners[found[0].argmax()] == "bit"


# --- any table --------------------------------------------------------------------------------------------

CELL = st.one_of(
    st.none(),
    st.floats(),
    st.integers(-(10**30), 10**30),
    st.booleans(),
    st.text(max_size=8),
    st.sampled_from(["?", "nan", "2020-01-01", "12:30", "1e999", "a word or two", "a b c d"]),
    st.dates(),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(5, 9).flatmap(
        lambda n: st.lists(st.lists(CELL, min_size=n, max_size=n), min_size=1, max_size=4)
    )
)
def test_any_table_is_encoded_row_by_row(columns: list[list[Any]]) -> None:
    table = pa.table(
        {
            f"c{j}": pa.array([None if cell is None else str(cell) for cell in column], pa.string())
            for j, column in enumerate(columns)
        }
    )
    source = open_source(table)
    try:
        encoder = TableEncoder().fit(source)
    except InputError:  # constants and the like only, see above
        return
    X = encoder.transform(source)
    assert X.shape == (len(table), len(encoder.feature_owner))
    assert np.isfinite(X).all()
    for i in range(len(table)):
        np.testing.assert_array_equal(encoder.transform(open_source(table.slice(i, 1)))[0], X[i])
    said = encoder.explain(Median(X), source, X, np.arange(len(table))).reasons  # type: ignore[arg-type]
    assert all(said)
    values, arrays = encoder.get_state()
    again = TableEncoder.from_state(json.loads(json.dumps(values, allow_nan=False)), arrays)
    np.testing.assert_array_equal(again.transform(source), X)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(), min_size=5, max_size=30))
def test_any_numbers_stay_finite(values: list[float]) -> None:
    try:
        encoder, X = fitted(x=values)
    except InputError:
        return
    assert np.isfinite(X).all()
    assert np.abs(X).max() <= 1000
    other = encoder.transform(open_source(pa.table({"x": [1.7e308, -1.7e308, 5e-324, math.inf]})))
    assert np.isfinite(other).all()


# --- real data --------------------------------------------------------------------------------------------


@pytest.mark.data
def test_kdd_cup_99(data_dir: Path) -> None:
    options = ReadOptions(label_column="41", anomaly_value="normal.")
    source = open_source(data_dir / "kddcup99_10_percent.gz", options)
    encoder = TableEncoder().fit(source)
    found = roles(encoder)
    assert [name for name, role in found.items() if role == "categorical"] == ["1", "2", "3"]
    assert [name for name, role in found.items() if role == "boolean"] == ["6", "11", "13", "21"]
    assert [name for name, role in found.items() if role == "constant"] == ["19", "20"]
    X = encoder.transform(source)
    assert np.isfinite(X).all()
    tim_i = int(
        np.flatnonzero([row == "tim_i" for b in source.batches(["2"]) for row in b.column(0).to_pylist()])[0]
    )
    assert (
        "2 = 'tim_i' (7 in 494,021 rows)"
        in encoder.explain(Median(X), source, X, np.array([tim_i])).reasons[0]
    )


@pytest.mark.data
def test_arrhythmia(data_dir: Path) -> None:
    source = open_source(data_dir / "arrhythmia.data")
    encoder = TableEncoder().fit(source)
    columns = {column["name"]: column for column in encoder.description["columns"]}
    assert columns["13"]["missing"] == 376
    assert columns["13"]["features"] == ["value"]
    assert {column["role"] for column in columns.values()} == {"numeric", "boolean", "constant"}
