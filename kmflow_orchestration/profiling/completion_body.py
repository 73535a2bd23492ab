"""The completion message of a run that ended well (row E28)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kmflow_orchestration.clock import iso
from kmflow_orchestration.profiling.hygiene import Issue
from kmflow_orchestration.profiling.run_profile import ProfileOutcome
from kmflow_orchestration.profiling.scoring import QualityScores


def completion_body(outcome: ProfileOutcome) -> dict[str, Any]:
    """Counts, issues and scores; holds counts and names of columns, never a value of the data."""
    return {
        "status": outcome.status,
        "row_count": outcome.row_count,
        "table_count": len(outcome.tables),
        "column_count": len(outcome.profiles),
        "anomaly_count": len(outcome.issues),
        "dq_score_profiling": outcome.scores.score,
        "anomalies": [_anomaly(issue) for issue in outcome.issues],
        "scores": list(_scores(outcome.scores)),
    }


def _anomaly(issue: Issue) -> dict[str, Any]:
    return {
        "schema_name": issue.schema_name,
        "table_name": issue.table_name,
        "column_name": issue.column_name,
        "anomaly_type_id": str(issue.anomaly_type_id),
        "anomaly_type": issue.anomaly_type,
        "severity": issue.severity,
        "likelihood": issue.likelihood,
        "priority": issue.priority,
        "dimension": issue.dimension,
        "impact_dimension": issue.impact_dimension,
        "prevalence": issue.prevalence,
        "risk_factor": issue.risk_factor,
        "description": issue.detail,
        "detected_at": iso(issue.detected_at),
    }


def _scores(scores: QualityScores) -> Iterator[dict[str, Any]]:
    yield {"scope": "table_group", "score": scores.score}
    for dimension, score in (*scores.dimensions, *scores.impact_dimensions):
        yield {"scope": "table_group", "dimension": dimension, "score": score}
    for table in scores.tables:
        yield {
            "scope": "table",
            "schema_name": table.schema_name,
            "table_name": table.table_name,
            "score": table.score,
        }
    for column in scores.columns:
        yield {
            "scope": "column",
            "schema_name": column.schema_name,
            "table_name": column.table_name,
            "column_name": column.column_name,
            "score": column.score,
            "record_count": int(column.data_points),
        }
