"""Items whose bytes were brought to another store: which they are, and that they lie there now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.metadata.config_audit import AuditAction, Deed
from kmflow_orchestration.metadata.engine import SessionFactory
from kmflow_orchestration.metadata.intake_records import Item
from kmflow_orchestration.metadata.ledger_store import changing, reading
from kmflow_orchestration.names import GroupId


@dataclass(frozen=True, slots=True)
class Move:
    """An item as it was read, and where its bytes are confirmed to lie now."""

    item: Item
    backend: str
    stored_path: str


class MovedEvidence:
    """Items of all groups in one control database, as moving their bytes needs them."""

    def __init__(self, sessions: SessionFactory, clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock

    def of_content(self, group: GroupId, hashes: Iterable[str]) -> list[Item]:
        """Items with one of these contents that are not deleted, duplicates too."""
        with reading(self._sessions) as tables:
            found = tables.items.by_content(group, sorted(set(hashes)))
        return [item for _, item in sorted(found.items()) if not item.is_gone]

    def move(self, group: GroupId, moves: Sequence[Move], *, actor: str) -> int:
        """Note where items lie now, all at once, with one record in the audit trail; how many.

        A repeat changes nothing, and an item that lies elsewhere by now is left alone.
        """
        if not moves:
            return 0
        now = self._clock.now()
        with changing(self._sessions, group) as tables:
            count = tables.items.move(
                group, ((one.item, one.backend, one.stored_path) for one in moves), now
            )
            if count:
                tables.audit.add(group, _deed(moves, count, actor), at=now)
        return count


def _deed(moves: Sequence[Move], count: int, actor: str) -> Deed:
    return Deed(
        action=AuditAction.MOVE_EVIDENCE,
        actor_email=actor,
        before={"backends": sorted({one.item.backend for one in moves})},
        after={"backends": sorted({one.backend for one in moves}), "items": count},
    )
