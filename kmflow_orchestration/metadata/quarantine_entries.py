"""Files, items and rows of a group that were kept back, and landing files to be looked at anew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from kmflow_orchestration.metadata.dataset_tables import DatasetPartRow as Part
from kmflow_orchestration.metadata.in_lists import slices
from kmflow_orchestration.metadata.intake_records import LIVE, State
from kmflow_orchestration.metadata.intake_tables import EvidenceItemRow as Item
from kmflow_orchestration.metadata.intake_tables import LandingFileRow as File
from kmflow_orchestration.metadata.quarantine_acceptances import Key, QuarantineAcceptances
from kmflow_orchestration.metadata.quarantine_records import (
    ROWS_REJECTED,
    Acceptance,
    Held,
    HeldBack,
)
from kmflow_orchestration.names import GroupId

# A size no file has: the next look finds a file that differs.
_NO_SIZE = -1
_HELD = {State.QUARANTINED: Held.FILE, State.FAILED: Held.FAILED}


class QuarantineEntries:
    """Statements about what is kept back, inside a transaction of the caller."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def all(self, group: GroupId) -> list[HeldBack]:
        """All that is kept back, by landing path, each with its acceptance if it has one."""
        accepted = QuarantineAcceptances(self._session).all(group)
        files, items = self._files(group, accepted), self._items(group, accepted)
        return _sorted(files, items, self._rows(group, accepted))

    def files(self, group: GroupId) -> list[HeldBack]:
        """The same without rows that were left out."""
        accepted = QuarantineAcceptances(self._session).all(group)
        return _sorted(self._files(group, accepted), self._items(group, accepted))

    def _files(self, group: GroupId, accepted: Mapping[Key, Acceptance]) -> Iterator[HeldBack]:
        query = select(File).where(File.group_id == group, File.state.in_(sorted(_HELD)))
        for row in self._session.scalars(query):
            kind = _HELD[State(row.state)]
            yield HeldBack(
                kind=kind,
                path=row.path,
                code=row.code,
                message=row.message,
                engagement_id=row.engagement_id,
                size_bytes=row.size_bytes,
                received_on=row.received_on,
                since=row.changed_at,
                version=row.version,
                attempts=row.attempts,
                retry_at=row.retry_at,
                acceptance=accepted.get((kind, row.path, row.version)),
            )

    def _items(self, group: GroupId, accepted: Mapping[Key, Acceptance]) -> Iterator[HeldBack]:
        query = select(Item).where(Item.group_id == group, Item.state == State.QUARANTINED)
        for row in self._session.scalars(query):
            yield _of_item(
                Held.ITEM,
                row,
                accepted,
                code=row.code,
                message=row.message,
                version=row.version,
            )

    def _rows(self, group: GroupId, accepted: Mapping[Key, Acceptance]) -> Iterator[HeldBack]:
        rejected = Part.receipt[ROWS_REJECTED].as_integer()
        counts = (
            select(Part.item_id, func.sum(rejected).label("rows"))
            .where(Part.group_id == group, rejected > 0)
            .group_by(Part.item_id)
            .subquery()
        )
        query = (
            select(Item, counts.c.rows)
            .join(counts, counts.c.item_id == Item.id)
            .where(Item.group_id == group, Item.state.in_(sorted(LIVE)))
        )
        for row, count in self._session.execute(query):
            message = f"{int(count)} rows of it are in no table"
            # Its own version also changes when nothing about these rows does.
            yield _of_item(
                Held.ROWS,
                row,
                accepted,
                code=ROWS_REJECTED,
                message=message,
                version=int(count),
                rows=int(count),
            )

    def look_anew(self, group: GroupId, paths: Sequence[str]) -> None:
        """Refused landing files wait for the next look, which takes them for changed ones."""
        self._set(group, paths, State.QUARANTINED, state=State.WAITING, size_bytes=_NO_SIZE)

    def try_now(self, group: GroupId, paths: Sequence[str]) -> None:
        """Landing files whose storing failed are due at once."""
        self._set(group, paths, State.FAILED, state=State.PENDING, attempts=0)

    def folders_of(self, group: GroupId, paths: Sequence[str]) -> set[str]:
        """The folders in which these landing files lie."""
        query = select(File.folder).where(File.group_id == group)
        return {
            folder
            for some in slices(paths)
            for folder in self._session.scalars(query.where(File.path.in_(some)))
        }

    def _set(self, group: GroupId, paths: Sequence[str], present: State, **values: object) -> None:
        for some in slices(paths):
            self._session.execute(
                update(File)
                .where(File.group_id == group, File.path.in_(some), File.state == present)
                .values(**values, code="", message="", retry_at=None, version=File.version + 1)
                .execution_options(synchronize_session=False)
            )


def _sorted(*found: Iterable[HeldBack]) -> list[HeldBack]:
    return sorted(chain.from_iterable(found), key=lambda one: (one.path, one.kind, one.item_id))


def _of_item(
    kind: Held,
    row: Item,
    accepted: Mapping[Key, Acceptance],
    *,
    code: str,
    message: str,
    version: int,
    rows: int = 0,
) -> HeldBack:
    return HeldBack(
        kind=kind,
        path=row.landing_path,
        code=code,
        message=message,
        engagement_id=row.engagement_id,
        size_bytes=row.size_bytes,
        received_on=row.received_on,
        since=row.updated_at,
        version=version,
        item_id=row.id,
        batch_id=row.batch_id,
        rows=rows,
        acceptance=accepted.get((kind, row.id, version)),
    )
