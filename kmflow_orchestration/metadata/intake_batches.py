"""Batches of a group's days: opening, claiming, finishing steps (design AD3, AD5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Date, bindparam, insert, or_, select, text, update
from sqlalchemy.orm import Session

from kmflow_orchestration.errors import MetadataUnavailable, StateConflict
from kmflow_orchestration.metadata.engine import SessionFactory
from kmflow_orchestration.metadata.guarded import guarded
from kmflow_orchestration.metadata.in_lists import slices
from kmflow_orchestration.metadata.intake_records import LIVE, Batch, Step
from kmflow_orchestration.metadata.intake_tables import BatchReplacementRow as Replacement
from kmflow_orchestration.metadata.intake_tables import EvidenceItemRow as ItemRow
from kmflow_orchestration.metadata.intake_tables import IntakeBatchRow as Row
from kmflow_orchestration.metadata.intake_tables import IntakeDayRow as Day
from kmflow_orchestration.names import GroupId

# One run takes a batch through the first; automation follows with the second.
INTAKE_STEPS = (Step.STORED, Step.BRONZE, Step.DATASETS)
SILVER_STEPS = (Step.FRAGMENTS, Step.QUALITY)


def _lacking(steps: Iterable[Step]) -> ColumnElement[bool]:
    return or_(*(getattr(Row, f"{step}_at").is_(None) for step in steps))


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a claim. `started` is the process's start in seconds since 1970."""

    host: str
    pid: int
    started: float
    dagster_run_id: str = ""

    @property
    def shown(self) -> str:
        """Who it is, for people."""
        if self.dagster_run_id:
            return f"Dagster run {self.dagster_run_id}"
        return f"process {self.pid} on {self.host}"


@dataclass(frozen=True, slots=True)
class OpenBatch:
    """A batch whose files have not all an outcome; `holder` is None when nobody claims it."""

    batch_id: str
    number: int
    version: int
    claims: int
    holder: Holder | None
    lease_until: datetime | None


_RUN_BEGUN = text(
    "INSERT INTO intake_days (group_id, day, runs) VALUES (:group_id, :day, 1)"
    " ON CONFLICT (group_id, day) DO UPDATE SET runs = intake_days.runs + 1"
).bindparams(bindparam("day", type_=Date))


