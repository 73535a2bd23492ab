"""How long each stage of a batch took and what came of it (row B37)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, datetime

from sqlalchemy import delete, select, true
from sqlalchemy.orm import Session

from kmflow_orchestration.metadata.intake_records import Step
from kmflow_orchestration.metadata.intake_tables import StageMetricRow as Row
from kmflow_orchestration.names import GroupId


@dataclass(frozen=True, slots=True, kw_only=True)
class StageMetric:
    """One stage of one batch, as it last ended.

    `engagement_id` and `evidence_item_id` are '' where the batch has several. `input_count` counts
    files or items, `output_count` what the stage made of them: items, rows or fragments.
    `error_type` is the code of what failed the stage, or the commonest of those of single files.
    """

    batch_id: str
    stage: Step
    day: date
    started_at: datetime
    duration_ms: int
    input_count: int
    output_count: int
    error_count: int
    error_type: str
    engagement_id: str = ""
    evidence_item_id: str = ""


class StageMetrics:
    """Statements about stage metrics, inside a transaction of the caller."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def record(self, group: GroupId, metric: StageMetric) -> None:
        """Note how a stage ended; a repeated stage replaces its row."""
        self._session.execute(
            delete(Row).where(
                Row.group_id == group,
                Row.batch_id == metric.batch_id,
                Row.stage == metric.stage,
            )
        )
        self._session.add(Row(group_id=group, **asdict(metric)))
        self._session.flush()

    def all(
        self, group: GroupId, *, day: date | None = None, stage: Step | None = None
    ) -> list[StageMetric]:
        """Stages of a group's batches in the order of their beginning; of one day, one stage."""
        query = (
            select(Row)
            .where(
                Row.group_id == group,
                true() if day is None else Row.day == day,
                true() if stage is None else Row.stage == stage,
            )
            .order_by(Row.started_at, Row.batch_id, Row.stage)
        )
        return [_metric(row) for row in self._session.scalars(query)]


def _metric(row: Row) -> StageMetric:
    return StageMetric(
        batch_id=row.batch_id,
        stage=Step(row.stage),
        day=row.day,
        started_at=row.started_at,
        duration_ms=row.duration_ms,
        input_count=row.input_count,
        output_count=row.output_count,
        error_count=row.error_count,
        error_type=row.error_type,
        engagement_id=row.engagement_id,
        evidence_item_id=row.evidence_item_id,
    )
