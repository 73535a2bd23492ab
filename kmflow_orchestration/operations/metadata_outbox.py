"""Rows of `evidence_metadata` that are still to come, and how they get there (row B7, AB-S7).

The ledger is the outbox: an item is in it, with all its row is made of, before anybody asks the
warehouse, and its batch is unfinished until the row is written. The sensor asks for another run of
such a day until it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.intake.ledger import Item, Ledger, Step
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.batch_members import write_all
from kmflow_orchestration.operations.evidence_rows import EvidenceRow, merge_rows
from kmflow_orchestration.operations.remove_deleted import drop_rows
from kmflow_orchestration.storage.interfaces import Lakehouse


@dataclass(slots=True)
class MetadataWriting:
    """One batch's metadata rows; mutable: it remembers whose it wrote."""

    lakehouse: Lakehouse
    config: GroupConfig
    _written: set[str] = field(default_factory=set)

    def write(self, items: Sequence[Item]) -> None:
        """The rows of those that nobody deleted, by their ids: a repeat changes nothing."""
        kept = [item for item in items if not item.is_gone]
        self._written |= {item.item_id for item in kept}
        merge_rows(
            self.config.group_id,
            [EvidenceRow.of_item(item, item.stored_path) for item in kept],
            lakehouse=self.lakehouse,
            config=self.config,
        )

    def take_back(self, group: GroupId, ledger: Ledger, items: Sequence[Item]) -> None:
        """Remove rows of items that were deleted, perhaps wholly, just before they were written."""
        left = self._written - {item.item_id for item in items}
        gone = [item for item in ledger.find_items(group, left).values() if item.is_gone]
        if gone:
            drop_rows(gone, lakehouse=self.lakehouse, config=self.config)


def write_pending_rows(
    group: GroupId, day: date, *, ledger: Ledger, lakehouse: Lakehouse, config: GroupConfig
) -> int:
    """Write the rows of a day's items that wait for them; how many. Bronze has its own to write.

    Raises:
        AccessRefused, RemoteFault: they still wait; the next call goes on.
    """
    count = 0
    for batch in ledger.stored_batches(group, day):
        if not batch.is_finished(Step.BRONZE):
            writing = MetadataWriting(lakehouse, config)
            items = write_all(group, batch.batch_id, ledger, writing.write)
            writing.take_back(group, ledger, items)
            count += len(items)
    return count
