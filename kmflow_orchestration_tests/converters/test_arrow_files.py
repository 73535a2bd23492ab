from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import feather, orc

from kmflow_orchestration.converters.arrow_files import ArrowFileConverter, ArrowTable, kind_of
from kmflow_orchestration.converters.interface import Source
from kmflow_orchestration.converters.type_lattice import STRING
from kmflow_orchestration.errors import ConfigurationError, CorruptInput
from kmflow_orchestration_tests.converters.conftest import Writes
from kmflow_orchestration_tests.converters.reading import all_values, rows, types

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LOANS = pa.table(
    {
        "id": pa.array([9007199254740993, 2], pa.int64()),
        "amount": pa.array([Decimal("1.50"), None], pa.decimal128(12, 2)),
        "share": pa.array([0.1, 2.0], pa.float64()),
        "name": pa.array(["Ana", ""], pa.string()),
        "due": pa.array([date(2026, 11, 20), None], pa.date32()),
        "at": pa.array([NOON, None], pa.timestamp("us", "UTC")),
        "ok": pa.array([True, False]),
    }
)


def as_feather(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    feather.write_feather(table, buffer)
    return buffer.getvalue()


def as_parquet(table: pa.Table, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **options)
    return buffer.getvalue()


def as_orc(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    orc.write_table(table, buffer)
    return buffer.getvalue()


def opened(source: Source, **options: Any) -> ArrowTable:
    (table,) = ArrowFileConverter().open_tables(source, options)
    return table


@pytest.mark.parametrize(
    ("write", "name"),
    [(as_parquet, "a.parquet"), (as_feather, "a.feather"), (as_orc, "a.orc")],
)
def test_typed_files_keep_their_types_and_values(
    source: Writes, write: Callable[[pa.Table], bytes], name: str
) -> None:
    table = opened(source(write(LOANS), name))

    assert types(table) == {
        "id": "BIGINT",
        "amount": "DECIMAL(18,2)",
        "share": "DOUBLE",
        "name": "STRING",
        "due": "DATE",
        "at": "TIMESTAMP",
        "ok": "BOOLEAN",
    }
    assert rows(table) == [tuple(row.values()) for row in LOANS.to_pylist()]
    assert [row["_source_row"] for row in all_values(table)] == [1, 2]
    assert (table.receipt.rows_written, table.receipt.adds_up, table.warnings) == (2, True, ())
    assert rows(table, dict.fromkeys(types(table), STRING))[0] == (
        *("9007199254740993", "1.50", "0.1", "Ana", "2026-11-20"),
        *("2026-11-20T12:00:00.000000Z", "true"),
    )


@pytest.mark.parametrize(
    ("values", "sql", "found"),
    [
        (pa.array([1, -128], pa.int8()), "BIGINT", [1, -128]),
        (pa.array([2**64 - 1], pa.uint64()), "DECIMAL(38,0)", [Decimal(2**64 - 1)]),
        (pa.array([0.5], pa.float32()), "DOUBLE", [0.5]),
        (pa.array(["a", "b"]).dictionary_encode(), "STRING", ["a", "b"]),
        (pa.array(["7"], pa.large_string()), "STRING", ["7"]),
        (pa.array([b"\1\2"]), "STRING", ["AQI="]),
        (pa.array([time(1, 2, 3)], pa.time64("us")), "STRING", ["01:02:03.000000"]),
        (pa.array([timedelta(seconds=1.5)]), "STRING", ["1.5 s"]),
        (pa.array([date(2026, 1, 2)], pa.date64()), "DATE", [date(2026, 1, 2)]),
        (pa.array([NOON], pa.timestamp("ns", "Europe/Berlin")), "TIMESTAMP", [NOON]),
        (pa.array([NOON.replace(tzinfo=None)], pa.timestamp("s")), "TIMESTAMP", [NOON]),
        (pa.array([[1, None]]), "STRING", ["[1,null]"]),
        (
            pa.array([{"a": Decimal("1.50"), "b": ["x"]}]),
            "STRING",
            ['{"a":1.50,"b":["x"]}'],
        ),
        (pa.array([[("k", 0.1)]], pa.map_(pa.string(), pa.float64())), "STRING", ['[["k",0.1]]']),
        (pa.nulls(2), "STRING", [None, None]),
    ],
    ids=lambda one: str(one.type) if isinstance(one, pa.Array) else None,
)
def test_every_arrow_type_has_a_place(
    source: Writes, values: Any, sql: str, found: list[object]
) -> None:
    table = opened(source(as_feather(pa.table({"a": values})), "a.feather"))

    assert (types(table), rows(table)) == ({"a": sql}, [(value,) for value in found])


def test_nanoseconds_are_cut_only_where_they_are_zero(source: Writes) -> None:
    moments = pa.array([1_000, 1_001], pa.timestamp("ns"))
    table = opened(source(as_parquet(pa.table({"a": moments})), "a.parquet"))

    assert rows(table) == [("1970-01-01T00:00:00.000001000",), ("1970-01-01T00:00:00.000001001",)]
    assert [warning.code for warning in table.warnings] == ["moments_as_text"]


def test_many_batches_count_on(source: Writes) -> None:
    table = pa.table({"a": range(40_000)})
    found = opened(source(as_parquet(table, row_group_size=15_000), "a.parquet"))

    assert [row["_source_row"] - row["a"] for row in all_values(found)] == [1] * 40_000


def test_names_that_are_there_twice_are_told_apart(source: Writes) -> None:
    table = pa.table([[1], [2], [3]], names=["a", "A", "_source_row"])
    found = opened(source(as_feather(table), "a.feather"))

    assert types(found) == {"a": "BIGINT", "a_2": "BIGINT", "source_row": "BIGINT"}
    assert rows(found) == [(1, 2, 3)]


def test_a_table_without_rows_has_its_columns(source: Writes) -> None:
    found = opened(source(as_parquet(LOANS.slice(0, 0)), "a.parquet"))

    assert (list(types(found)), rows(found)) == (LOANS.schema.names, [])


WHOLE = {"parquet": as_parquet(LOANS), "feather": as_feather(LOANS), "orc": as_orc(LOANS)}


@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
def test_a_truncated_file_is_corrupt(source: Writes, kind: str, share: float) -> None:
    content = WHOLE[kind]

    with pytest.raises(CorruptInput):
        opened(source(content[: int(len(content) * share)], f"a.{kind}"))


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"ORCHESTRA,b\n1,2\n", b"PAR1" * 4])
def test_what_is_no_such_file_is_corrupt(source: Writes, content: bytes) -> None:
    with pytest.raises(CorruptInput):
        opened(source(content, "a.parquet"))


