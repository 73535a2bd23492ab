"""One table's profile: the plan of design AD8, carried out against any engine that takes SQL.

A statement that fails is repeated for halves of its columns until the one that is at fault stands
alone; that column carries the error, the others their measures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kmflow_orchestration.errors import StatementFailed
from kmflow_orchestration.profiling import sql_builder
from kmflow_orchestration.profiling.column_kinds import (
    BOOLEAN,
    NUMBER,
    TEMPORAL,
    TEXT,
    kind_of,
)
from kmflow_orchestration.profiling.column_profile import ColumnProfile
from kmflow_orchestration.profiling.measures import ColumnPlace, Measured, assemble
from kmflow_orchestration.profiling.sql_builder import PlannedColumn, TopRequest

Row = Mapping[str, Any]
# Runs a statement and gives all its rows. Raises StatementFailed.
Query = Callable[[str], Sequence[Row]]

_VALUED = (TEXT, NUMBER, TEMPORAL, BOOLEAN)


@dataclass(frozen=True, slots=True)
class PlanLimits:
    """Where the plan changes its ways; all in rows or distinct values.

    Below `exact_rows` distinct counts are exact (F4). `listed_distinct` values or fewer are
    listed up to rank 25, else the top 10 (F6).
    """

    exact_rows: int = 1_000_000
    exact_percentile_rows: int = 100_000
    grouped_distinct: int = 100_000
    listed_distinct: int = 1_000
    sample_rows: int = 100_000
    scan_columns: int = 40
    value_columns: int = 10


DEFAULT_LIMITS = PlanLimits()


@dataclass(frozen=True, slots=True)
class SourceTable:
    """A table to profile: its SQL name, how results call it, and its columns' names and types."""

    relation: str
    schema_name: str
    table_name: str
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class TableProfile:
    """Profiles of all columns, in the table's order."""

    schema_name: str
    table_name: str
    record_count: int
    columns: tuple[ColumnProfile, ...]

    @property
    def has_errors(self) -> bool:
        return any(column.query_error for column in self.columns)


@dataclass(slots=True)
class _Scan:
    """A table's profile while it is being made."""

    query: Query
    source: SourceTable
    limits: PlanLimits
    record_count: int = 0
    measured: dict[int, Measured] = field(default_factory=dict)

    @property
    def is_exact(self) -> bool:
        return self.record_count < self.limits.exact_rows

    def rows(
        self,
        columns: Sequence[PlannedColumn],
        size: int,
        build: Callable[[Sequence[PlannedColumn]], str],
    ) -> Iterator[Row]:
        """Rows of the statements that serve these columns, `size` at a time; failed ones rest."""
        sound = [column for column in columns if not self.measured[column.ordinal].error]
        for start in range(0, len(sound), size):
            yield from self._batch(sound[start : start + size], build)

    def _batch(
        self,
        columns: Sequence[PlannedColumn],
        build: Callable[[Sequence[PlannedColumn]], str],
    ) -> Sequence[Row]:
        try:
            return self.query(build(columns))
        except StatementFailed as error:
            if len(columns) == 1:
                self.measured[columns[0].ordinal].error = error.message[:2000]
                return []
        middle = len(columns) // 2
        return [*self._batch(columns[:middle], build), *self._batch(columns[middle:], build)]


def profile_table(
    query: Query,
    source: SourceTable,
    *,
    reference: datetime,
    engine: str,
    limits: PlanLimits = DEFAULT_LIMITS,
) -> TableProfile:
    """Profile every column of a table; dates are judged relative to `reference`, in UTC.

    Raises:
        StatementFailed: not even its rows can be counted.
    """
    scan = _Scan(query, source, limits)
    scan.record_count = int(query(sql_builder.row_count_sql(source.relation))[0]["record_count"])
    columns = [
        PlannedColumn(ordinal, name, kind_of(type_name))
        for ordinal, (name, type_name) in enumerate(source.columns, start=1)
    ]
    scan.measured = {column.ordinal: Measured() for column in columns}
    _scan_all(scan, columns, reference)
    _values(scan, columns)
    _days(scan, columns)
    _top_values(scan, columns)
    _top_patterns(scan, columns)
    return TableProfile(
        source.schema_name,
        source.table_name,
        scan.record_count,
        tuple(_assembled(scan, column, reference, engine) for column in columns),
    )


