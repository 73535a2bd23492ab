"""Where a group's evidence lies: its backends, and the files of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sqlalchemy import Table, func, select, true
from sqlalchemy.orm import Session

from kmflow_orchestration.metadata.intake_records import GONE
from kmflow_orchestration.metadata.intake_tables import EvidenceItemRow, IntakeBatchRow
from kmflow_orchestration.names import GroupId

_C = cast("Table", EvidenceItemRow.__table__).c
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class BackendUse:
    """What a group has in one backend; copies have no bytes of their own."""

    backend: str
    items: int
    size_bytes: int
    last_stored_at: datetime


@dataclass(frozen=True, slots=True)
class StoredPlace:
    """A stored file of a group, once, however many items have its content."""

    item_id: str
    engagement_id: str
    file_name: str
    stored_path: str
    backend: str
    size_bytes: int
    stored_at: datetime


class EvidencePlaces:
    """Statements about where evidence lies, inside a transaction of the caller."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def backends(self, group: GroupId) -> list[BackendUse]:
        """The backends that hold evidence of the group, by name."""
        own_bytes = func.sum(_C.size_bytes).filter(_C.duplicate_of_id.is_(None))
        query = (
            select(_C.backend, func.count(), func.coalesce(own_bytes, 0), func.max(_C.stored_at))
            .where(_C.group_id == group, _C.state.not_in(sorted(GONE)))
            .group_by(_C.backend)
            .order_by(_C.backend)
        )
        return [
            # PostgreSQL adds whole numbers up to a decimal one.
            BackendUse(backend, items, int(size_bytes), last)
            for backend, items, size_bytes, last in self._session.execute(query)
        ]

    def count(self, group: GroupId, engagement: str | None) -> int:
        """Number of items of the group, or of one engagement; deleted ones too."""
        query = (
            select(func.count())
            .where(_C.group_id == group)
            .where(true() if engagement is None else _C.engagement_id == engagement)
        )
        return self._session.scalar(query) or 0

    def of_backend(self, group: GroupId, backend: str) -> Iterator[StoredPlace]:
        """Stored files in a backend, the earliest first; few are in memory at a time."""
        query = (
            select(
                _C.id,
                _C.engagement_id,
                _C.name,
                _C.file_path,
                _C.backend,
                _C.size_bytes,
                _C.stored_at,
            )
            .where(
                _C.group_id == group,
                _C.backend == backend,
                _C.state.not_in(sorted(GONE)),
                _C.duplicate_of_id.is_(None),
            )
            .order_by(_C.stored_at, _C.id)
            .execution_options(yield_per=_AT_ONCE)
        )
        for row in self._session.execute(query):
            yield StoredPlace(*row)

    def without_metadata(self, group: GroupId) -> int:
        """Number of stored items whose rows are not in the lakehouse yet."""
        query = (
            select(func.count())
            .select_from(EvidenceItemRow)
            .join(IntakeBatchRow, IntakeBatchRow.batch_id == EvidenceItemRow.batch_id)
            .where(
                EvidenceItemRow.group_id == group,
                IntakeBatchRow.group_id == group,
                EvidenceItemRow.state.not_in(sorted(GONE)),
                IntakeBatchRow.bronze_at.is_(None),
            )
        )
        return self._session.scalar(query) or 0
