"""What follows once migrated bytes are confirmed: rows, and where items lie (row B21)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.intake.ledger import Item
from kmflow_orchestration.intake.moved_evidence import Move, MovedEvidence
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.evidence_rows import EvidenceRow, merge_rows
from kmflow_orchestration.operations.migration_plan import PlannedFile
from kmflow_orchestration.storage.interfaces import Lakehouse, StorageBackend


@dataclass(slots=True)
class Settling:
    """Rows and items of one migration; mutable: it counts the items that it moved."""

    group: GroupId
    store: StorageBackend
    lakehouse: Lakehouse
    config: GroupConfig
    moved: MovedEvidence
    actor: str
    clock: Clock
    moved_items: int = 0

    def items(self, hashes: Sequence[str]) -> Mapping[str, list[Item]]:
        """Items of the control database by content."""
        found = defaultdict[str, list[Item]](list)
        for item in self.moved.of_content(self.group, hashes):
            found[item.content_hash].append(item)
        return found

    def settle(self, files: Sequence[PlannedFile], items: Mapping[str, list[Item]]) -> None:
        """Rows of files whose bytes are confirmed, and their items' new place."""
        rows = dict[str, EvidenceRow]()
        moves = list[Move]()
        for file in files:
            if file.needs_row:
                rows[file.evidence.item_id] = self._row(file, items)
            for item in file.items:
                # Of a duplicate there are no bytes of its own, only a row.
                rows[item.item_id] = EvidenceRow.of_item(item, file.target)
                moves.append(Move(item, self.store.name, file.target))
        merge_rows(self.group, rows.values(), lakehouse=self.lakehouse, config=self.config)
        self.moved_items += self.moved.move(self.group, moves, actor=self.actor)

    def _row(self, file: PlannedFile, items: Mapping[str, list[Item]]) -> EvidenceRow:
        evidence = file.evidence
        for item in items.get(evidence.content_hash, ()):
            if item.item_id == evidence.item_id:
                return EvidenceRow.of_item(item, file.target)
        return EvidenceRow(
            evidence.item_id,
            evidence.engagement_id,
            evidence.file_name,
            file.target,
            evidence.content_hash,
            evidence.size_bytes,
            self.clock.now(),
        )
