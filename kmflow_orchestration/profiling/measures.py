"""From what the statements answered to one column's profile: pure arithmetic."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

from kmflow_orchestration.profiling.column_kinds import BOOLEAN, NUMBER, TEMPORAL, TEXT
from kmflow_orchestration.profiling.column_profile import ColumnProfile, ValueCount
from kmflow_orchestration.profiling.functional_types import functional_type
from kmflow_orchestration.profiling.sql_builder import EPOCH, PlannedColumn

LONGEST_WITH_PATTERNS, SHORTEST_WITH_PATTERNS = 25, 3
MOST_VALUES_HASHED = 1_000
_FIRST_DAY_MICROS = -62_135_596_800_000_000
_LAST_DAY_MICROS = 253_402_300_799_999_999

_TYPES = {entry.name: str(entry.type) for entry in fields(ColumnProfile)}

# Counts of each class that are 0, not NULL, when there is nothing to count.
_CLASS_COUNTS = {
    TEXT: [
        "distinct_std_count",
        "zero_length_count",
        "zero_value_count",
        "lead_space_count",
        "quoted_value_count",
        "includes_digit_count",
        "filled_value_count",
        "upper_case_count",
        "lower_case_count",
        "non_alpha_count",
        "non_printing_count",
        "numeric_count",
        "date_count",
        "embedded_space_count",
        "non_ascii_count",
    ],
    NUMBER: ["zero_value_count", "negative_count", "nan_count", "inf_count"],
    TEMPORAL: [
        "before_1yr_date_count",
        "before_5yr_date_count",
        "before_20yr_date_count",
        "before_100yr_date_count",
        "within_1yr_date_count",
        "within_1mo_date_count",
        "future_date_count",
        "distant_future_date_count",
        "date_days_present",
        "date_weeks_present",
        "date_months_present",
    ],
    BOOLEAN: ["boolean_true_count", "boolean_false_count"],
}


@dataclass(slots=True)
class Measured:
    """Raw answers about one column, as they come in."""

    scan: dict[str, Any] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    days: dict[str, Any] = field(default_factory=dict)
    top_values: list[dict[str, Any]] = field(default_factory=list)
    patterns: list[dict[str, Any]] = field(default_factory=list)
    is_grouped: bool = False
    top_is_exact: bool = True
    error: str | None = None

    @property
    def distinct_count(self) -> int | None:
        """Exact where values were grouped, else the estimate, never above the values there are."""
        found = self.values.get("distinct_count")
        if found is None:
            found = self.scan.get("distinct_count")
        if found is None:
            return None
        return min(int(found), int(self.scan.get("value_count") or found))

    @property
    def has_patterns(self) -> bool:
        """Whether the longest value is neither too short nor too long to have a pattern."""
        longest = self.values.get("max_length")
        return longest is not None and SHORTEST_WITH_PATTERNS <= longest <= LONGEST_WITH_PATTERNS


@dataclass(frozen=True, slots=True)
class ColumnPlace:
    """Where a column stands and under which circumstances it was measured."""

    schema_name: str
    table_name: str
    data_type: str
    record_count: int
    profiled_at: datetime
    engine: str


def assemble(place: ColumnPlace, column: PlannedColumn, measured: Measured) -> ColumnProfile:
    """The profile of a column; of one that could not be read, what is known of it."""
    kind = column.kind.general_type
    found: dict[str, Any] = dict(measured.scan) | measured.values | measured.days
    if not measured.error:
        found = dict.fromkeys(_CLASS_COUNTS.get(kind, ()), 0) | {
            name: value for name, value in found.items() if value is not None
        }
    found |= _common(place, measured) | _of_kind(kind, found, measured)
    known = {name: _typed(name, value) for name, value in found.items() if name in _TYPES}
    return ColumnProfile(
        schema_name=place.schema_name,
        table_name=place.table_name,
        column_name=column.name,
        ordinal_position=column.ordinal,
        data_type=place.data_type,
        column_type=column.kind.column_type,
        general_type=kind,
        record_count=place.record_count,
        functional_data_type=functional_type(column.name),
        query_error=measured.error,
        top_values=_top_values(column, known.get("value_count"), measured),
        profiled_at=place.profiled_at,
        engine=place.engine,
        **known,
    )


def _common(place: ColumnPlace, measured: Measured) -> dict[str, Any]:
    value_count = measured.scan.get("value_count")
    distinct = measured.distinct_count
    return {
        "value_count": value_count,
        "null_count": None if value_count is None else place.record_count - value_count,
        "distinct_count": distinct,
        "distinct_is_exact": None if distinct is None else measured.is_grouped,
    }


def _of_kind(kind: str, found: Mapping[str, Any], measured: Measured) -> dict[str, Any]:
    reasons: list[tuple[str, str]] = []
    more: dict[str, Any] = {}
    if kind == TEXT:
        more = _text(found, measured, reasons)
    elif kind == NUMBER:
        more = _number(found)
    elif kind == TEMPORAL:
        more = _temporal(found)
    elif kind == BOOLEAN:
        # The text form of a boolean says nothing.
        more = dict.fromkeys(("min_length", "max_length", "avg_length"))
    more |= _value_hash(kind, measured, reasons)
    return more | {"reasons": tuple(sorted(reasons))}


def _value_hash(kind: str, measured: Measured, reasons: list[tuple[str, str]]) -> dict[str, Any]:
    """Hash of the set of values, the same whatever their order or number of rows (F7)."""
    distinct = measured.values.get("distinct_count")
    if not measured.values:
        return {}
    if distinct is None or distinct > MOST_VALUES_HASHED:
        reasons.append(("distinct_value_hash", "too_many_values"))
        return {}
    text = f"{kind}|{distinct}|{measured.values.get('hash_sum') or 0}"
    return {"distinct_value_hash": hashlib.sha256(text.encode()).hexdigest()[:32]}


def _text(
    found: Mapping[str, Any], measured: Measured, reasons: list[tuple[str, str]]
) -> dict[str, Any]:
    if found.get("upper_case_count") is None or not measured.values:
        return {}
    rest = found["upper_case_count"] + found["lower_case_count"] + found["non_alpha_count"]
    more: dict[str, Any] = {"mixed_case_count": (found.get("value_count") or 0) - rest}
    if not measured.has_patterns:
        longest = measured.values.get("max_length")
        reasons.append(("top_patterns", "no_values" if longest is None else "length_out_of_range"))
        return more
    if measured.error and not measured.patterns:
        return more
    counts = tuple(ValueCount(row["pattern"], int(row["n"])) for row in measured.patterns)
    distinct = measured.patterns[0]["distinct_patterns"] if measured.patterns else 0
    return more | {"top_patterns": counts, "distinct_pattern_count": distinct}


def _number(found: Mapping[str, Any]) -> dict[str, Any]:
    more: dict[str, Any] = {}
    numbers = (found.get("value_count") or 0) - (found.get("nan_count") or 0)
    numbers -= found.get("inf_count") or 0
    if numbers and found.get("sum_value") is not None:
        more["avg_value"] = found["sum_value"] / numbers
    if found.get("percentiles"):
        names = ("percentile_25", "percentile_50", "percentile_75", "percentile_95")
        more |= zip(names, found["percentiles"], strict=True)
    if found.get("fractional_sum") is not None:
        more["fractional_sum"] = round(float(found["fractional_sum"]), 5)
    return more


def _temporal(found: Mapping[str, Any]) -> dict[str, Any]:
    first, last = found.get("min_micros"), found.get("max_micros")
    if first is None or last is None:
        return {}
    min_date, max_date = _moment(first), _moment(last)
    return {
        "min_date": min_date,
        "max_date": max_date,
        "date_span_days": (max_date.date() - min_date.date()).days,
    }


def _moment(micros: int) -> datetime:
    clamped = min(max(micros, _FIRST_DAY_MICROS), _LAST_DAY_MICROS)
    return EPOCH + timedelta(microseconds=clamped)


def _typed(name: str, value: Any) -> Any:
    """A measure in the type its field declares; what overflowed a double is unknown."""
    if value is None:
        return None
    if _TYPES[name].startswith("int"):
        return int(value)
    if _TYPES[name].startswith("float"):
        number = float(value)
        return number if math.isfinite(number) else None
    return value


def _top_values(
    column: PlannedColumn, value_count: int | None, measured: Measured
) -> tuple[ValueCount, ...]:
    listed = tuple(
        ValueCount(
            _value_text(column, row),
            int(row["n"]),
            row["text_hash"],
            is_exact=measured.top_is_exact,
        )
        for row in measured.top_values
    )
    distinct = measured.distinct_count
    if not listed or distinct is None or distinct <= len(listed):
        return listed
    others = distinct - len(listed)
    rest = max(0, (value_count or 0) - sum(entry.count for entry in listed))
    remainder = ValueCount(
        f"other ({others} values)", rest, is_remainder=True, is_exact=measured.top_is_exact
    )
    return (*listed, remainder)


def _value_text(column: PlannedColumn, row: Mapping[str, Any]) -> str:
    if column.kind.is_floating:
        return repr(float(row["number"]))
    text = str(row["text"])
    if column.kind.general_type == TEMPORAL and column.kind.column_type != "DATE":
        return str(_moment(int(text)).replace(tzinfo=None))
    return text
