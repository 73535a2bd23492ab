"""Every statement the profile can send is Databricks SQL by sqlglot's reading."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import sqlglot

from kmflow_orchestration.names import TableName
from kmflow_orchestration.profiling import sql_builder
from kmflow_orchestration.profiling.column_kinds import kind_of
from kmflow_orchestration.profiling.sql_builder import PlannedColumn, TopRequest
from kmflow_orchestration.profiling.stored_results import stored_results_sql
from kmflow_orchestration.tables.profiling import PROFILING_TABLES

TABLE = TableName("main", "acme_bronze", "e1__clients")
TYPES = ("string", "int", "decimal(10,2)", "double", "date", "timestamp", "boolean", "binary")
COLUMNS = [
    PlannedColumn(ordinal, f"a `{ordinal}` b'", kind_of(name))
    for ordinal, name in enumerate(TYPES, start=1)
]
TEXTS, OTHERS, DATES = COLUMNS[:1], COLUMNS[1:7], COLUMNS[4:6]


def statements():
    relation = TABLE.sql
    yield sql_builder.row_count_sql(relation)
    for exact in (True, False):
        yield sql_builder.scan_sql(
            relation,
            COLUMNS,
            reference=datetime(2024, 2, 29, tzinfo=UTC),
            exact_percentiles=exact,
            count_distinct=not exact,
        )
        yield sql_builder.values_sql(relation, TEXTS, grouped=exact)
        yield sql_builder.values_sql(relation, OTHERS, grouped=exact)
        yield sql_builder.top_patterns_sql(relation, TEXTS, grouped=exact)
    yield sql_builder.days_sql(relation, DATES)
    requests = [TopRequest(column, 25, rows) for column in COLUMNS[:7] for rows in (0, 100)]
    yield sql_builder.top_values_sql(relation, requests)
    yield stored_results_sql(TABLE)
    for definition in PROFILING_TABLES:
        yield definition.create_sql(TABLE)
    yield f"INSERT INTO {relation} REPLACE WHERE `profile_run_id` = 'x' SELECT `a` FROM `v`"


@pytest.mark.parametrize("statement", [*statements()])
def test_statement_parses_as_databricks_sql(statement):
    assert len(sqlglot.parse(statement, dialect="databricks")) == 1


@pytest.mark.parametrize(
    ("months", "expected"),
    [(-12, (2023, 2, 28)), (12, (2025, 2, 28)), (48, (2028, 2, 29)), (10, (2024, 12, 29)),
     (-2, (2023, 12, 29)), (-1200, (1924, 2, 29))],
)  # fmt: skip
def test_months_are_calendar_months(months, expected):
    moved = sql_builder.months_after(datetime(2024, 2, 29, 5, tzinfo=UTC), months)

    assert (moved.year, moved.month, moved.day, moved.hour) == (*expected, 5)
