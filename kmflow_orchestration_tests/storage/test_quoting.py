"""Row C11: names with `-` and back-ticks in every statement we make, read back by a parser."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import sqlglot
from sqlglot import expressions

from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration.names import TableName, quoted
from kmflow_orchestration.operations.provision import ALL_TABLES, provision_sql
from kmflow_orchestration.profiling import sql_builder
from kmflow_orchestration.profiling.column_kinds import kind_of
from kmflow_orchestration.profiling.sql_builder import PlannedColumn, TopRequest
from kmflow_orchestration.storage import write_sql
from kmflow_orchestration.tables.definition import Column, TableDefinition
from kmflow_orchestration_tests.embedded_groups import group_config

TABLE = TableName("ca`t-1", "sch`ema-2", "ta``ble-3")
KEY, VALUE = "ke`y-4", "val`ue` FROM x; DROP TABLE y -- {column}"
COLUMNS = (Column(KEY, "STRING", comment="it's a `key`"), Column(VALUE, "DOUBLE"))
SOURCE = quoted("so`urce")
DEFINITION = TableDefinition(
    "bronze", "na`me-5", COLUMNS, key=(KEY,), cluster_by=(VALUE,), comment="`c`"
)
PLANNED = [
    PlannedColumn(1, KEY, kind_of("STRING")),
    PlannedColumn(2, VALUE, kind_of("DOUBLE")),
    PlannedColumn(3, "da`y-6", kind_of("DATE")),
]
NOW = datetime(2026, 11, 20, tzinfo=UTC)


def scan(*, exact: bool) -> str:
    return sql_builder.scan_sql(
        TABLE.sql, PLANNED, reference=NOW, exact_percentiles=exact, count_distinct=True
    )


def top(column: PlannedColumn) -> str:
    request = TopRequest(column, limit=3)
    return sql_builder.top_values_sql(TABLE.sql, [request])


TABLE_NAMES = {TABLE.catalog, TABLE.schema, TABLE.name}
BOTH = {KEY, VALUE}
STATEMENTS: dict[str, tuple[Callable[[], str], set[str]]] = {
    "create": (lambda: DEFINITION.create_sql(TABLE), TABLE_NAMES | BOTH | {"pk_na`me-5"}),
    "merge": (lambda: write_sql.merge_sql(TABLE, [KEY], COLUMNS, SOURCE), TABLE_NAMES | BOTH),
    "rebuild": (lambda: write_sql.rebuild_sql(TABLE, COLUMNS, SOURCE), TABLE_NAMES | BOTH),
    "delete": (
        lambda: write_sql.delete_sql(TABLE, write_sql.predicate({KEY: ["x'`y"]})),
        TABLE_NAMES | {KEY},
    ),
    "row count": (lambda: sql_builder.row_count_sql(TABLE.sql), TABLE_NAMES),
    "scan": (lambda: scan(exact=False), TABLE_NAMES | BOTH),
    "exact scan": (lambda: scan(exact=True), TABLE_NAMES | BOTH),
    "values": (
        lambda: sql_builder.values_sql(TABLE.sql, PLANNED[:2], grouped=True),
        TABLE_NAMES | BOTH,
    ),
    "row values": (
        lambda: sql_builder.values_sql(TABLE.sql, PLANNED[:2], grouped=False),
        TABLE_NAMES | BOTH,
    ),
    "days": (lambda: sql_builder.days_sql(TABLE.sql, PLANNED[2:]), TABLE_NAMES | {"da`y-6"}),
    "top texts": (lambda: top(PLANNED[0]), TABLE_NAMES | {KEY}),
    "top numbers": (lambda: top(PLANNED[1]), TABLE_NAMES | {VALUE}),
    "patterns": (
        lambda: sql_builder.top_patterns_sql(TABLE.sql, PLANNED[:1], grouped=True),
        TABLE_NAMES | {KEY},
    ),
}


@pytest.mark.parametrize(("make", "names"), STATEMENTS.values(), ids=STATEMENTS)
def test_a_name_is_one_identifier_whatever_is_in_it(
    make: Callable[[], str], names: set[str]
) -> None:
    statements = sqlglot.parse(make(), read="databricks")

    assert len(statements) == 1
    assert statements[0] is not None
    found = {one.this for one in statements[0].find_all(expressions.Identifier)}
    assert names <= found
    # Nothing of a name stands outside it.
    assert not {one for one in found if one in {"x", "y", "t-1", "ema-2", "ble-3", "y-4"}}


def test_provisioning_quotes_each_part_of_a_groups_names() -> None:
    config = group_config("acme", catalog="ca`t-1", schema="sch`ema-2", evidence_volume="vo`l-3")
    catalog, schema = "`ca``t-1`", "`sch``ema-2"

    found = list(provision_sql(config))

    assert found[:7] == [
        f"CREATE CATALOG IF NOT EXISTS {catalog}",
        f"CREATE SCHEMA IF NOT EXISTS {catalog}.{schema}`",
        *(
            f"CREATE SCHEMA IF NOT EXISTS {catalog}.{schema}_{layer}`"
            for layer in ("bronze", "silver", "gold", "dq")
        ),
        f"CREATE VOLUME IF NOT EXISTS {catalog}.{schema}`.`vo``l-3`",
    ]
    for sql, definition in zip(found[7:], ALL_TABLES, strict=True):
        table = sqlglot.parse_one(sql, read="databricks").find(expressions.Table)
        layer = f"_{definition.layer}" if definition.layer else ""
        parts = [part.this for part in table.parts]
        assert parts == ["ca`t-1", f"sch`ema-2{layer}", definition.name]


def test_a_replacement_quotes_its_table_columns_and_values() -> None:
    condition = write_sql.predicate({KEY: ["b1"]})
    sql = write_sql.replace_sql(TABLE, condition, COLUMNS, SOURCE)
    # `REPLACE WHERE` is Databricks' own: the parser reads what stands around it.
    head, _, rest = sql.partition(" REPLACE WHERE ")
    test, _, select = rest.partition("\nSELECT ")
    [parsed] = sqlglot.parse(f"{head} SELECT {select} WHERE {test}", read="databricks")
    assert parsed is not None
    found = {one.this for one in parsed.find_all(expressions.Identifier)}
    assert found == TABLE_NAMES | BOTH | {"so`urce"}


@pytest.mark.parametrize(
    ("name", "text"), [("a", "`a`"), ("a-b", "`a-b`"), ("`", "````"), ("a``b", "`a````b`")]
)
def test_back_ticks_are_doubled(name: str, text: str) -> None:
    assert quoted(name) == text
    assert sqlglot.parse_one(f"SELECT {text}", read="databricks").find(
        expressions.Identifier
    ).this == name  # fmt: skip


@pytest.mark.parametrize("name", ["", "a\x00b"])
def test_what_no_platform_takes_for_a_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError):
        quoted(name)
