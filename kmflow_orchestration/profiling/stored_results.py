"""A run's stored profiles, read back and judged again without a scan (design AD8)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kmflow_orchestration.names import TableName, quoted
from kmflow_orchestration.profiling.column_profile import ColumnProfile
from kmflow_orchestration.profiling.evaluation import Evaluation, evaluate
from kmflow_orchestration.profiling.sql_builder import part
from kmflow_orchestration.tables.profiling import PROFILE_COLUMNS


def stored_results_sql(table: TableName) -> str:
    """Rows of a run, by table and column; takes `:group_id` and `:profile_run_id`."""
    columns = ", ".join(quoted(column.name) for column in PROFILE_COLUMNS)
    return part("stored_results", columns=columns, table=table.sql)


def stored_profiles(rows: Iterable[Mapping[str, Any]]) -> list[ColumnProfile]:
    """Profiles from rows of `dq_profile_results`."""
    return [ColumnProfile.from_row(row) for row in rows]


def reevaluate(profile_run_id: str, profiles: Iterable[ColumnProfile]) -> Evaluation:
    """Issues and scores by the rules of today; issues keep the ids the run gave them."""
    return evaluate(profile_run_id, list(profiles))
