"""A completion from a run's results in the lakehouse, for when no callback came (row E34)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kmflow_orchestration.metadata.profile_records import Anomaly, Completion, ProfileRun, Score
from kmflow_orchestration.names import Namespace
from kmflow_orchestration.profiling.column_profile import ColumnProfile
from kmflow_orchestration.profiling.evaluation import Evaluation
from kmflow_orchestration.profiling.hygiene import Issue
from kmflow_orchestration.profiling.scoring import QualityScores
from kmflow_orchestration.profiling.stored_results import (
    reevaluate,
    stored_profiles,
    stored_results_sql,
)
from kmflow_orchestration.runs.run_state import RunStatus
from kmflow_orchestration.storage.interfaces import Lakehouse
from kmflow_orchestration.tables.profiling import DQ_PROFILE_RESULTS


@dataclass(frozen=True, slots=True)
class StoredProfile:
    """What a run stored, and what the rules of today say about it."""

    profiles: tuple[ColumnProfile, ...]
    judged: Evaluation

    @property
    def unread(self) -> tuple[ColumnProfile, ...]:
        """Columns the run could not read: no rule says anything about them."""
        return tuple(profile for profile in self.profiles if profile.query_error is not None)

    def completion(self) -> Completion:
        """What the job would have reported."""
        judged, sizes = self.judged, _table_sizes(self.profiles)
        warned = bool(judged.faults) or bool(self.unread)
        return Completion(
            status=RunStatus.COMPLETED_WITH_WARNINGS if warned else RunStatus.COMPLETED,
            row_count=sum(sizes.values()),
            table_count=len(sizes),
            column_count=len(self.profiles),
            dq_score_profiling=judged.scores.score,
            anomalies=tuple(anomaly(issue) for issue in judged.issues),
            scores=scores(judged.scores),
        )


def stored_profile(
    run: ProfileRun, *, lakehouse: Lakehouse, namespace: Namespace
) -> StoredProfile | None:
    """A run's stored measures, judged again; None when it stored nothing.

    Raises: as `Lakehouse.query`.
    """
    sql = stored_results_sql(namespace.dq(DQ_PROFILE_RESULTS.name))
    bound = {"group_id": run.group_id, "profile_run_id": run.profile_run_id}
    profiles = stored_profiles(lakehouse.query(sql, bound).to_pylist())
    if not profiles:
        return None
    return StoredProfile(tuple(profiles), reevaluate(run.profile_run_id, profiles))


def stored_completion(
    run: ProfileRun, *, lakehouse: Lakehouse, namespace: Namespace
) -> Completion | None:
    """What the job would have reported; None when it stored nothing for this run.

    Raises: as `Lakehouse.query`.
    """
    stored = stored_profile(run, lakehouse=lakehouse, namespace=namespace)
    return None if stored is None else stored.completion()


def _table_sizes(profiles: Sequence[ColumnProfile]) -> dict[tuple[str, str], int]:
    """Rows of each table: every one of its columns says the same."""
    return {
        (profile.schema_name, profile.table_name): profile.record_count or 0 for profile in profiles
    }


def anomaly(issue: Issue) -> Anomaly:
    """An issue as the control database keeps it."""
    return Anomaly(
        schema_name=issue.schema_name,
        table_name=issue.table_name,
        column_name=issue.column_name,
        anomaly_type_id=str(issue.anomaly_type_id),
        anomaly_type=issue.anomaly_type,
        severity=issue.severity,
        likelihood=issue.likelihood,
        priority=issue.priority,
        description=issue.detail,
        dimension=issue.dimension,
        impact_dimension=issue.impact_dimension,
        prevalence=issue.prevalence,
        risk_factor=issue.risk_factor,
        detected_at=issue.detected_at,
    )


def scores(judged: QualityScores) -> tuple[Score, ...]:
    """Scores of the table group, by dimension, of its tables and of its columns."""
    dimensions = (*judged.dimensions, *judged.impact_dimensions)
    return (
        Score(scope="table_group", score=judged.score),
        *(
            Score(scope="table_group", dimension=dimension, score=score)
            for dimension, score in dimensions
        ),
        *(
            Score(
                scope="table",
                schema_name=table.schema_name,
                table_name=table.table_name,
                score=table.score,
            )
            for table in judged.tables
        ),
        *(
            Score(
                scope="column",
                schema_name=column.schema_name,
                table_name=column.table_name,
                column_name=column.column_name,
                score=column.score,
                record_count=int(column.data_points),
            )
            for column in judged.columns
        ),
    )
