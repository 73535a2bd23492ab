"""A run's outcome as rows of the `_dq` tables, without the ids of the run itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kmflow_orchestration.profiling.column_profile import ColumnProfile
from kmflow_orchestration.profiling.hygiene import Issue, issue_row
from kmflow_orchestration.profiling.scoring import QualityScores, TableScore
from kmflow_orchestration.profiling.table_profile import TableProfile
from kmflow_orchestration.tables.definition import TableDefinition
from kmflow_orchestration.tables.profiling import (
    DQ_DATA_COLUMN_CHARS,
    DQ_DATA_TABLE_CHARS,
    DQ_PROFILE_ANOMALY_RESULTS,
    DQ_PROFILE_COLUMN_VALUES,
    DQ_PROFILE_RESULTS,
)

Rows = Sequence[Mapping[str, Any]]


def result_rows(
    tables: Sequence[TableProfile],
    issues: Sequence[Issue],
    scores: QualityScores,
    *,
    errors: Mapping[tuple[str, str], str],
) -> Iterator[tuple[TableDefinition, Rows]]:
    """Every result table with its rows; `errors` are by schema and table."""
    profiles = [column for table in tables for column in table.columns]
    yield DQ_PROFILE_RESULTS, [profile.to_row() for profile in profiles]
    yield DQ_PROFILE_COLUMN_VALUES, [row for one in profiles for row in _value_rows(one)]
    yield DQ_PROFILE_ANOMALY_RESULTS, [issue_row(issue) for issue in issues]
    yield DQ_DATA_TABLE_CHARS, _table_rows(tables, scores, errors)
    yield DQ_DATA_COLUMN_CHARS, _column_rows(profiles, scores)


def _place(profile: ColumnProfile) -> dict[str, Any]:
    return {
        "schema_name": profile.schema_name,
        "table_name": profile.table_name,
        "column_name": profile.column_name,
    }


def _value_rows(profile: ColumnProfile) -> Iterator[dict[str, Any]]:
    for rank, entry in enumerate(profile.top_values, start=1):
        yield _place(profile) | {
            "value_rank": rank,
            "value": entry.text,
            "value_hash": entry.text_hash,
            "value_count": entry.count,
            "relative_frequency": entry.count / profile.value_count
            if profile.value_count
            else None,
            "is_remainder": entry.is_remainder,
            "is_exact": entry.is_exact,
        }


def _table_rows(
    tables: Sequence[TableProfile], scores: QualityScores, errors: Mapping[tuple[str, str], str]
) -> list[dict[str, Any]]:
    by_table: dict[tuple[str, str], TableScore] = {
        (score.schema_name, score.table_name): score for score in scores.tables
    }
    rows = []
    for table in tables:
        key = (table.schema_name, table.table_name)
        score = by_table.get(key)
        rows.append(
            {
                "schema_name": table.schema_name,
                "table_name": table.table_name,
                "record_count": table.record_count,
                "column_count": len(table.columns),
                "anomaly_count": score.issue_count if score else 0,
                "dq_score_profiling": score.score if score else None,
                "query_error": errors.get(key),
            }
        )
    return rows


def _column_rows(profiles: Sequence[ColumnProfile], scores: QualityScores) -> list[dict[str, Any]]:
    by_column = {
        (score.schema_name, score.table_name, score.column_name): score for score in scores.columns
    }
    rows = []
    for profile in profiles:
        place = _place(profile)
        score = by_column.get(tuple(place.values()))
        rows.append(
            place
            | {
                "general_type": profile.general_type,
                "functional_data_type": profile.functional_data_type,
                "record_count": profile.record_count,
                "anomaly_count": score.issue_count if score else 0,
                "dq_score_profiling": score.score if score else None,
            }
        )
    return rows
