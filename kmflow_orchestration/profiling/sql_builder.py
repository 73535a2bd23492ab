"""Statements of a profile, assembled from the parts in `sql/` (design AD8).

Everything here is Databricks SQL that runs unchanged on the embedded engine. A statement serves
several columns: either as one pass with a prefix per column, or as a UNION ALL of one part per
column. Each answers with plain numbers and texts, never with timestamps, whose zone a client
would change.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files

from kmflow_orchestration.names import quoted
from kmflow_orchestration.profiling.column_kinds import BOOLEAN, NUMBER, TEMPORAL, TEXT, ColumnKind

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLACEHOLDER = re.compile(r"\{([a-z][a-z_0-9]*)\}")

GROUPED, ROWS = "grouped_values", "row_values"


@dataclass(frozen=True, slots=True)
class PlannedColumn:
    """A column as the statements see it; `ordinal` is its place in the table, from 1."""

    ordinal: int
    name: str
    kind: ColumnKind

    @property
    def sql(self) -> str:
        return quoted(self.name)

    @property
    def prefix(self) -> str:
        """What this column's measures are prefixed with in a pass over several columns."""
        return f"c{self.ordinal}_"

    @property
    def value_sql(self) -> str:
        """The value by which rows are grouped; 0.0 takes in -0.0, which engines tell apart."""
        if self.kind.is_floating:
            return f"CAST({self.sql} AS DOUBLE) + 0.0D"
        return self.sql


def part(name: str, **values: str) -> str:
    """Text of `sql/<name>.sql` with its `{placeholders}` filled. Raises KeyError."""
    return _PLACEHOLDER.sub(lambda match: values[match.group(1)], _text(name)).rstrip()


@cache
def _text(name: str) -> str:
    place = files("kmflow_orchestration.profiling") / "sql" / f"{name}.sql"
    lines = place.read_text(encoding="utf-8").splitlines(keepends=True)
    # Comments are for readers here; a statement carries them once per column otherwise.
    return "".join(line for line in lines if not line.lstrip().startswith("--"))


def row_count_sql(relation: str) -> str:
    """Rows of the table, as `record_count`."""
    return f"SELECT count(*) AS record_count FROM {relation}"


def scan_sql(
    relation: str,
    columns: Sequence[PlannedColumn],
    *,
    reference: datetime,
    exact_percentiles: bool,
    count_distinct: bool,
) -> str:
    """One pass of cheap aggregates over several columns: one row, each measure under its prefix.

    `reference` is the start of the run; with `count_distinct` it estimates distinct values.
    """
    read = [f"  {expression}" for column in columns for expression in _read(column)]
    measures = [
        _measures(column, reference, exact_percentiles, count_distinct) for column in columns
    ]
    return (
        "SELECT\n"
        + ",\n".join(measures)
        + "\nFROM (\n  SELECT\n  "
        + ",\n  ".join(read)
        + f"\n  FROM {relation}\n) AS read"
    )


def _read(column: PlannedColumn) -> list[str]:
    raw, x = f"{column.prefix}raw", f"{column.prefix}x"
    if column.kind.general_type == NUMBER:
        number = f"CAST({column.sql} AS DOUBLE)"
        if not column.kind.is_floating:
            return [f"{column.sql} AS {raw}", f"{number} AS {x}"]
        finite = (
            f"CASE WHEN NOT isnan({number}) AND abs({number}) < CAST('infinity' AS DOUBLE)"
            f" THEN {number} END"
        )
        return [f"{number} AS {raw}", f"{finite} AS {x}"]
    if column.kind.general_type == TEMPORAL:
        return [f"{column.sql} AS {raw}", f"{_micros(column.sql)} AS {x}"]
    return [f"{column.sql} AS {raw}", f"{column.sql} AS {x}"]


def _micros(expression: str) -> str:
    return f"unix_micros(CAST({expression} AS TIMESTAMP))"


def _measures(
    column: PlannedColumn, reference: datetime, exact_percentiles: bool, count_distinct: bool
) -> str:
    names = {
        "as": column.prefix,
        "raw": f"{column.prefix}raw",
        "x": f"{column.prefix}x",
        "sum": _sum(column),
        **_thresholds(column.kind, reference),
    }
    measures = [f"  count({names['raw']}) AS {column.prefix}value_count"]
    if count_distinct and column.kind.general_type in (TEXT, NUMBER, TEMPORAL, BOOLEAN):
        # A hash, because the embedded engine counts no doubles; the hash of NULL is no NULL.
        hashed = (
            f"CASE WHEN {names['raw']} IS NOT NULL THEN {_hash_key(column.kind, names['raw'])} END"
        )
        measures.append(f"  approx_count_distinct({hashed}) AS {column.prefix}distinct_count")
    parts = _scan_parts(column.kind, exact_percentiles)
    return ",\n".join([*measures, *(part(name, **names) for name in parts)])


def _sum(column: PlannedColumn) -> str:
    """The sum, exact where the type is: in doubles, large values of both signs lose small ones."""
    kind = column.kind
    if kind.precision is None and not kind.is_floating:
        return f"sum(CAST({column.prefix}raw AS DECIMAL(38, 0)))"
    # A decimal's sum has ten more digits than its values: 38 is the most there are.
    exact = kind.precision is not None and kind.precision <= 28
    return f"sum({column.prefix}raw)" if exact else f"sum({column.prefix}x)"


def _scan_parts(kind: ColumnKind, exact_percentiles: bool) -> Iterable[str]:
    if kind.general_type == NUMBER:
        yield "scan_numeric"
        yield "scan_exact_percentiles" if exact_percentiles else "scan_approximate_percentiles"
        if kind.has_fractions:
            yield "scan_fractions"
        if kind.is_floating:
            yield "scan_floating"
    elif kind.general_type == TEMPORAL:
        yield "scan_temporal"
    elif kind.general_type == BOOLEAN:
        yield "scan_boolean"