class IntakeBatches:
    """Statements about batches, inside a transaction of the caller."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def open(self, group: GroupId, day: date) -> OpenBatch | None:
        """The day's open batch; there is at most one."""
        query = select(Row).where(Row.group_id == group, Row.day == day, Row.stored_at.is_(None))
        row = self._session.scalars(query).one_or_none()
        return None if row is None else _open_batch(row)

    def last_number(self, group: GroupId, day: date) -> int:
        """Number of the day's newest batch, 0 when it has none."""
        query = select(Row.number).where(Row.group_id == group, Row.day == day)
        return max(self._session.scalars(query), default=0)

    def add(
        self,
        group: GroupId,
        day: date,
        *,
        batch_id: str,
        number: int,
        now: datetime,
        stored_at: datetime | None = None,
    ) -> OpenBatch:
        """Open a batch; with `stored_at` it is stored from the start, and nobody can claim it."""
        row = {
            "batch_id": batch_id,
            "group_id": group,
            "day": day,
            "number": number,
            "opened_at": now,
            "stored_at": stored_at,
        }
        self._session.execute(insert(Row), [row])
        return OpenBatch(batch_id, number, 1, 0, None, None)

    def claim(
        self, group: GroupId, batch: OpenBatch, holder: Holder, lease_until: datetime
    ) -> OpenBatch:
        """Take a claim by compare-and-set on the version. Raises StateConflict."""
        self._change(
            group,
            batch,
            lease_until=lease_until,
            holder_host=holder.host,
            holder_pid=holder.pid,
            holder_started=holder.started,
            dagster_run_id=holder.dagster_run_id,
            claims=batch.claims + 1,
            version=batch.version + 1,
        )
        return OpenBatch(
            batch.batch_id, batch.number, batch.version + 1, batch.claims + 1, holder, lease_until
        )

    def hold(self, group: GroupId, batch: OpenBatch, lease_until: datetime) -> None:
        """Extend a claim that is still ours. Raises StateConflict."""
        self._change(group, batch, lease_until=lease_until)

    def let_go(self, group: GroupId, batch: OpenBatch, stored_at: datetime | None = None) -> None:
        """Give up a claim; with `stored_at` the batch is stored. Raises StateConflict."""
        values: dict[str, Any] = {} if stored_at is None else {"stored_at": stored_at}
        self._change(group, batch, lease_until=None, holder_host="", **values)

    def _change(self, group: GroupId, batch: OpenBatch, **values: Any) -> None:
        result = self._session.execute(
            update(Row)
            .where(
                Row.group_id == group,
                Row.batch_id == batch.batch_id,
                Row.version == batch.version,
                Row.stored_at.is_(None),
            )
            .values(**values)
            .execution_options(synchronize_session=False)
        )
        if result.rowcount != 1:  # type: ignore[attr-defined]
            raise StateConflict(
                f"the claim on batch {batch.batch_id} is lost", hint="another run took it over"
            )

    def finish(self, group: GroupId, batch_id: str, steps: Iterable[Step], now: datetime) -> None:
        """Note that steps are done; the first time counts."""
        for step in steps:
            column = getattr(Row, f"{step}_at")
            self._session.execute(
                update(Row)
                .where(Row.group_id == group, Row.batch_id == batch_id, column.is_(None))
                .values({column: now})
                .execution_options(synchronize_session=False)
            )

    def replace(self, group: GroupId, batch_id: str, item_ids: Iterable[str]) -> None:
        """Add items whose rows a batch of the group replaces. Raises StateConflict for no such."""
        known = set(
            self._session.scalars(
                select(Replacement.item_id).where(
                    Replacement.group_id == group, Replacement.batch_id == batch_id
                )
            )
        )
        rows = [
            {"batch_id": batch_id, "item_id": item_id, "group_id": group}
            for item_id in sorted(set(item_ids) - known)
        ]
        if not rows:
            return
        # The foreign key would take another group's batch for one of this group.
        own = select(Row.batch_id).where(Row.group_id == group, Row.batch_id == batch_id)
        if self._session.scalar(own) is None:
            raise StateConflict(f"there is no batch {batch_id}", hint="run the step again")
        self._session.execute(insert(Replacement), rows)

    def stored(self, group: GroupId, day: date) -> list[Batch]:
        """The day's stored batches in order of their numbers."""
        query = (
            select(Row)
            .where(Row.group_id == group, Row.day == day, Row.stored_at.is_not(None))
            .order_by(Row.number)
        )
        rows = list(self._session.scalars(query))
        replaced = self._replaced(group, [row.batch_id for row in rows])
        return [_batch(row, replaced.get(row.batch_id, ())) for row in rows]

    def get(self, group: GroupId, batch_id: str) -> Batch | None:
        """One batch, stored or not."""
        query = select(Row).where(Row.group_id == group, Row.batch_id == batch_id)
        row = self._session.scalars(query).one_or_none()
        if row is None:
            return None
        return _batch(row, self._replaced(group, [batch_id]).get(batch_id, ()))

    def runs_of(self, group: GroupId, batch_ids: Sequence[str]) -> dict[str, str]:
        """The Dagster run that last held each batch, '' for a process outside of one."""
        query = select(Row.batch_id, Row.dagster_run_id).where(Row.group_id == group)
        return {
            batch_id: run
            for some in slices(batch_ids)
            for batch_id, run in self._session.execute(query.where(Row.batch_id.in_(some)))
        }

    def _replaced(
        self, group: GroupId, batch_ids: Sequence[str]
    ) -> Mapping[str, Sequence[tuple[str, bool]]]:
        """Per batch, the items it replaces with whether they now live in it.

        An item that lives in another batch by now is that batch's to write: an older batch that is
        replayed must not remove its rows.
        """
        query = (
            select(Replacement.batch_id, ItemRow.id, ItemRow.batch_id, ItemRow.state)
            .join(ItemRow, ItemRow.id == Replacement.item_id)
            .where(Replacement.group_id == group, ItemRow.group_id == group)
            .order_by(ItemRow.id)
        )
        found: dict[str, list[tuple[str, bool]]] = {}
        for some in slices(batch_ids):
            here = query.where(Replacement.batch_id.in_(some))
            for batch_id, item_id, home, state in self._session.execute(here):
                if home == batch_id or state not in LIVE:
                    found.setdefault(batch_id, []).append((item_id, home == batch_id))
        return found

    def unfinished_days(self, group: GroupId) -> set[date]:
        """Days with a batch that is open or lacks a step of the intake run."""
        return self._days(group, _lacking(INTAKE_STEPS))

    def unwritten_days(self, group: GroupId) -> set[date]:
        """Days with a batch that is open or lacks its metadata and bronze rows."""
        return self._days(group, _lacking((Step.STORED, Step.BRONZE)))

    def late_days(self, group: GroupId, converted_before: datetime) -> set[date]:
        """Days with a batch that was converted long ago and still lacks a silver step."""
        return self._days(group, Row.datasets_at < converted_before, _lacking(SILVER_STEPS))

    def days_stored_without(self, group: GroupId, step: Step) -> set[date]:
        """Days with a stored batch that lacks a step."""
        return self._days(group, Row.stored_at.is_not(None), _lacking((step,)))

    def _days(self, group: GroupId, *conditions: ColumnElement[bool]) -> set[date]:
        query = select(Row.day).where(Row.group_id == group, *conditions)
        return set(self._session.scalars(query.distinct()))

    def runs(self, group: GroupId) -> dict[date, int]:
        """How many runs each day was given so far."""
        query = select(Day.day, Day.runs).where(Day.group_id == group)
        return dict(self._session.execute(query).all())

    def count_run(self, group: GroupId, day: date) -> None:
        """One more run of a day has begun."""
        self._session.execute(_RUN_BEGUN, {"group_id": group, "day": day})


def renew(
    sessions: SessionFactory, group: GroupId, batch: OpenBatch, lease_until: datetime
) -> bool:
    """Extend a lease in a transaction of its own; False once the claim is lost.

    A database that is busy or away for a moment loses no claim: the next beat tries again.
    """
    try:
        with guarded(sessions) as session:
            IntakeBatches(session).hold(group, batch, lease_until)
    except StateConflict:
        return False
    except MetadataUnavailable:
        return True
    return True


def _open_batch(row: Row) -> OpenBatch:
    holder = Holder(row.holder_host, row.holder_pid, row.holder_started, row.dagster_run_id)
    claimed = holder if row.holder_host else None
    return OpenBatch(row.batch_id, row.number, row.version, row.claims, claimed, row.lease_until)


def _batch(row: Row, replaced: Sequence[tuple[str, bool]]) -> Batch:
    moments = {step: getattr(row, f"{step}_at") for step in Step}
    return Batch(
        batch_id=row.batch_id,
        group_id=row.group_id,
        day=row.day,
        number=row.number,
        replaced_item_ids=tuple(item_id for item_id, _ in replaced),
        moved_item_ids=tuple(item_id for item_id, is_here in replaced if is_here),
        finished={step: moment for step, moment in moments.items() if moment is not None},
    )
