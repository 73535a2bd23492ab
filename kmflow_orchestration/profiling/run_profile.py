"""A profile run inside a Spark session: from the table group's list of tables to stored results."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
from kmflow_orchestration.profiling.result_rows import result_rows
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
from kmflow_orchestration.tables.profiling import (
    DQ_PROFILE_OPERATIONS,
    DQ_TABLE_GROUPS,
    DQ_TABLES,
)

logger = logging.getLogger(__name__)

COMPLETED, WITH_WARNINGS = "completed", "completed_with_warnings"
# Ours, around the data columns of every dataset table (design AD9).
_OWN_COLUMNS = frozenset(column.name for column in PROVENANCE)


@dataclass(frozen=True, slots=True)
class UnreadableTable:
    """A table that could not be read at all, and the platform's words for it."""

    schema_name: str
    table_name: str
    error: str


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


@dataclass(slots=True)
class Progress:
    """How far a run came, for the report of one that fails."""

    table_count: int = 0
    column_count: int = 0
    row_count: int = 0

    def add(self, table: TableProfile) -> None:
        self.table_count += 1
        self.column_count += len(table.columns)
        self.row_count += table.record_count

    def counts(self) -> dict[str, int]:
        return {
            "table_count": self.table_count,
            "column_count": self.column_count,
            "row_count": self.row_count,
        }


@dataclass(slots=True)
class _Operations:
    """Steps of a run as they end, for `dq_profile_operations` (row E48)."""

    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(self, target: str, clock: Clock, **facts: Any) -> None:
        self.rows.append(
            {"operation_id": f"{len(self.rows) + 1:03d}", "target": target, "status": "success"}
            | facts
            | {"finished_at": clock.now()}
        )


def run_profile(
    spark: Any,
    parameters: JobParameters,
    clock: Clock,
    *,
    progress: Progress | None = None,
    limits: PlanLimits = DEFAULT_LIMITS,
) -> ProfileOutcome:
    """Profile the tables of a table group and store what was found, replacing this run's rows.

    Running it again under the same run id leaves the same rows as once.

    Raises:
        ProfileRunError: the table group is unknown, none of its tables is selected, or none of
            the selected can be read.
        StatementFailed: the catalog copy could not be read, or results not be written.
    """
    engine = SparkEngine(spark, clock)
    started_at = parameters.started_at or clock.now()
    chosen = _selected_tables(engine, parameters)
    tables, unreadable = _profile_all(
        engine, chosen, started_at, progress or Progress(), limits=limits
    )
    evaluated = evaluate(
        parameters.profile_run_id, [column for table in tables for column in table.columns]
    )
    warned = unreadable or evaluated.faults or any(table.has_errors for table in tables)
    outcome = ProfileOutcome(
        status=WITH_WARNINGS if warned else COMPLETED,
        started_at=started_at,
        tables=tuple(tables),
        unreadable=tuple(unreadable),
        issues=evaluated.issues,
        rule_faults=evaluated.faults,
        scores=evaluated.scores,
    )
    _store(engine, parameters, outcome, clock)
    return outcome


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
    progress: Progress,
    *,
    limits: PlanLimits,
) -> tuple[list[TableProfile], list[UnreadableTable]]:
    profiled: list[TableProfile] = []
    unreadable: list[UnreadableTable] = []
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
            unreadable.append(UnreadableTable(table.schema, table.name, error.message[:2000]))
            profile = _unread(table, columns, error.message[:2000], started_at)
        profiled.append(profile)
        progress.add(profile)
    if len(unreadable) == len(profiled):
        raise ProfileRunError(
            f"no table could be read, the first because of: {unreadable[0].error}"
        )
    return profiled, unreadable


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


def _store(
    engine: SparkEngine, parameters: JobParameters, outcome: ProfileOutcome, clock: Clock
) -> None:
    run = {
        "group_id": parameters.group_id,
        "profile_run_id": parameters.profile_run_id,
        "table_group_id": parameters.table_group_id,
    }
    operations = _Operations()
    for fault in outcome.rule_faults:
        operations.add(
            f"rule {fault.rule_id} {fault.rule_name}",
            clock,
            status="failed",
            error_payload=fault.error,
        )

    def write(definition: TableDefinition, rows: Sequence[Mapping[str, Any]]) -> None:
        begun = clock.monotonic()
        engine.replace_run(
            parameters.result_table(definition),
            definition,
            parameters.profile_run_id,
            [{**run, **row} for row in rows],
        )
        took = int((clock.monotonic() - begun) * 1000)
        operations.add(definition.name, clock, rows_written=len(rows), duration_ms=took)

    errors = {(table.schema_name, table.table_name): table.error for table in outcome.unreadable}
    for definition, rows in result_rows(
        outcome.tables, outcome.issues, outcome.scores, errors=errors
    ):
        write(definition, rows)
    # Its own line would have to be written before it is known.
    write(DQ_PROFILE_OPERATIONS, list(operations.rows))