def _assembled(
    scan: _Scan, column: PlannedColumn, reference: datetime, engine: str
) -> ColumnProfile:
    place = ColumnPlace(
        schema_name=scan.source.schema_name,
        table_name=scan.source.table_name,
        data_type=scan.source.columns[column.ordinal - 1][1],
        record_count=scan.record_count,
        profiled_at=reference,
        engine=engine,
    )
    return assemble(place, column, scan.measured[column.ordinal])


def _scan_all(scan: _Scan, columns: Sequence[PlannedColumn], reference: datetime) -> None:
    def build(batch: Sequence[PlannedColumn]) -> str:
        return sql_builder.scan_sql(
            scan.source.relation,
            batch,
            reference=reference,
            exact_percentiles=scan.record_count <= scan.limits.exact_percentile_rows,
            count_distinct=not scan.is_exact,
        )

    for row in scan.rows(columns, scan.limits.scan_columns, build):
        for name, value in row.items():
            prefix, _, measure = name.partition("_")
            scan.measured[int(prefix[1:])].scan[measure] = value


def _is_grouped(scan: _Scan, column: PlannedColumn) -> bool:
    """Whether to look at distinct values instead of rows."""
    if scan.is_exact:
        return True
    measured = scan.measured[column.ordinal].scan
    distinct = measured.get("distinct_count") or 0
    few = min(scan.limits.grouped_distinct, (measured.get("value_count") or 0) // 2)
    return bool(distinct <= few)


def _values(scan: _Scan, columns: Sequence[PlannedColumn]) -> None:
    for is_text in (True, False):
        for grouped in (True, False):
            chosen = [
                column
                for column in columns
                if column.kind.general_type in _VALUED
                and (column.kind.general_type == TEXT) == is_text
                and _is_grouped(scan, column) == grouped
            ]
            _measure_values(scan, chosen, grouped)


def _measure_values(scan: _Scan, columns: Sequence[PlannedColumn], grouped: bool) -> None:
    def build(batch: Sequence[PlannedColumn]) -> str:
        return sql_builder.values_sql(scan.source.relation, batch, grouped=grouped)

    for row in scan.rows(columns, scan.limits.value_columns, build):
        measured = scan.measured[row["ordinal"]]
        measured.values = dict(row)
        measured.is_grouped = grouped


def _days(scan: _Scan, columns: Sequence[PlannedColumn]) -> None:
    dates = [column for column in columns if column.kind.general_type == TEMPORAL]

    def build(batch: Sequence[PlannedColumn]) -> str:
        return sql_builder.days_sql(scan.source.relation, batch)

    for row in scan.rows(dates, scan.limits.value_columns, build):
        scan.measured[row["ordinal"]].days = dict(row)


def _top_values(scan: _Scan, columns: Sequence[PlannedColumn]) -> None:
    valued = [column for column in columns if column.kind.general_type in _VALUED]
    requests = {column.ordinal: _top_request(scan, column) for column in valued}

    def build(batch: Sequence[PlannedColumn]) -> str:
        return sql_builder.top_values_sql(
            scan.source.relation, [requests[column.ordinal] for column in batch]
        )

    for row in scan.rows(valued, scan.limits.value_columns, build):
        measured = scan.measured[row["ordinal"]]
        measured.top_values.append(dict(row))
        measured.top_is_exact = not requests[row["ordinal"]].sample_rows


def _top_request(scan: _Scan, column: PlannedColumn) -> TopRequest:
    distinct = scan.measured[column.ordinal].distinct_count
    # Exact top values of a near-unique column cost up to 1 GB at 10 million rows (measured).
    sampled = not scan.is_exact and not _is_grouped(scan, column)
    return TopRequest(
        column,
        limit=25 if distinct is not None and distinct <= scan.limits.listed_distinct else 10,
        sample_rows=scan.limits.sample_rows if sampled else 0,
    )


def _top_patterns(scan: _Scan, columns: Sequence[PlannedColumn]) -> None:
    for grouped in (True, False):
        chosen = [
            column
            for column in columns
            if column.kind.general_type == TEXT
            and _is_grouped(scan, column) == grouped
            and scan.measured[column.ordinal].has_patterns
        ]
        _measure_patterns(scan, chosen, grouped)


def _measure_patterns(scan: _Scan, columns: Sequence[PlannedColumn], grouped: bool) -> None:
    def build(batch: Sequence[PlannedColumn]) -> str:
        return sql_builder.top_patterns_sql(scan.source.relation, batch, grouped=grouped)

    for row in scan.rows(columns, scan.limits.value_columns, build):
        scan.measured[row["ordinal"]].patterns.append(dict(row))
