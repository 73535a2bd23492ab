"""Profile runs in the control database: every change is a compare-and-set on the old status."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, Update, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.errors import RunOutstanding, StateConflict, UnknownRun
from kmflow_orchestration.metadata.engine import SessionFactory
from kmflow_orchestration.metadata.guarded import guarded
from kmflow_orchestration.metadata.profile_completions import add_operation, replace_findings
from kmflow_orchestration.metadata.profile_records import (
    Completion,
    Operation,
    ProfileRun,
    RunEvent,
    StateChange,
)
from kmflow_orchestration.metadata.profile_rows import (
    add_event,
    changed_values,
    completed_values,
    row_of,
    run_of,
)
from kmflow_orchestration.metadata.profiling_tables import ProfileRow, RunEventRow
from kmflow_orchestration.metadata.run_status import (
    OUTSTANDING,
    SUCCESSFUL,
    TERMINAL,
    Actor,
    RunStatus,
    may_change,
)
from kmflow_orchestration.names import GroupId, TableGroupId


@dataclass(frozen=True, slots=True)
class ProfileRuns:
    """Repository of profile runs; every query is within one group."""

    sessions: SessionFactory

    def insert_queued(self, group: GroupId, run: ProfileRun) -> None:
        """Add a run that is about to be submitted.

        Raises:
            RunOutstanding: its table group has another that is not over (row E19).
        """
        row = row_of(group, run)
        try:
            with guarded(self.sessions) as session:
                session.add(row)
                session.flush()
                add_event(session, group, run, None, by=Actor.ORCHESTRATOR, at=run.created_at)
        except IntegrityError as error:
            other = self.outstanding(group, run.table_group_id)
            if other is None:
                raise
            raise RunOutstanding(
                f"table group {run.table_group_id} has run {other.profile_run_id} outstanding",
                profile_run_id=other.profile_run_id,
            ) from error

    def submitted(
        self,
        group: GroupId,
        profile_run_id: str,
        *,
        databricks_run_id: str,
        run_page_url: str,
        at: datetime,
        next_poll_at: datetime,
    ) -> ProfileRun:
        """Store the platform's run id; a run whose callback was quicker keeps its end."""
        with guarded(self.sessions) as session:
            statement = self._where(group, profile_run_id).values(
                databricks_run_id=databricks_run_id,
                run_page_url=run_page_url,
                started_at=at,
                next_poll_at=next_poll_at,
                updated_at=at,
            )
            session.execute(statement)
        return self.get(group, profile_run_id)

    def change(
        self, group: GroupId, run: ProfileRun, change: StateChange, *, by: Actor, at: datetime
    ) -> bool:
        """Move a run from the status it was read with; whether this call moved it.

        Nothing happens when somebody else changed it first or the change is not allowed; the same
        status again only refreshes what the platform says.
        """
        moves = change.status is not run.status
        if moves and not may_change(run.end, change.status, by=by):
            return False
        values = changed_values(run, change, at=at)
        if change.status.is_terminal:
            values |= {"completed_at": at, "completed_by": by, "materialized_at": None}
        with guarded(self.sessions) as session:
            if not self._compare_and_set(session, group, run, values):
                return False
            if moves:
                add_event(session, group, run, change, by=by, at=at)
        return moves

    def complete(
        self,
        group: GroupId,
        run: ProfileRun,
        completion: Completion,
        *,
        ends: bool,
        by: Actor,
        clock: Clock,
    ) -> None:
        """End a run, or replace the findings of an ended one, in one transaction (row E29).

        Unless the completion `ends` it, the run keeps its status and the moment of its end.

        Raises:
            StateConflict: somebody changed the run since it was read; nothing was written.
        """
        started_at, started = clock.now(), clock.monotonic()
        with guarded(self.sessions) as session:
            values = completed_values(run, completion, at=started_at)
            if ends:
                values |= {
                    "status": completion.status,
                    "completed_at": started_at,
                    "completed_by": by,
                    "materialized_at": None,
                }
            if not self._compare_and_set(session, group, run, values):
                raise StateConflict(f"run {run.profile_run_id} was changed by somebody else")
            written = replace_findings(session, group, run.profile_run_id, completion)
            session.flush()
            operation = Operation(
                target_table="dq_profile_anomalies, dq_profile_scores",
                rows_written=written,
                duration_ms=round((clock.monotonic() - started) * 1000),
                status="success" if ends else "superseded",
                started_at=started_at,
            )
            add_operation(session, group, run.profile_run_id, operation)
            if ends:
                change = StateChange(status=completion.status, reason=f"completed by {by}")
                add_event(session, group, run, change, by=by, at=started_at)

    def cancel_requested(self, group: GroupId, profile_run_id: str, *, at: datetime) -> ProfileRun:
        """Record that an outstanding run shall end, and have it looked at soon; the run now."""
        self._while_outstanding(group, profile_run_id, cancel_requested_at=at, next_poll_at=at)
        return self.get(group, profile_run_id)

    def polled(
        self, group: GroupId, profile_run_id: str, *, at: datetime, next_poll_at: datetime
    ) -> None:
        """Record a look at an outstanding run and when the next is due."""
        self._while_outstanding(
            group,
            profile_run_id,
            last_polled_at=at,
            next_poll_at=next_poll_at,
            poll_count=ProfileRow.poll_count + 1,
        )

    def look_at_once(self, group: GroupId, *, at: datetime) -> None:
        """Make all outstanding runs due: whoever waited for them is known to be gone."""
        statement = update(ProfileRow).where(
            ProfileRow.group_id == group, ProfileRow.status.in_(OUTSTANDING)
        )
        with guarded(self.sessions) as session:
            session.execute(statement.values(next_poll_at=at))

    def note(
        self,
        group: GroupId,
        profile_run_id: str,
        *,
        unknown_polls: int = 0,
        ended_at: datetime | None = None,
    ) -> None:
        """Record how often a run's state was unknown, or when its platform ended it."""
        self._while_outstanding(
            group, profile_run_id, unknown_polls=unknown_polls, ended_at=ended_at
        )

    def _while_outstanding(self, group: GroupId, profile_run_id: str, **values: object) -> None:
        statement = self._where(group, profile_run_id).where(ProfileRow.status.in_(OUTSTANDING))
        with guarded(self.sessions) as session:
            session.execute(statement.values(**values))

    def find(self, group: GroupId, profile_run_id: str) -> ProfileRun | None:
        query = self._of(group).where(ProfileRow.profile_run_id == profile_run_id)
        return self._first(query)

    def get(self, group: GroupId, profile_run_id: str) -> ProfileRun:
        """Raises UnknownRun when the group has no such run."""
        run = self.find(group, profile_run_id)
        if run is None:
            raise UnknownRun(f"group {group} has no profile run {profile_run_id}").about(
                profile_run_id=profile_run_id
            )
        return run

    def outstanding(self, group: GroupId, table_group: TableGroupId) -> ProfileRun | None:
        """The one run of a table group that is not over."""
        query = self._of(group).where(
            ProfileRow.table_group_id == table_group, ProfileRow.status.in_(OUTSTANDING)
        )
        return self._first(query)

    def due(self, group: GroupId, now: datetime, *, limit: int = 500) -> list[ProfileRun]:
        """Outstanding runs to look at: their next poll or their deadline has come; oldest first."""
        query = self._of(group).where(
            ProfileRow.status.in_(OUTSTANDING),
            or_(ProfileRow.next_poll_at <= now, ProfileRow.deadline_at <= now),
        )
        return self._all(query.order_by(ProfileRow.next_poll_at).limit(limit))

    def latest_completed(self, group: GroupId, table_group: TableGroupId) -> ProfileRun | None:
        """The newest run that ended well; a failed one never hides it."""
        query = self._of(group).where(
            ProfileRow.table_group_id == table_group, ProfileRow.status.in_(SUCCESSFUL)
        )
        return self._first(query.order_by(ProfileRow.created_at.desc()))

    def finished_unmaterialized(self, group: GroupId, *, limit: int = 500) -> list[ProfileRun]:
        """Runs that are over and whose end nobody has taken over yet, oldest end first."""
        query = self._of(group).where(
            ProfileRow.status.in_(TERMINAL), ProfileRow.materialized_at.is_(None)
        )
        return self._all(query.order_by(ProfileRow.completed_at).limit(limit))

    def materialized(self, group: GroupId, profile_run_id: str, *, at: datetime) -> None:
        """Record that a finished run's end was taken over."""
        statement = self._where(group, profile_run_id).values(materialized_at=at)
        with guarded(self.sessions) as session:
            session.execute(statement)

    def latest(
        self, group: GroupId, *, table_group: TableGroupId | None = None, limit: int = 50
    ) -> list[ProfileRun]:
        """Runs, newest first."""
        query = self._of(group)
        if table_group is not None:
            query = query.where(ProfileRow.table_group_id == table_group)
        newest = (ProfileRow.created_at.desc(), ProfileRow.profile_run_id)
        return self._all(query.order_by(*newest).limit(limit))

    def events(self, group: GroupId, profile_run_id: str) -> list[RunEvent]:
        """Changes of a run's status, in order."""
        query = (
            select(RunEventRow)
            .where(RunEventRow.group_id == group, RunEventRow.profile_run_id == profile_run_id)
            .order_by(RunEventRow.event_id)
        )
        with guarded(self.sessions) as session:
            rows = session.scalars(query).all()
        return [
            RunEvent(
                RunStatus(row.from_status) if row.from_status else None,
                RunStatus(row.to_status),
                row.by,
                row.at,
                row.reason,
            )
            for row in rows
        ]

    @staticmethod
    def _of(group: GroupId) -> Select[ProfileRow]:
        return select(ProfileRow).where(ProfileRow.group_id == group)

    @staticmethod
    def _where(group: GroupId, profile_run_id: str) -> Update:
        return update(ProfileRow).where(
            ProfileRow.group_id == group, ProfileRow.profile_run_id == profile_run_id
        )

    def _first(self, query: Select[ProfileRow]) -> ProfileRun | None:
        return next(iter(self._all(query.limit(1))), None)

    def _all(self, query: Select[ProfileRow]) -> list[ProfileRun]:
        with guarded(self.sessions) as session:
            return [run_of(row) for row in session.scalars(query)]

    def _compare_and_set(
        self, session: Session, group: GroupId, run: ProfileRun, values: dict[str, object]
    ) -> bool:
        statement = self._where(group, run.profile_run_id).where(ProfileRow.status == run.status)
        result = session.execute(statement.values(**values))
        return bool(result.rowcount)  # type: ignore[attr-defined]
