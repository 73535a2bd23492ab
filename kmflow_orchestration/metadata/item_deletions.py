"""Evidence items that leave for good: what the ledger keeps of them, and until when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from kmflow_orchestration.errors import StateConflict
from kmflow_orchestration.metadata.in_lists import slices
from kmflow_orchestration.metadata.intake_records import Item, State
from kmflow_orchestration.metadata.intake_tables import EvidenceItemRow as Row
from kmflow_orchestration.names import GroupId


class ItemDeletions:
    """Statements about deleted items, inside a transaction of the caller."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def begin(
        self, group: GroupId, item: Item, batch_id: str, *, actor: str, now: datetime
    ) -> None:
        """Have a batch delete an item. Raises StateConflict if it changed meanwhile."""
        result = self._session.execute(
            update(Row)
            .where(Row.group_id == group, Row.id == item.item_id, Row.version == item.version)
            .values(
                state=State.DELETING,
                batch_id=batch_id,
                duplicate_of_id=None,
                deleted_at=now,
                deleted_by=actor,
                updated_at=now,
                version=Row.version + 1,
            )
            .execution_options(synchronize_session=False)
        )
        if result.rowcount != 1:  # type: ignore[attr-defined]
            raise StateConflict(f"item {item.item_id} changed meanwhile", hint="try again")

    def finish(self, group: GroupId, item_ids: Sequence[str], now: datetime) -> None:
        """Nothing is left of these items but their rows here and in bronze."""
        for some in slices(item_ids):
            self._session.execute(
                update(Row)
                .where(Row.group_id == group, Row.id.in_(some), Row.state == State.DELETING)
                .values(state=State.DELETED, updated_at=now, version=Row.version + 1)
                .execution_options(synchronize_session=False)
            )

    def unfinished(self, group: GroupId) -> set[str]:
        """Ids of the items whose deletion is not finished."""
        query = select(Row.id).where(Row.group_id == group, Row.state == State.DELETING)
        return set(self._session.scalars(query))

    def forget(self, group: GroupId, item_ids: Sequence[str]) -> set[str]:
        """Make room for items that are stored anew; which of them had been deleted."""
        deleted = (Row.group_id == group, Row.state == State.DELETED)
        query = select(Row.id).where(*deleted)
        found: set[str] = set()
        for some in slices(item_ids):
            found |= set(self._session.scalars(query.where(Row.id.in_(some))))
        for some in slices(sorted(found)):  # nearly always none
            self._session.execute(
                delete(Row)
                .where(*deleted, Row.id.in_(some))
                .execution_options(synchronize_session=False)
            )
        return found
