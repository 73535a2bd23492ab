"""Items that a second backend gets a copy of (row B34, decision 24)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.metadata.engine import SessionFactory
from kmflow_orchestration.metadata.intake_records import Item
from kmflow_orchestration.metadata.ledger_store import changing, reading
from kmflow_orchestration.metadata.mirror_files import MirrorUse
from kmflow_orchestration.names import GroupId


class Mirrors:
    """Copies of all groups' items, as one control database knows of them."""

    def __init__(self, sessions: SessionFactory, clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock

    def owed(self, group: GroupId, backend: str, limit: int) -> list[Item]:
        """Items a backend has still to get, at most `limit`, those first that were tried least."""
        with reading(self._sessions) as tables:
            ids = tables.mirrors.owed(group, backend, limit)
            items = tables.items.by_id(group, ids)
        return [items[key] for key in ids if key in items and not items[key].is_gone]

    def delivered(self, group: GroupId, backend: str, paths: Mapping[str, str]) -> tuple[Item, ...]:
        """Note where copies lie; the items among them that were deleted meanwhile."""
        with changing(self._sessions, group) as tables:
            items = tables.items.by_id(group, sorted(paths))
            there = {
                key: path for key, path in paths.items() if key in items and not items[key].is_gone
            }
            tables.mirrors.deliver(group, backend, there, self._clock.now())
        return tuple(item for item in items.values() if item.is_gone)

    def failed(self, group: GroupId, backend: str, item_ids: Sequence[str], problem: str) -> None:
        """Note that items could not be copied, and why; they stay owed."""
        with changing(self._sessions, group) as tables:
            tables.mirrors.fail(group, backend, item_ids, problem)

    def with_copies(self, group: GroupId, item: Item) -> list[str]:
        """Backends that have a copy of an item's file, or are owed one."""
        with reading(self._sessions) as tables:
            return tables.mirrors.with_copies(group, (item.backend, item.stored_path))

    def copy_of(self, group: GroupId, backend: str, original: tuple[str, str]) -> str | None:
        """Where a backend has a copy of what lies in another, by its backend and path."""
        with reading(self._sessions) as tables:
            return tables.mirrors.copy_of(group, backend, original)

    def uses(self, group: GroupId) -> list[MirrorUse]:
        """The backends with copies of the group's items, or owed some, by name."""
        with reading(self._sessions) as tables:
            return tables.mirrors.uses(group)

    def of_gone(self, group: GroupId, backend: str) -> list[Item]:
        """Deleted items of which a backend may still have a row."""
        with reading(self._sessions) as tables:
            found = tables.items.by_id(group, tables.mirrors.of_gone(group, backend))
        return [item for _, item in sorted(found.items())]

    def forget(self, group: GroupId, backend: str, item_ids: Sequence[str]) -> None:
        """Nothing is left of these items in a backend."""
        with changing(self._sessions, group) as tables:
            tables.mirrors.forget(group, backend, item_ids)
