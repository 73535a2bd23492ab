"""What every Lakehouse promises (design AD1, AD3), on each of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pytest

from kmflow_orchestration.errors import GroupMismatch, KmflowError
from kmflow_orchestration.names import TableName
from kmflow_orchestration.storage.interfaces import Lakehouse
from kmflow_orchestration.tables.arrow_types import arrow_schema
from kmflow_orchestration.tables.definition import Column, TableDefinition

COLUMNS = (
    Column("id", "STRING", nullable=False, comment="what it's called"),
    Column("amount", "DECIMAL(18,2)"),
    Column("count", "BIGINT"),
    Column("_evidence_id", "STRING"),
    Column("_batch_id", "STRING"),
)
DEFINITION = TableDefinition("bronze", "loans", COLUMNS, key=("id",), comment="Loans, 'as is'")
TYPED = (
    Column("id", "STRING"),
    Column("big", "BIGINT"),
    Column("money", "DECIMAL(38,10)"),
    Column("ratio", "DOUBLE"),
    Column("flag", "BOOLEAN"),
    Column("day", "DATE"),
    Column("moment", "TIMESTAMP"),
)


def rows(*ids: str, batch: str = "b1", evidence: str | None = "ev1", count: int = 1) -> pa.Table:
    return pa.Table.from_pylist(
        [{"id": one, "count": count, "_evidence_id": evidence, "_batch_id": batch} for one in ids],
        schema=pa.schema(
            [("id", pa.string()), ("count", pa.int64())]
            + [(name, pa.string()) for name in ("_evidence_id", "_batch_id")]
        ),
    )


@pytest.fixture
def table(lakehouse: Lakehouse) -> TableName:
    return new_table(lakehouse, COLUMNS)


def new_table(lakehouse: Lakehouse, columns: Sequence[Column]) -> TableName:
    table = TableName("kmflow", "acme_evidence_bronze", f"t_{uuid4().hex[:10]}")
    lakehouse.ensure_table(table, TableDefinition("bronze", table.name, tuple(columns)))
    return table


def ids(lakehouse: Lakehouse, table: TableName) -> list[str]:
    found = lakehouse.query(f"SELECT `id` FROM {table.sql} ORDER BY `id`")
    return [str(one) for one in found.column("id").to_pylist()]


def test_it_is_a_lakehouse(lakehouse: Lakehouse) -> None:
    assert isinstance(lakehouse, Lakehouse)


def test_a_table_is_made_once_with_its_columns(lakehouse: Lakehouse) -> None:
    table = TableName("kmflow", "acme_evidence_bronze", f"made_{uuid4().hex[:8]}")
    assert lakehouse.columns(table) is None

    assert lakehouse.ensure_table(table, DEFINITION) is True
    assert lakehouse.ensure_table(table, DEFINITION) is False

    assert lakehouse.columns(table) == COLUMNS
    assert table in lakehouse.tables("acme_evidence_bronze")


def test_a_new_batch_is_added(lakehouse: Lakehouse, table: TableName) -> None:
    added = lakehouse.replace(table, rows("x", "y"), matching={"_batch_id": ["b1"]})
    lakehouse.replace(table, rows("z", batch="b2"), matching={"_batch_id": ["b2"]})

    assert added == 2
    assert ids(lakehouse, table) == ["x", "y", "z"]


def test_the_same_batch_again_gives_the_same_rows(lakehouse: Lakehouse, table: TableName) -> None:
    for _ in range(3):
        lakehouse.replace(table, rows("x", "y"), matching={"_batch_id": ["b1"]})

    assert ids(lakehouse, table) == ["x", "y"]


def test_a_batch_that_lost_members_loses_their_rows(lakehouse: Lakehouse, table: TableName) -> None:
    lakehouse.replace(table, rows("x", "y"), matching={"_batch_id": ["b1"]})
    lakehouse.replace(table, rows("other", batch="b2"), matching={"_batch_id": ["b2"]})

    lakehouse.replace(table, rows("x"), matching={"_batch_id": ["b1"]})

    assert ids(lakehouse, table) == ["other", "x"]


@pytest.mark.parametrize("present", [True, False], ids=["some", "none"])
def test_an_empty_batch_removes_what_was_there(
    lakehouse: Lakehouse, table: TableName, present: bool
) -> None:
    lakehouse.replace(table, rows("stays", batch="b2"), matching={"_batch_id": ["b2"]})
    if present:
        lakehouse.replace(table, rows("x"), matching={"_batch_id": ["b1"]})

    assert lakehouse.replace(table, rows(), matching={"_batch_id": ["b1"]}) == 0

    assert ids(lakehouse, table) == ["stays"]


def test_superseded_rows_go_in_the_same_write(lakehouse: Lakehouse, table: TableName) -> None:
    for number, evidence in enumerate(["old", "kept", None]):
        batch = f"b{number}"
        lakehouse.replace(
            table,
            rows(f"r{number}", batch=batch, evidence=evidence),
            matching={"_batch_id": [batch]},
        )

    lakehouse.replace(
        table,
        rows("new", batch="b9", evidence="ev9"),
        matching={"_batch_id": ["b9"], "_evidence_id": ["old", "it's \\ never there"]},
    )

    assert ids(lakehouse, table) == ["new", "r1", "r2"]


def test_rows_nobody_would_find_again_are_refused(lakehouse: Lakehouse, table: TableName) -> None:
    with pytest.raises(ValueError, match="_batch_id"):
        lakehouse.replace(table, rows("x", batch="b2"), matching={"_batch_id": ["b1"]})
    with pytest.raises(ValueError, match="nothing says"):
        lakehouse.replace(table, rows("x"), matching={"_batch_id": []})

    assert ids(lakehouse, table) == []


def test_rows_may_come_as_a_stream_of_batches(lakehouse: Lakehouse, table: TableName) -> None:
    def stream() -> Iterator[pa.RecordBatch]:
        for number in range(5):
            yield from rows(*(f"{number}-{at}" for at in range(1000))).to_batches()

    count = lakehouse.replace(table, stream(), schema=rows().schema, matching={"_batch_id": ["b1"]})

    found = lakehouse.query(f"SELECT count(*) AS n FROM {table.sql}")
    assert (count, found["n"].to_pylist()) == (5000, [5000])


def test_a_merge_inserts_and_replaces_by_key(lakehouse: Lakehouse, table: TableName) -> None:
    lakehouse.merge(table, rows("x", "y", count=1), ["id"])
    for _ in range(2):
        lakehouse.merge(table, rows("y", "z", batch="b2", count=2), ["id"])

    found = lakehouse.query(f"SELECT `id`, `count`, `_batch_id` FROM {table.sql} ORDER BY `id`")
    assert [tuple(row.values()) for row in found.to_pylist()] == [
        ("x", 1, "b1"),
        ("y", 2, "b2"),
        ("z", 2, "b2"),
    ]


def test_a_merge_of_nothing_changes_nothing(lakehouse: Lakehouse, table: TableName) -> None:
    lakehouse.merge(table, rows("x"), ["id"])
    lakehouse.merge(table, rows(), ["id"])

    assert ids(lakehouse, table) == ["x"]


def test_a_merge_with_an_ambiguous_key_is_refused(lakehouse: Lakehouse, table: TableName) -> None:
    with pytest.raises(ValueError, match="same id"):
        lakehouse.merge(table, rows("x", "x"), ["id"])


def test_a_rebuild_gives_exactly_these_columns_and_rows(
    lakehouse: Lakehouse, table: TableName
) -> None:
    lakehouse.replace(table, rows("x"), matching={"_batch_id": ["b1"]})
    wider = (Column("id", "STRING"), Column("price", "DOUBLE"), Column("_batch_id", "STRING"))
    new = pa.Table.from_pylist([{"id": "q", "price": 1.5, "_batch_id": "b2"}])

    for _ in range(2):
        assert lakehouse.rebuild(table, wider, new) == 1

    assert lakehouse.columns(table) == wider
    assert lakehouse.query(f"SELECT * FROM {table.sql}").to_pylist() == new.to_pylist()
    lakehouse.replace(
        table, pa.table({"id": ["r"], "_batch_id": ["b3"]}), matching={"_batch_id": ["b3"]}
    )
    assert ids(lakehouse, table) == ["q", "r"]


def test_a_rebuild_may_make_the_table(lakehouse: Lakehouse) -> None:
    table = TableName("kmflow", "acme_evidence_bronze", f"fresh_{uuid4().hex[:8]}")

    lakehouse.rebuild(table, TYPED, arrow_schema(TYPED).empty_table())

    assert lakehouse.columns(table) == TYPED


VALUES: tuple[dict[str, Any], ...] = (
    {
        "id": 'it\'s "quoted" \\n `tick` :name ? ; -- \n\ttab',
        "big": 2**63 - 1,
        "money": Decimal("1234567890123456789012345678.0123456789"),
        "ratio": 0.1,
        "flag": True,
        "day": date(1582, 10, 4),
        "moment": datetime(2026, 11, 20, 9, 0, 0, 123456, tzinfo=UTC),
    },
    {
        "id": "日本語 😀 e\u0301 ß",
        "big": -(2**63),
        "money": Decimal("-0.0000000001"),
        "ratio": -math.inf,
        "flag": False,
        "day": date(9999, 12, 31),
        "moment": datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    },
    dict.fromkeys(column.name for column in TYPED) | {"id": ""},
)


@pytest.mark.parametrize("way", ["merge", "rebuild"])
def test_values_come_back_as_they_went_in(lakehouse: Lakehouse, way: str) -> None:
    table = new_table(lakehouse, TYPED)
    given = pa.Table.from_pylist(list(VALUES), schema=arrow_schema(TYPED))

    if way == "merge":
        lakehouse.merge(table, given, ["id"])
    else:
        lakehouse.rebuild(table, TYPED, given)

    names = ", ".join(f"`{column.name}`" for column in TYPED)
    found = lakehouse.query(f"SELECT {names} FROM {table.sql}")
    assert found.schema.types == given.schema.types
    assert sorted(found.to_pylist(), key=repr) == sorted(given.to_pylist(), key=repr)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("big", pa.array([2**63], pa.uint64())),
        ("big", pa.array(["007"])),
        ("big", pa.array([1.5])),
        ("money", pa.array([Decimal("0.12345678901")])),
        ("money", pa.array([1.5])),
        ("ratio", pa.array([2**53 + 1])),
        ("ratio", pa.array([Decimal("0.1")])),
        ("day", pa.array([1], pa.timestamp("us"))),
        ("moment", pa.array([1], pa.timestamp("us"))),
        ("moment", pa.array([1], pa.timestamp("ns", tz="UTC"))),
        ("unknown", pa.array(["x"])),
    ],
)
def test_a_value_its_column_cannot_hold_exactly_is_refused(
    lakehouse: Lakehouse, column: str, value: pa.Array
) -> None:
    table = new_table(lakehouse, TYPED)

    with pytest.raises(ValueError, match=column):
        lakehouse.merge(table, pa.table({"id": ["x"], column: value}), ["id"])


def test_narrower_types_are_widened(lakehouse: Lakehouse) -> None:
    table = new_table(lakehouse, TYPED)
    given = pa.table(
        {
            "id": pa.array(["x"]).dictionary_encode(),
            "big": pa.array([7], pa.int8()),
            "money": pa.array([Decimal("1.5")]),
            "ratio": pa.array([3], pa.int32()),
            "moment": pa.array([date(2026, 11, 20)]),
            "day": pa.nulls(1),
        }
    )

    lakehouse.merge(table, given, ["id"])

    [row] = lakehouse.query(f"SELECT * FROM {table.sql}").to_pylist()
    assert (row["big"], row["money"], row["ratio"], row["day"], row["flag"]) == (
        7,
        Decimal("1.5"),
        3.0,
        None,
        None,
    )
    assert row["moment"] == datetime(2026, 11, 20, tzinfo=UTC)


def test_null_where_none_may_stand_is_refused(lakehouse: Lakehouse, table: TableName) -> None:
    with pytest.raises(ValueError, match="'id' must not be NULL"):
        lakehouse.replace(
            table,
            pa.table({"id": pa.array([None], pa.string()), "_batch_id": ["b1"]}),
            matching={"_batch_id": ["b1"]},
        )


def test_parameters_are_values_never_sql(lakehouse: Lakehouse) -> None:
    moment = datetime(2026, 11, 20, 9, tzinfo=UTC)
    parameters = {
        "text": "x' OR '1'='1",
        "number": -5,
        "ratio": 0.25,
        "flag": True,
        "day": date(2026, 11, 20),
        "moment": moment,
        "nothing": None,
    }
    sql = "SELECT " + ", ".join(f":{name} AS `{name}`" for name in parameters)

    assert lakehouse.query(sql, parameters).to_pylist() == [parameters]


def test_a_large_result_arrives_whole(lakehouse: Lakehouse) -> None:
    found = lakehouse.query("SELECT `id`, `id` * 2 AS `twice` FROM range(200000)")

    assert found.num_rows == 200_000
    assert sum(found["twice"].to_pylist()) == 200_000 * 199_999


def test_an_empty_result_has_its_types(lakehouse: Lakehouse, table: TableName) -> None:
    found = lakehouse.query(f"SELECT `amount`, `count` FROM {table.sql}")

    assert found.num_rows == 0
    assert found.schema.types == [pa.decimal128(18, 2), pa.int64()]


def test_two_writers_lose_nothing(lakehouse: Lakehouse, table: TableName) -> None:
    def write(number: int) -> None:
        batch = f"b{number % 4}"
        lakehouse.replace(
            table, rows(f"r{number % 4}", batch=batch), matching={"_batch_id": [batch]}
        )

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, [3, 1, 0, 2] * 3))

    assert ids(lakehouse, table) == ["r0", "r1", "r2", "r3"]


def test_a_statement_with_an_error_says_so(lakehouse: Lakehouse, table: TableName) -> None:
    with pytest.raises(KmflowError):
        lakehouse.query(f"SELECT no_such_column FROM {table.sql}")
    with pytest.raises(KmflowError):
        lakehouse.query("SELECT * FROM `kmflow`.`acme_evidence_bronze`.`no_such_table`")


def test_a_write_to_a_table_that_is_not_there_says_so(lakehouse: Lakehouse) -> None:
    missing = TableName("kmflow", "acme_evidence_bronze", "missing")

    with pytest.raises(KmflowError, match="no table"):
        lakehouse.replace(missing, rows("x"), matching={"_batch_id": ["b1"]})


def test_another_groups_tables_are_out_of_reach(
    lakehouses: dict[str, Lakehouse], table: TableName
) -> None:
    lakehouses["acme"].replace(table, rows("secret"), matching={"_batch_id": ["b1"]})
    globex = lakehouses["globex"]

    for act in (
        lambda: globex.columns(table),
        lambda: globex.ensure_table(table, DEFINITION),
        lambda: globex.replace(table, rows(), matching={"_batch_id": ["b1"]}),
        lambda: globex.merge(table, rows("x"), ["id"]),
        lambda: globex.rebuild(table, COLUMNS, rows()),
        lambda: globex.tables("acme_evidence_bronze"),
    ):
        with pytest.raises(GroupMismatch):
            act()
    for sql in (f"SELECT * FROM {table.sql}", f"DELETE FROM {table.sql}"):
        with pytest.raises(KmflowError):
            globex.execute(sql) if sql.startswith("DELETE") else globex.query(sql)
    assert ids(lakehouses["acme"], table) == ["secret"]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM parquet.`/etc/x.parquet`",
        "SELECT * FROM `delta`.`/home/globex/t`",
        "CREATE TABLE x USING DELTA LOCATION '/home/globex/t'",
    ],
)
def test_statements_may_not_name_files(lakehouse: Lakehouse, sql: str) -> None:
    with pytest.raises(GroupMismatch):
        lakehouse.query(sql)
    with pytest.raises(GroupMismatch):
        lakehouse.execute(sql)