@pytest.mark.parametrize("content", [b"PARE" + bytes(20), b"PAR1" + bytes(20) + b"PARE"])
def test_an_encrypted_file_says_so(source: Writes, content: bytes) -> None:
    with pytest.raises(CorruptInput) as error:
        opened(source(content, "a.parquet"))

    assert error.value.reason == "encrypted"


def test_text_that_begins_as_orc_is_text() -> None:
    assert (kind_of(b"ORCHESTRA,b\n1,2\n"), kind_of(WHOLE["orc"][:16])) == ("", "orc")


def test_there_are_no_options(source: Writes) -> None:
    with pytest.raises(ConfigurationError):
        opened(source(WHOLE["parquet"], "a.parquet"), columns="a")


columns = st.fixed_dictionaries(
    {
        "n": st.none() | st.integers(-(2**63), 2**63 - 1),
        "d": st.none() | st.decimals(-(10**6), 10**6, places=4),
        "f": st.none() | st.floats(allow_nan=False),
        "s": st.none() | st.text(max_size=4),
        "t": st.none() | st.datetimes(datetime(3, 1, 1), datetime(9998, 1, 1)),  # noqa: DTZ001
    }
)
SCHEMA = pa.schema(
    {
        "n": pa.int64(),
        "d": pa.decimal128(20, 4),
        "f": pa.float64(),
        "s": pa.string(),
        "t": pa.timestamp("us"),
    }
)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=st.lists(columns, min_size=1, max_size=5))
def test_any_table_comes_back_with_its_values(
    tmp_path: Path, content: list[dict[str, Any]]
) -> None:
    path = tmp_path / "any.parquet"
    pq.write_table(pa.Table.from_pylist(content, SCHEMA), path)
    found = opened(Source(path, path.name))

    for row, truth in zip(rows(found), content, strict=True):
        *values, moment = row
        assert values == [truth[name] for name in "ndfs"]
        assert moment == (truth["t"] and truth["t"].replace(tzinfo=UTC))
