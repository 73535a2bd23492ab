"""A profile run inside a Spark session: from the table group's list of tables to stored results."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.errors import ProfileRunError, StatementFailed
from kmflow_orchestration.names import TableName, literal
from kmflow_orchestration.profiling.column_kinds import OTHER
from kmflow_orchestration.profiling.column_profile import ColumnProfile
from kmflow_orchestration.profiling.evaluation import evaluate
from kmflow_orchestration.profiling.hygiene import Issue, RuleFault
from kmflow_orchestration.profiling.job_parameters import JobParameters
from kmflow_orchestration.profiling.result_writing import (
    Progress,
    ResultWriter,
    UnreadableTable,
)
from kmflow_orchestration.profiling.scoring import QualityScores
from kmflow_orchestration.profiling.spark_engine import SparkEngine
from kmflow_orchestration.profiling.table_masks import is_selected
from kmflow_orchestration.profiling.table_profile import (
    DEFAULT_LIMITS,
    PlanLimits,
    SourceTable,
    TableProfile,
    profile_table,
)
from kmflow_orchestration.tables.definition import TableDefinition
from kmflow_orchestration.tables.medallion import PROVENANCE
from kmflow_orchestration.tables.profiling import DQ_TABLE_GROUPS, DQ_TABLES

logger = logging.getLogger(__name__)

COMPLETED, WITH_WARNINGS = "completed", "completed_with_warnings"
# Ours, around the data columns of every dataset table (design AD9).
_OWN_COLUMNS = frozenset(column.name for column in PROVENANCE)


@dataclass(frozen=True, slots=True)
class ProfileOutcome:
    """What a run found; `status` is completed or completed_with_warnings."""

    status: str
    started_at: datetime
    tables: tuple[TableProfile, ...]
    unreadable: tuple[UnreadableTable, ...]
    issues: tuple[Issue, ...]
    rule_faults: tuple[RuleFault, ...]
    scores: QualityScores

    @property
    def profiles(self) -> tuple[ColumnProfile, ...]:
        return tuple(column for table in self.tables for column in table.columns)

    @property
    def row_count(self) -> int:
        return sum(table.record_count for table in self.tables)


def run_profile(
    spark: Any,
    parameters: JobParameters,
    clock: Clock,
    *,
    progress: Progress | None = None,
    limits: PlanLimits = DEFAULT_LIMITS,
) -> ProfileOutcome:
    """Profile the tables of a table group and store what was found, replacing this run's rows.

    Running it again under the same run id leaves the same rows as once. A run that fails keeps the
    measures of the tables it was done with, `progress` their counts.

    Raises:
        ProfileRunError: the table group is unknown, none of its tables is selected, or none of
            the selected can be read.
        StatementFailed: the catalog copy could not be read, or results not be written.
    """
    engine = SparkEngine(spark, clock)
    results = ResultWriter(engine, parameters, clock)
    started_at = parameters.started_at or clock.now()
    found = progress or Progress()
    try:
        _profile_all(engine, _selected_tables(engine, parameters), started_at, found, limits=limits)
        columns = [column for table in found.tables for column in table.columns]
        judged = evaluate(parameters.profile_run_id, columns)
    except Exception as fault:
        results.keep(found, fault)
        raise
    results.write(found, judged)
    warned = found.unreadable or judged.faults or any(table.has_errors for table in found.tables)
    return ProfileOutcome(
        status=WITH_WARNINGS if warned else COMPLETED,
        started_at=started_at,
        tables=tuple(found.tables),
        unreadable=tuple(found.unreadable),
        issues=judged.issues,
        rule_faults=judged.faults,
        scores=judged.scores,
    )


def _selected_tables(engine: SparkEngine, parameters: JobParameters) -> list[TableName]:
    def rows_of(definition: TableDefinition) -> Sequence[Mapping[str, Any]]:
        return engine.query(
            f"SELECT * FROM {parameters.result_table(definition).sql}"
            f" WHERE group_id = {literal(parameters.group_id)}"
            f" AND table_group_id = {literal(parameters.table_group_id)}"
        )

    groups = rows_of(DQ_TABLE_GROUPS)
    if not groups:
        raise ProfileRunError(f"group_not_found: no table group {parameters.table_group_id}")
    include, exclude = groups[0]["include_mask"], groups[0]["exclude_mask"]
    chosen = sorted(
        TableName(parameters.catalog, row["schema_name"], row["table_name"])
        for row in rows_of(DQ_TABLES)
        if is_selected(row["table_name"], include=include, exclude=exclude)
    )
    if not chosen:
        raise ProfileRunError(
            f"no_tables_selected: table group {parameters.table_group_id} has no table to profile",
            hint="check its tables and its masks",
        )
    return chosen


def _profile_all(
    engine: SparkEngine,
    tables: Sequence[TableName],
    started_at: datetime,
    found: Progress,
    *,
    limits: PlanLimits,
) -> None:
    for table in tables:
        columns: list[tuple[str, str]] = []
        try:
            columns = [entry for entry in engine.columns(table.sql) if entry[0] not in _OWN_COLUMNS]
            source = SourceTable(table.sql, table.schema, table.name, tuple(columns))
            profile = profile_table(
                engine.query, source, reference=started_at, engine=engine.name, limits=limits
            )
        except StatementFailed as error:
            logger.warning("table %s could not be read", table.text)
            text = error.message[:2000]
            found.unreadable.append(UnreadableTable(table.schema, table.name, text))
            profile = _unread(table, columns, text, started_at)
        found.tables.append(profile)
    if len(found.unreadable) == len(found.tables):
        raise ProfileRunError(
            f"no table could be read, the first because of: {found.unreadable[0].error}"
        )


def _unread(
    table: TableName, columns: Sequence[tuple[str, str]], error: str, started_at: datetime
) -> TableProfile:
    """A record per column we know of, at least one, so that the fault is seen in the results."""
    records = tuple(
        ColumnProfile(
            schema_name=table.schema,
            table_name=table.name,
            column_name=name,
            ordinal_position=ordinal,
            data_type=type_name,
            column_type=type_name.upper(),
            general_type=OTHER,
            query_error=error,
            profiled_at=started_at,
        )
        for ordinal, (name, type_name) in enumerate(columns or [("", "")], start=1)
    )
    return TableProfile(table.schema, table.name, 0, records)
