"""Which items a second backend is owed a copy of, and where the copies lie (row B34)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, func, insert, select, update
from sqlalchemy.orm import Session

from kmflow_orchestration.metadata.in_lists import slices
from kmflow_orchestration.metadata.intake_records import GONE
from kmflow_orchestration.metadata.intake_tables import EvidenceItemRow, MirrorFileRow
from kmflow_orchestration.names import GroupId

Row = MirrorFileRow
_SAME_ITEM = and_(EvidenceItemRow.id == Row.item_id, EvidenceItemRow.group_id == Row.group_id)

# Nothing is owed of an item that was deleted, though its line may stay for the sake of a double.
_IS_OWED = (Row.delivered_at.is_(None), EvidenceItemRow.state.not_in(sorted(GONE)))


@dataclass(frozen=True, slots=True)
class MirrorUse:
    """A backend that has copies of a group's items, or is owed some.

    `problem` is why the item that was tried most often is still owed.
    """

    backend: str
    owed: int
    delivered: int
    problem: str


class MirrorFiles:
    """Statements about copies, inside a transaction of the caller."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def owe(self, group: GroupId, backend: str, item_ids: Sequence[str], now: datetime) -> None:
        """Note that a backend has to get items, whatever was known of them before."""
        for some in slices(item_ids):
            self._session.execute(delete(Row).where(*_these(group, backend, some)))
        rows = [
            {
                "group_id": group,
                "item_id": item_id,
                "backend": backend,
                "stored_path": "",
                "owed_at": now,
                "attempts": 0,
                "problem": "",
            }
            for item_id in item_ids
        ]
        if rows:
            self._session.execute(insert(Row), rows)

    def owed(self, group: GroupId, backend: str, limit: int) -> list[str]:
        """Ids of items that a backend has still to get, those first that were tried least."""
        query = (
            select(Row.item_id)
            .join(EvidenceItemRow, _SAME_ITEM)
            .where(Row.group_id == group, Row.backend == backend, *_IS_OWED)
            .order_by(Row.attempts, Row.owed_at, Row.item_id)
            .limit(limit)
        )
        return list(self._session.scalars(query))

    def deliver(
        self, group: GroupId, backend: str, paths: Mapping[str, str], now: datetime
    ) -> None:
        """Copies of items lie at these paths; items nobody owes any more are passed over."""
        for item_id, path in paths.items():
            self._session.execute(
                update(Row)
                .where(*_these(group, backend, [item_id]))
                .values(stored_path=path, delivered_at=now, problem="")
            )

    def fail(self, group: GroupId, backend: str, item_ids: Sequence[str], problem: str) -> None:
        """Items could not be copied, and why."""
        for some in slices(item_ids):
            self._session.execute(
                update(Row)
                .where(*_these(group, backend, some))
                .values(attempts=Row.attempts + 1, problem=problem)
            )

    def with_copies(self, group: GroupId, original: tuple[str, str]) -> list[str]:
        """Backends that have a copy of what lies in another, by backend and path, or are owed one:
        it may be on its way. Deleted items count: their copy may be another's."""
        query = (
            select(Row.backend)
            .join(EvidenceItemRow, _SAME_ITEM)
            .where(
                Row.group_id == group,
                EvidenceItemRow.backend == original[0],
                EvidenceItemRow.file_path == original[1],
            )
            .distinct()
            .order_by(Row.backend)
        )
        return list(self._session.scalars(query))

    def copy_of(self, group: GroupId, backend: str, original: tuple[str, str]) -> str | None:
        """Where a backend has a copy of what lies in another, by backend and path; None: it has
        none."""
        query = (
            select(Row.stored_path)
            .join(EvidenceItemRow, _SAME_ITEM)
            .where(
                Row.group_id == group,
                Row.backend == backend,
                Row.delivered_at.is_not(None),
                EvidenceItemRow.backend == original[0],
                EvidenceItemRow.file_path == original[1],
                EvidenceItemRow.state.not_in(sorted(GONE)),
            )
            .limit(1)
        )
        return self._session.scalar(query)

    def uses(self, group: GroupId) -> list[MirrorUse]:
        """The backends with copies of the group's items, by name."""
        is_owed = and_(*_IS_OWED)
        query = (
            select(Row.backend, func.count().filter(is_owed), func.count(Row.delivered_at))
            .join(EvidenceItemRow, _SAME_ITEM)
            .where(Row.group_id == group)
            .group_by(Row.backend)
            .order_by(Row.backend)
        )
        return [
            MirrorUse(backend, owed, delivered, self._problem(group, backend) if owed else "")
            for backend, owed, delivered in self._session.execute(query).all()
        ]

    def forget(self, group: GroupId, backend: str, item_ids: Sequence[str]) -> None:
        """Nothing is left of these items in a backend."""
        for some in slices(item_ids):
            self._session.execute(delete(Row).where(*_these(group, backend, some)))

    def of_gone(self, group: GroupId, backend: str) -> list[str]:
        """Ids of deleted items of which a backend may still have something."""
        query = (
            select(Row.item_id)
            .join(EvidenceItemRow, _SAME_ITEM)
            .where(
                Row.group_id == group,
                Row.backend == backend,
                EvidenceItemRow.state.in_(sorted(GONE)),
            )
            .order_by(Row.item_id)
        )
        return list(self._session.scalars(query))

    def _problem(self, group: GroupId, backend: str) -> str:
        query = (
            select(Row.problem)
            .join(EvidenceItemRow, _SAME_ITEM)
            .where(Row.group_id == group, Row.backend == backend, *_IS_OWED)
            .order_by(Row.attempts.desc(), Row.item_id)
            .limit(1)
        )
        return self._session.scalar(query) or ""


def _these(
    group: GroupId, backend: str, item_ids: Sequence[str]
) -> tuple[ColumnElement[bool], ...]:
    return (Row.group_id == group, Row.backend == backend, Row.item_id.in_(item_ids))
