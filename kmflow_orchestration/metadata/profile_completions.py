"""Writing and reading what a completed run found: anomalies, scores, operations.

The functions that write take a session, because they are parts of one transaction (row E29).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from uuid import uuid4

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from kmflow_orchestration.errors import UnknownRun
from kmflow_orchestration.metadata.engine import SessionFactory
from kmflow_orchestration.metadata.guarded import guarded
from kmflow_orchestration.metadata.profile_records import Anomaly, Completion, Operation, Score
from kmflow_orchestration.metadata.profiling_tables import (
    AnomalyRow,
    OperationRow,
    ProfileRow,
    ScoreRow,
)
from kmflow_orchestration.names import GroupId


def replace_findings(
    session: Session, group: GroupId, profile_run_id: str, completion: Completion
) -> int:
    """Make a run's anomalies and scores exactly those of a completion; rows written.

    What a person decided about an anomaly stays with it.
    """
    query = select(AnomalyRow.anomaly_id, AnomalyRow.disposition).where(
        AnomalyRow.group_id == group, AnomalyRow.profile_run_id == profile_run_id
    )
    decided = {row.anomaly_id: row.disposition for row in session.execute(query)}
    owner = {"group_id": group, "profile_run_id": profile_run_id}
    for table in (AnomalyRow, ScoreRow):
        session.execute(
            delete(table).where(table.group_id == group, table.profile_run_id == profile_run_id)
        )
    for anomaly in completion.anomalies:
        row_id = anomaly.id_in(profile_run_id)
        row = AnomalyRow(anomaly_id=row_id, **owner, **asdict(anomaly))
        row.disposition = decided.get(row_id, anomaly.disposition)
        session.add(row)
    session.add_all(ScoreRow(**owner, **asdict(score)) for score in completion.scores)
    return len(completion.anomalies) + len(completion.scores)


def add_operation(
    session: Session, group: GroupId, profile_run_id: str, operation: Operation
) -> None:
    """Append one line to the run's operations."""
    session.add(
        OperationRow(
            operation_id=str(uuid4()),
            group_id=group,
            profile_run_id=profile_run_id,
            **asdict(operation),
        )
    )


@dataclass(frozen=True, slots=True)
class ProfileFindings:
    """Repository of what completed runs found; every query is within one group."""

    sessions: SessionFactory

    def anomalies(self, group: GroupId, profile_run_id: str) -> list[Anomaly]:
        """A run's anomalies by table, column and rule."""
        query = (
            select(AnomalyRow)
            .where(AnomalyRow.group_id == group, AnomalyRow.profile_run_id == profile_run_id)
            .order_by(
                AnomalyRow.schema_name,
                AnomalyRow.table_name,
                AnomalyRow.column_name,
                AnomalyRow.anomaly_type_id,
            )
        )
        names = [field.name for field in fields(Anomaly)]
        with guarded(self.sessions) as session:
            rows = session.scalars(query).all()
        return [Anomaly(**{name: getattr(row, name) for name in names}) for row in rows]

    def replace(self, group: GroupId, profile_run_id: str, completion: Completion) -> int:
        """Make a run's findings those of a completion, such as one by today's rules; rows written.

        What a person decided about an anomaly stays with it.

        Raises:
            UnknownRun: the group has no such run; nothing was written.
        """
        query = select(ProfileRow.profile_run_id).where(
            ProfileRow.group_id == group, ProfileRow.profile_run_id == profile_run_id
        )
        with guarded(self.sessions) as session:
            if session.scalar(query) is None:
                raise UnknownRun(f"group {group} has no profile run {profile_run_id}")
            return replace_findings(session, group, profile_run_id, completion)

    def scores(
        self, group: GroupId, profile_run_id: str, *, scope: str | None = None
    ) -> list[Score]:
        """A run's scores, worst first; `scope` keeps one of table_group, table, column."""
        query = select(ScoreRow).where(
            ScoreRow.group_id == group, ScoreRow.profile_run_id == profile_run_id
        )
        if scope is not None:
            query = query.where(ScoreRow.scope == scope)
        names = [field.name for field in fields(Score)]
        order = (ScoreRow.score, ScoreRow.schema_name, ScoreRow.table_name, ScoreRow.column_name)
        with guarded(self.sessions) as session:
            rows = session.scalars(query.order_by(*order)).all()
        return [Score(**{name: getattr(row, name) for name in names}) for row in rows]

    def operations(self, group: GroupId, profile_run_id: str) -> list[Operation]:
        """Writes of a run's completion, in order."""
        query = (
            select(OperationRow)
            .where(OperationRow.group_id == group, OperationRow.profile_run_id == profile_run_id)
            .order_by(OperationRow.started_at)
        )
        names = [field.name for field in fields(Operation)]
        with guarded(self.sessions) as session:
            rows = session.scalars(query).all()
        return [Operation(**{name: getattr(row, name) for name in names}) for row in rows]
