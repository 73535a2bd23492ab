"""Row A13: what was written is what is read, in every format, or the write is refused."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kmflow_orchestration.errors import ConfigurationError, OutputNotWritable
from kmflow_orchestration.outputs.encoding import EncodedOutput, decode, encode
from kmflow_orchestration.outputs.json_text import NULLED
from kmflow_orchestration.outputs.shapes import Shape
from kmflow_orchestration.outputs.tables import as_type

MOMENT = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
ALL = ("json", "csv", "txt", "parquet")

TEXTS = st.text(max_size=12) | st.sampled_from(
    ["", "007", "true", "null", "1e5", "2026-11-20", '"', "\n", "\r\n", ",", "=1+1", "NaN", "\x00"]
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SHORT_INTEGERS = st.integers(-(2**63), 2**63 - 1)
DATES = st.dates()
MOMENTS = st.datetimes() | st.datetimes(timezones=st.just(UTC))
CELLS = st.none() | st.booleans() | st.integers() | FLOATS | TEXTS | DATES | MOMENTS
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOATS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
# Parquet keeps one type a column.
COLUMN_TYPES = (st.booleans(), SHORT_INTEGERS, FLOATS, TEXTS, DATES, st.binary(max_size=5))


def written(value: Any, file_format: str) -> EncodedOutput:
    return encode(value, file_format, task_key="loans", moment=MOMENT)


def read_back(value: Any, file_format: str) -> Any:
    """What a reader gets who has the bytes and the shape as it is kept."""
    output = written(value, file_format)
    shape = Shape.from_json(json.loads(json.dumps(output.shape.to_json())))
    return decode(output.content, file_format, shape)


def same(one: Any, other: Any) -> bool:
    """Equal, and of equal types all the way down: Python takes True for 1."""
    if type(one) is not type(other) or one != other:
        return False
    if isinstance(one, dict):
        return all(same(one[name], other[name]) for name in one)
    return not isinstance(one, list) or all(map(same, one, other))


@st.composite
def records(draw: st.DrawFn, cells: st.SearchStrategy[Any]) -> list[dict[str, Any]]:
    names = draw(st.lists(TEXTS, min_size=1, max_size=4, unique=True))
    return draw(st.lists(st.fixed_dictionaries(dict.fromkeys(names, cells)), max_size=5))


@st.composite
def typed_records(draw: st.DrawFn) -> list[dict[str, Any]]:
    names = draw(st.lists(TEXTS, min_size=1, max_size=4, unique=True))
    columns = {name: st.none() | draw(st.sampled_from(COLUMN_TYPES)) for name in names}
    return draw(st.lists(st.fixed_dictionaries(columns), max_size=5))


@given(value=JSON_VALUES)
@example(value={"output": 1, "metadata": {"task_key": "x", "timestamp": "y"}})
@example(value=[{"a": 1}, {"b": 2}])
def test_json_gives_back_what_was_written(value: Any) -> None:
    assert same(read_back(value, "json"), value)


@given(value=CELLS | st.lists(CELLS) | st.lists(st.lists(CELLS, min_size=1)) | records(CELLS))
@example(value=[[None], [""], [None, None]])
@example(value=[{"": None}])
@example(value="")
def test_csv_gives_back_what_was_written(value: Any) -> None:
    assert same(read_back(value, "csv"), value)


@given(value=st.dictionaries(TEXTS, CELLS, min_size=1))
def test_csv_gives_back_a_single_record(value: dict[str, Any]) -> None:
    assert same(read_back(value, "csv"), value)


@given(value=TEXTS | st.none() | st.booleans() | st.integers() | FLOATS)
@example(value="\r\n\ufeffa\r")
def test_text_gives_back_what_was_written(value: Any) -> None:
    assert same(read_back(value, "txt"), value)


@given(value=typed_records() | st.lists(SHORT_INTEGERS) | TEXTS | st.lists(DATES) | FLOATS)
def test_parquet_gives_back_what_was_written(value: Any) -> None:
    assert same(read_back(value, "parquet"), value)


ARROW_COLUMNS = {
    pa.int64(): SHORT_INTEGERS,
    pa.int16(): st.integers(-(2**15), 2**15 - 1),
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.float64(): FLOATS,
    pa.float32(): st.floats(width=32, allow_nan=False, allow_infinity=False),
    pa.bool_(): st.booleans(),
    pa.string(): TEXTS,
    pa.large_string(): TEXTS,
    pa.decimal128(20, 4): st.decimals(-(10**12), 10**12, places=4),
    pa.date32(): DATES,
    pa.timestamp("us"): st.datetimes(),
    pa.timestamp("us", "UTC"): st.datetimes(timezones=st.just(UTC)),
    pa.dictionary(pa.int32(), pa.string()): TEXTS,
    pa.null(): st.none(),
}


@st.composite
def arrow_tables(draw: st.DrawFn, kinds: tuple[pa.DataType, ...]) -> pa.Table:
    chosen = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=4))
    names = draw(st.lists(TEXTS, min_size=len(chosen), max_size=len(chosen), unique=True))
    rows = draw(st.integers(0, 5))
    columns = [
        pa.array(
            draw(st.lists(st.none() | ARROW_COLUMNS[kind], min_size=rows, max_size=rows)), kind
        )
        for kind in chosen
    ]
    return pa.table(columns, names=names)


@given(table=arrow_tables(tuple(ARROW_COLUMNS)))
@example(table=pa.table({"a": pa.array([None], pa.string())}))
@example(table=pa.table({"a": pa.array(["", None])}))
@example(table=pa.table({'a,\n"b': pa.array([], pa.int64())}))
@example(table=pa.table({}))
@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_an_arrow_table_comes_back_with_its_types(file_format: str, table: pa.Table) -> None:
    found = read_back(table, file_format)

    assert found.schema == table.schema
    assert found.to_pylist() == table.to_pylist()


@given(table=arrow_tables((pa.int64(), pa.float64(), pa.bool_(), pa.string(), pa.null())))
def test_json_keeps_a_tables_types_too(table: pa.Table) -> None:
    found = read_back(table, "json")

    assert found.schema == table.schema
    assert found.to_pylist() == table.to_pylist()


FRAME = pd.DataFrame(
    {
        "amount": [1.5, None, 3.0],
        "name": ["x", "", 'q"u,\n'],
        "count": pd.array([1, None, 3], dtype="Int64"),
        "is_open": [True, False, True],
        "grade": pd.Categorical(["u", "v", "u"]),
    },
    index=["r1", "r2", "r3"],
)


@pytest.mark.parametrize("file_format", ["json", "csv", "parquet"])
def test_a_data_frame_comes_back_as_it_was(file_format: str) -> None:
    pd.testing.assert_frame_equal(read_back(FRAME, file_format), FRAME)
    pd.testing.assert_frame_equal(read_back(pd.DataFrame(), file_format), pd.DataFrame())


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_moments_of_a_data_frame_keep_their_nanoseconds(file_format: str) -> None:
    frame = pd.DataFrame({"at": pd.to_datetime(["2026-01-02 03:04:05.123456789", None])})

    pd.testing.assert_frame_equal(read_back(frame, file_format), frame)


def test_a_mapping_stands_alone_and_anything_else_is_wrapped() -> None:
    assert written({"a": "é"}, "json").content == '{\n  "a": "é"\n}'.encode()
    assert json.loads(written([1], "json").content) == {
        "output": [1],
        "metadata": {"task_key": "loans", "timestamp": "2026-11-20T09:00:00.000000+00:00"},
    }


def test_the_same_value_gives_the_same_bytes() -> None:
    for file_format in ("json", "csv", "parquet"):
        assert written(FRAME, file_format).content == written(FRAME, file_format).content


@pytest.mark.parametrize("missing", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("file_format", ["json", "csv"])
def test_what_is_no_number_becomes_null(file_format: str, missing: float) -> None:
    output = written([{"a": missing, "b": 1.0}], file_format)

    assert read_back([{"a": missing, "b": 1.0}], file_format) == [{"a": None, "b": 1.0}]
    assert b"nan" not in output.content.lower()
    assert b"inf" not in output.content.lower()


def test_numbers_that_became_null_are_counted() -> None:
    assert written({"a": [math.nan, math.inf]}, "json").counts == {NULLED: 2}
    assert written({"a": 1.0}, "json").counts == {}


def test_cells_that_look_like_formulas_are_kept_and_counted() -> None:
    rows = [{"a": "=1+1", "b": -1}, {"a": "+49", "b": 2}, {"a": "@x", "b": 0}, {"a": "a=", "b": 0}]

    assert read_back(rows, "csv") == rows
    assert written(rows, "csv").counts == {"formula_cells": 3}
    assert written(pa.Table.from_pylist(rows), "csv").counts == {"formula_cells": 3}


def test_text_is_told_from_numbers_by_its_quotes() -> None:
    rows = [{"id": "007", "n": 7, "x": None, "e": ""}]

    assert written(rows, "csv").content == b'"id","n","x","e"\n"007",7,,""\n'


def test_a_scalar_is_a_row_of_one_cell() -> None:
    assert written(5, "csv").content == b"5\n"
    assert pq.read_table(pa.py_buffer(written(5, "parquet").content)).to_pylist() == [{"value": 5}]


def test_a_key_that_some_records_lack_is_no_value_there() -> None:
    ragged = [{"a": 1}, {"b": "x"}]

    for file_format in ("csv", "parquet"):
        assert read_back(ragged, file_format) == [{"a": 1, "b": None}, {"a": None, "b": "x"}]


def test_single_numbers_of_numpy_are_numbers() -> None:
    for file_format in ("json", "csv", "parquet"):
        assert read_back([np.int64(3), np.int64(4)], file_format) == [3, 4]
    assert read_back({"a": np.float64(1.5), "b": np.bool_(True)}, "json") == {"a": 1.5, "b": True}


HOLDS_ITSELF: list[Any] = []
HOLDS_ITSELF.append(HOLDS_ITSELF)


@pytest.mark.parametrize(
    ("value", "file_format", "key"),
    [
        ({"a": [1, {"b": date(2026, 1, 1)}]}, "json", "$.a[1].b"),
        ({"a": {"b": Decimal(1)}}, "json", "$.a.b"),
        ({"a": b"x"}, "json", "$.a"),
        ({"a": {1: "x"}}, "json", "$.a"),
        ([{1, 2}], "json", "$[0]"),
        (object(), "json", "$"),
        ("\ud800", "json", "$"),
        ([10**5000], "json", "$[0]"),
        (HOLDS_ITSELF, "json", "$"),
        (pa.table({"at": [date(2026, 1, 1)]}), "json", "$[0].at"),
        ([[1, [2]]], "csv", "$[0][1]"),
        ([{"a": Decimal(1)}], "csv", "$[1][0]"),
        ([[1], []], "csv", "$[1]"),
        ([{1: "x"}], "csv", "1"),
        ({"a": {"b": 1}}, "csv", "$[1][0]"),
        ([1, [2]], "csv", "$"),
        (object(), "csv", "$"),
        (["\ud800"], "csv", "$[0][0]"),
        ([10**5000], "csv", "$[0][0]"),
        (pa.table({"l": [[1]]}), "csv", "l"),
        (pa.table([[1], [2]], names=["a", "a"]), "csv", "a"),
        ([1], "txt", "$"),
        ({"a": 1}, "txt", "$"),
        (pa.table({"a": [1]}), "txt", "$"),
        ("\ud800", "txt", "$"),
        ([{"a": 1}, {"a": "x"}], "parquet", "a"),
        ([[1], [1, 2]], "parquet", "$[1]"),
        ([2**64], "parquet", "value"),
        ([object()], "parquet", "$"),
        ([{"a": object()}], "parquet", "a"),
        ([{}], "parquet", "$"),
        (pd.DataFrame({"a": [1, "x"]}), "parquet", "a"),
        (pd.DataFrame({"a": [1], 7: [2]}), "parquet", "$"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "parquet", "a"),
    ],
)
def test_what_a_format_does_not_hold_is_refused_by_its_key(
    value: Any, file_format: str, key: str
) -> None:
    with pytest.raises(OutputNotWritable) as refused:
        written(value, file_format)

    assert refused.value.key == key
    assert key in str(refused.value) or key == "$"


@pytest.mark.parametrize("file_format", ["xlsx", "", "JSON"])
def test_an_unknown_format_is_a_wrong_setting(file_format: str) -> None:
    for value in (1, FRAME):
        with pytest.raises(ConfigurationError):
            written(value, file_format)


def test_a_reader_gets_the_kind_of_table_it_asks_for() -> None:
    table = pa.table({"a": [1, 2]})
    frame = table.to_pandas()

    pd.testing.assert_frame_equal(as_type(table, pd.DataFrame), frame)
    pd.testing.assert_frame_equal(as_type([{"a": 1}, {"a": 2}], pd.DataFrame), frame)
    assert as_type(frame, pa.Table).to_pylist() == table.to_pylist()
    assert as_type(table, pa.Table) is table
    assert as_type(frame, pd.DataFrame) is frame
    assert as_type([1], list) == [1]


def test_a_kind_nobody_writes_is_refused() -> None:
    with pytest.raises(ValueError, match="no kind of output"):
        Shape.from_json({"kind": "pickle"})
