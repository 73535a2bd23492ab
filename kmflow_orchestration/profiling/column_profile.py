"""What is known about one column after a profile run: one frozen record, one row of results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class ValueCount:
    """A value, or a pattern, and the rows that hold it.

    `text` is the value's text, at most 256 characters; `text_hash` is the SHA-256 of the whole
    where it was cut. Of a remainder, `text` says how many values it stands for.
    """

    text: str
    count: int
    text_hash: str | None = None
    is_remainder: bool = False
    is_exact: bool = True


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """Measures of a column (specification part 2); a measure outside the class is None.

    Counts are rows unless said otherwise; lengths are characters; times are UTC and relative to
    the start of the run; values are in the column's own unit.
    """

    # Which column, and what it was declared as.
    schema_name: str
    table_name: str
    column_name: str
    ordinal_position: int  # place among the table's columns, from 1
    data_type: str  # as the table declares it
    column_type: str  # normalised
    general_type: str  # class letter: A, N, D, B, T, X

    # All classes.
    record_count: int = 0  # rows of the table
    value_count: int | None = None  # rows where the column is not NULL
    null_count: int | None = None  # rows where it is NULL
    distinct_count: int | None = None  # different values, NULL not counted
    distinct_is_exact: bool | None = None  # else within a relative error of about 0.02
    min_length: int | None = None  # shortest text form
    max_length: int | None = None  # longest text form
    avg_length: float | None = None  # mean of the text forms, '' left out
    distinct_value_hash: str | None = None  # of the set of values; None above 1000 values
    functional_data_type: str = "Unknown"  # what the column is about, by the words of its name
    functional_table_type: str | None = None  # what the table is about
    datatype_suggestion: str | None = None  # a better type
    pii_flag: str | None = None  # risk/type/detail
    sample_ratio: float | None = None  # total rows / sampled rows; None: every row was read
    query_error: str | None = None  # the fault that stopped this column, at most 2000 characters

    # Text (A).
    distinct_std_count: int | None = None  # different values, case and punctuation aside
    zero_length_count: int | None = None  # ''
    zero_value_count: int | None = None  # the number zero; of class N too
    lead_space_count: int | None = None  # begins with a blank
    quoted_value_count: int | None = None  # stands in a pair of ' or "
    includes_digit_count: int | None = None  # has a digit
    filled_value_count: int | None = None  # dummy fillers such as n/a, ---, 9999
    min_text: str | None = None  # smallest value but '', first 100 characters
    max_text: str | None = None  # largest value, first 100 characters
    upper_case_count: int | None = None  # has letters, none lower case
    lower_case_count: int | None = None  # has letters, none upper case
    non_alpha_count: int | None = None  # no letter at all, '' too
    mixed_case_count: int | None = None  # the rest of value_count
    non_printing_count: int | None = None  # has a control or an invisible character
    numeric_count: int | None = None  # is a number as a whole
    date_count: int | None = None  # is a date or timestamp as a whole, year 1800 to 2200
    distinct_pattern_count: int | None = None  # different patterns of values that are not blank
    embedded_space_count: int | None = None  # has a blank inside
    avg_embedded_spaces: float | None = None  # mean number of blanks inside
    std_pattern_match: str | None = None  # name of the standard pattern
    std_pattern_ratio: float | None = None  # share of values that fit it, 0 to 1
    non_ascii_count: int | None = None  # has a character above U+007F

    # Numbers (N); NaN and infinities stand apart.
    min_value: float | None = None
    max_value: float | None = None
    avg_value: float | None = None
    stdev_value: float | None = None  # of a sample
    min_value_over_0: float | None = None  # smallest positive
    negative_count: int | None = None
    percentile_25: float | None = None  # exact up to 100 000 rows, else within 1 % of rank
    percentile_50: float | None = None
    percentile_75: float | None = None
    percentile_95: float | None = None
    fractional_sum: float | None = None  # sum of the fractions' sizes, 5 places; None of integers
    sum_value: float | None = None
    nan_count: int | None = None
    inf_count: int | None = None

    # Dates (D); months are calendar months.
    min_date: datetime | None = None  # not before 0001-01-01
    max_date: datetime | None = None  # not after 9999-12-31
    before_1yr_date_count: int | None = None  # more than 12 months before the run
    before_5yr_date_count: int | None = None  # more than 60 months
    before_20yr_date_count: int | None = None  # more than 240 months
    before_100yr_date_count: int | None = None  # more than 1200 months
    within_1yr_date_count: int | None = None  # 0 to 365 days before the run
    within_1mo_date_count: int | None = None  # 0 to 30 days before the run
    future_date_count: int | None = None  # after the run
    distant_future_date_count: int | None = None  # more than 240 months after the run
    date_days_present: int | None = None  # different days
    date_weeks_present: int | None = None  # different ISO weeks
    date_months_present: int | None = None  # different months
    date_span_days: int | None = None  # days from the first to the last

    # Booleans (B).
    boolean_true_count: int | None = None
    boolean_false_count: int | None = None

    # Frequencies, reasons, circumstances.
    top_values: tuple[ValueCount, ...] = ()  # most frequent first, the remainder last
    top_patterns: tuple[ValueCount, ...] = ()  # at most five, most frequent first
    reasons: tuple[tuple[str, str], ...] = ()  # measure that is absent on purpose, and why
    profiled_at: datetime | None = None  # start of the run
    engine: str = ""  # engine and version that measured

    def to_row(self) -> dict[str, Any]:
        """Columns of `dq_profile_results`, identity of the run left out."""
        row = {field.name: getattr(self, field.name) for field in fields(self)}
        for name in ("top_values", "top_patterns"):
            row[f"{name}_json"] = _pairs_json(row.pop(name))
        reasons = dict(row.pop("reasons"))
        row["metrics_json"] = json.dumps(reasons, sort_keys=True) if reasons else None
        return row

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> ColumnProfile:
        """A record from a row of results; columns it does not know are ignored."""
        known = {field.name for field in fields(cls)}
        values = {name: value for name, value in row.items() if name in known}
        for name in ("min_date", "max_date", "profiled_at"):
            values[name] = _utc(values.get(name))
        values["top_values"] = _pairs(row.get("top_values_json"))
        values["top_patterns"] = _pairs(row.get("top_patterns_json"))
        values["reasons"] = tuple(sorted(json.loads(row.get("metrics_json") or "{}").items()))
        return cls(**values)


def _utc(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _pairs_json(counts: tuple[ValueCount, ...]) -> str | None:
    entries = [
        {
            "value": entry.text,
            "count": entry.count,
            **({"hash": entry.text_hash} if entry.text_hash else {}),
            **({"remainder": True} if entry.is_remainder else {}),
            **({} if entry.is_exact else {"exact": False}),
        }
        for entry in counts
    ]
    return json.dumps(entries, ensure_ascii=False) if entries else None


def _pairs(text: str | None) -> tuple[ValueCount, ...]:
    return tuple(
        ValueCount(
            text=entry["value"],
            count=entry["count"],
            text_hash=entry.get("hash"),
            is_remainder=entry.get("remainder", False),
            is_exact=entry.get("exact", True),
        )
        for entry in json.loads(text or "[]")
    )