def _thresholds(kind: ColumnKind, reference: datetime) -> dict[str, str]:
    """Moments a date is compared with, in microseconds since 1970.

    A DATE is compared by days: the reference is then the midnight that began the run's day.
    """
    if kind.general_type != TEMPORAL:
        return {}
    moment = reference.astimezone(UTC)
    if kind.column_type == "DATE":
        moment = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    moments = {
        "reference": moment,
        "one_year_before": months_after(moment, -12),
        "five_years_before": months_after(moment, -60),
        "twenty_years_before": months_after(moment, -240),
        "hundred_years_before": months_after(moment, -1200),
        "days_365_before": moment - timedelta(days=365),
        "days_30_before": moment - timedelta(days=30),
        "twenty_years_after": months_after(moment, 240),
    }
    return {name: str(micros(value)) for name, value in moments.items()}


def months_after(moment: datetime, months: int) -> datetime:
    """Calendar months later (or, if negative, earlier); the 31st becomes the month's last day."""
    index = moment.year * 12 + moment.month - 1 + months
    year, month = divmod(index, 12)
    next_month = datetime(year + (month == 11), (month + 1) % 12 + 1, 1, tzinfo=UTC)
    last_day = (next_month - timedelta(days=1)).day
    return moment.replace(year=year, month=month + 1, day=min(moment.day, last_day))


def micros(moment: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def _source(relation: str, column: PlannedColumn, source: str, **values: str) -> str:
    return part(source, value=column.value_sql, relation=relation, column=column.sql, **values)


def values_sql(relation: str, columns: Sequence[PlannedColumn], *, grouped: bool) -> str:
    """Measures that hang on the value alone: one row per column, by `ordinal`.

    Grouped, each distinct value is looked at once, counts are weighted, and distinct counts are
    exact; else each row is looked at, and the standardised distinct count is an estimate.
    Columns must all be text, or all not.
    """
    return "\nUNION ALL\n".join(_values(relation, column, grouped) for column in columns)


def _values(relation: str, column: PlannedColumn, grouped: bool) -> str:
    return part(
        "values_text" if column.kind.general_type == TEXT else "values_other",
        ordinal=str(column.ordinal),
        source=_source(relation, column, GROUPED if grouped else ROWS),
        key=_hash_key(column.kind, "value"),
        pattern=part("pattern"),
        distinct_count="count(*)" if grouped else "CAST(NULL AS BIGINT)",
        hash_sum=(
            # A sum does not depend on order; 38 digits cannot overflow below 10^18 values.
            "CAST(sum(CAST(hash_key AS DECIMAL(38, 0))) AS STRING)"
            if grouped
            else "CAST(NULL AS STRING)"
        ),
        distinct_std=(
            "count(DISTINCT standard)" if grouped else "approx_count_distinct(xxhash64(standard))"
        ),
    )


def _hash_key(kind: ColumnKind, value: str) -> str:
    """A hash of the value that does not depend on an engine's way to print doubles."""
    if kind.general_type == TEMPORAL:
        return f"xxhash64({_micros(value)})"
    return f"xxhash64({value})" if kind.is_floating else f"xxhash64(CAST({value} AS STRING))"


def days_sql(relation: str, columns: Sequence[PlannedColumn]) -> str:
    """Distinct days, ISO weeks and months: one row per date column, by `ordinal`."""
    return "\nUNION ALL\n".join(
        part("days", ordinal=str(column.ordinal), relation=relation, column=column.sql)
        for column in columns
    )


@dataclass(frozen=True, slots=True)
class TopRequest:
    """How many of a column's most frequent values; `sample_rows` 0 looks at all rows."""

    column: PlannedColumn
    limit: int
    sample_rows: int = 0


def top_values_sql(relation: str, requests: Sequence[TopRequest]) -> str:
    """Most frequent values: `text` or `number`, their count `n`, by `ordinal`.

    Doubles come as `number`, times as microseconds in `text`: no engine prints them for us.
    """
    return "\nUNION ALL\n".join(_top_values(relation, request) for request in requests)


def _top_values(relation: str, request: TopRequest) -> str:
    kind = request.column.kind
    text, number = "CAST(value AS STRING)", "CAST(NULL AS DOUBLE)"
    text_hash = "CAST(NULL AS STRING)"
    if kind.general_type == TEXT:
        text = "substr(value, 1, 256)"
        text_hash = "CASE WHEN length(value) > 256 THEN sha2(value, 256) END"
    elif kind.is_floating:
        text, number = "CAST(NULL AS STRING)", "value"
    elif kind.general_type == TEMPORAL and kind.column_type != "DATE":
        text = f"CAST({_micros('value')} AS STRING)"
    sampled = {"sample_rows": str(request.sample_rows)} if request.sample_rows else {}
    source = _source(relation, request.column, "sampled_values" if sampled else GROUPED, **sampled)
    return part(
        "top_values",
        ordinal=str(request.column.ordinal),
        limit=str(request.limit),
        text=text,
        number=number,
        text_hash=text_hash,
        source=source,
    )


def top_patterns_sql(relation: str, columns: Sequence[PlannedColumn], *, grouped: bool) -> str:
    """The five most frequent patterns of each text column and how many there are, by `ordinal`."""
    return "\nUNION ALL\n".join(
        part(
            "top_patterns",
            ordinal=str(column.ordinal),
            pattern=part("pattern"),
            source=_source(relation, column, GROUPED if grouped else ROWS),
        )
        for column in columns
    )
