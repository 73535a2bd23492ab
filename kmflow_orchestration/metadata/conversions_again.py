"""Work that was done and is to be done again: steps of batches, items that were refused."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from kmflow_orchestration.metadata.in_lists import slices
from kmflow_orchestration.metadata.intake_records import State, Step
from kmflow_orchestration.metadata.intake_tables import EvidenceItemRow, IntakeBatchRow
from kmflow_orchestration.metadata.profiling_tables import TableRow
from kmflow_orchestration.names import GroupId


class ConversionsAgain:
    """Statements about what is to be done again, inside a transaction of the caller."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def reopen(self, group: GroupId, batch_ids: Iterable[str], steps: Iterable[Step]) -> None:
        """Have steps of batches done again: their days are due."""
        values = {f"{step}_at": None for step in steps}
        for some in slices(sorted(set(batch_ids))):
            self._session.execute(
                update(IntakeBatchRow)
                .where(IntakeBatchRow.group_id == group, IntakeBatchRow.batch_id.in_(some))
                .values(values)
                .execution_options(synchronize_session=False)
            )

    def expect_changes(self, group: GroupId, tables: Iterable[str]) -> None:
        """The next batch that writes these tables changes them, also if it was their last one."""
        for some in slices(sorted(set(tables))):
            self._session.execute(
                update(TableRow)
                .where(TableRow.group_id == group, TableRow.table_name.in_(some))
                .values(changed_batch_id=None)
                .execution_options(synchronize_session=False)
            )

    def release(self, group: GroupId, item_ids: Iterable[str], now: datetime) -> None:
        """Items that a converter refused count as stored again; others stay as they are."""
        row = EvidenceItemRow
        for some in slices(sorted(set(item_ids))):
            self._session.execute(
                update(row)
                .where(row.group_id == group, row.id.in_(some), row.state == State.QUARANTINED)
                .values(
                    state=State.STORED, code="", message="", updated_at=now, version=row.version + 1
                )
                .execution_options(synchronize_session=False)
            )
