from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from kmflow_orchestration.sail.faults import SailError
from kmflow_orchestration.sail.parquet_commits import add_parquet_file
from kmflow_orchestration.sail.tables import (
    Column,
    add_columns,
    create_empty,
    create_schema,
    exists,
    overwrite,
    read_columns,
    register,
    sail_name,
    unregister,
)
from kmflow_orchestration.sail.types import delta_json, spark_from_arrow, spark_from_delta

COLUMNS = (
    Column("id", "BIGINT", nullable=False, comment="key"),
    Column("name", "STRING"),
    Column("amount", "DECIMAL(18,2)"),
    Column("at", "TIMESTAMP"),
    Column("day", "DATE"),
)
NAME = sail_name("c-1", "s", "t")


@pytest.fixture
def table(tmp_path, session):
    create_empty(tmp_path / "t", COLUMNS)
    create_schema(session, "`c-1.s`")
    register(session, NAME, tmp_path / "t")
    return tmp_path / "t"


def test_a_table_has_the_columns_it_was_made_with(table):
    assert read_columns(table) == COLUMNS
    assert exists(table)
    protocol = DeltaTable(table).protocol()
    assert (protocol.min_reader_version, protocol.min_writer_version) == (1, 2)


def test_a_directory_without_a_table_has_no_columns(tmp_path):
    assert read_columns(tmp_path) is None
    assert not exists(tmp_path / "nothing")


def test_a_table_is_not_made_twice_unless_told(table):
    with pytest.raises(DeltaError):
        create_empty(table, COLUMNS)
    create_empty(table, COLUMNS[:1], replace=True)
    assert read_columns(table) == COLUMNS[:1]


def test_not_null_is_enforced(session, table):
    with pytest.raises(SailError, match="NOT NULL"):
        session.execute(f"INSERT INTO {NAME} VALUES (NULL, 'x', NULL, NULL, NULL)")


def test_added_columns_are_seen_by_registered_names(session, table):
    session.execute(f"INSERT INTO {NAME} VALUES (1, 'x', 1.5, NULL, NULL)")
    add_columns(table, [Column("extra", "ARRAY<STRING>")])
    assert session.fetch(f"SELECT id, extra FROM {NAME}").to_pylist() == [{"id": 1, "extra": None}]
    assert read_columns(table)[-1] == Column("extra", "ARRAY<STRING>")


def test_overwriting_replaces_rows_and_columns(session, table):
    schema, batches = session.query("SELECT 1L AS k, named_struct('a', array(1)) AS s")
    overwrite(table, schema, batches)
    assert read_columns(table) == (Column("k", "BIGINT"), Column("s", "STRUCT<a:ARRAY<INT>>"))
    assert session.fetch(f"SELECT * FROM {NAME}").to_pylist() == [{"k": 1, "s": {"a": [1]}}]


def test_a_table_cannot_hold_untyped_nulls(session, table):
    schema, batches = session.query("SELECT NULL AS n")
    with pytest.raises(ValueError, match="VOID"):
        overwrite(table, schema, batches)


def test_forgetting_a_name_leaves_the_table(session, table):
    unregister(session, NAME)
    unregister(session, NAME)
    assert read_columns(table) == COLUMNS


def parquet(path, **columns):
    pq.write_table(pa.table(columns), path, row_group_size=2)


def test_a_parquet_file_becomes_rows_with_statistics(session, table):
    moment = datetime(2026, 11, 20, 9, tzinfo=UTC)
    parquet(
        table / "part-1.parquet",
        id=pa.array([1, 2, 3], pa.int64()),
        name=["a", None, "b" * 41],
        amount=pa.array([Decimal("1.50"), None, Decimal("9.00")], pa.decimal128(18, 2)),
        at=pa.array([moment] * 3, pa.timestamp("us", "UTC")),
        day=[date(2026, 1, 1)] * 3,
    )
    assert add_parquet_file(table, "part-1.parquet") == 3

    ordered = f"SELECT id, amount FROM {NAME} WHERE at = :at ORDER BY id"
    rows = session.fetch(ordered, {"at": moment})
    assert rows["id"].to_pylist() == [1, 2, 3]
    [action] = pa.table(DeltaTable(table).get_add_actions(flatten=True)).to_pylist()
    assert (action["num_records"], action["min.id"], action["max.id"]) == (3, 1, 3)
    assert (action["null_count.name"], action["max.name"]) == (1, None)
    session.execute(f"DELETE FROM {NAME} WHERE id = 2")
    assert session.fetch(f"SELECT * FROM {NAME}").num_rows == 2


def test_columns_a_parquet_file_lacks_read_as_null(session, table):
    parquet(table / "p.parquet", id=pa.array([5], pa.int64()))
    add_parquet_file(table, "p.parquet")
    [row] = session.fetch(f"SELECT * FROM {NAME}").to_pylist()
    assert (row["id"], row["name"]) == (5, None)


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"id": pa.array([1], pa.int64()), "odd": [1]}, "no column 'odd'"),
        ({"id": ["1"]}, "'id' is string"),
        ({"name": ["x"]}, "lacks column 'id'"),
    ],
)
def test_a_parquet_file_that_does_not_fit_is_refused(table, columns, complaint):
    parquet(table / "p.parquet", **columns)
    with pytest.raises(ValueError, match=complaint):
        add_parquet_file(table, "p.parquet")
    assert DeltaTable(table).version() == 0


@pytest.mark.parametrize(
    "spark",
    ["BIGINT", "DECIMAL(10,0)", "ARRAY<INT>", "MAP<STRING,ARRAY<DATE>>", "STRUCT<a:INT,b:DOUBLE>"],
)
def test_types_survive_the_way_to_delta_and_back(spark):
    assert spark_from_delta(delta_json(spark)) == spark


@pytest.mark.parametrize("spark", ["BIGGINT", "", "MAP<INT>", "ARRAY<>", "INTERVAL"])
def test_what_is_no_type_is_refused(spark):
    with pytest.raises(ValueError, match="data type"):
        delta_json(spark)


def test_results_name_their_types_as_spark_does(session):
    schema, _ = session.query(
        "SELECT timestamp'2026-01-01' AS a, 1.50 AS b, map('k', 1) AS c, NULL AS d,"
        " array(1.5D) AS e"
    )
    assert [spark_from_arrow(kind) for kind in schema.types] == [
        "TIMESTAMP",
        "DECIMAL(3,2)",
        "MAP<STRING,INT>",
        "VOID",
        "ARRAY<DOUBLE>",
    ]
