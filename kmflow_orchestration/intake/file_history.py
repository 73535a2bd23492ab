"""What the ledger can tell of one landing path, or of one content (row H21)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.intake.claimed_batch import known_for
from kmflow_orchestration.intake.decisions import Arrival, Kind, decide
from kmflow_orchestration.metadata.engine import SessionFactory
from kmflow_orchestration.metadata.intake_records import Item, LandingLine
from kmflow_orchestration.metadata.landing_history import LandingEvent
from kmflow_orchestration.metadata.ledger_store import reading
from kmflow_orchestration.names import GroupId


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A path as the ledger knows it: its line now, its decisions in order, the items of both.

    `runs` are Dagster runs by batch.
    """

    path: str
    line: LandingLine | None
    events: tuple[LandingEvent, ...]
    items: Mapping[str, Item]
    runs: Mapping[str, str]


class FileHistory:
    """Histories of all groups' landing paths in one control database; nothing is changed."""

    def __init__(self, sessions: SessionFactory, clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock

    def of_path(self, group: GroupId, path: str) -> FileRecord:
        """All that is known of a path; without line and events it was never seen."""
        with reading(self._sessions) as tables:
            line = tables.files.line(group, path)
            events = tuple(tables.history.of_path(group, path))
            ids = {one.item_id for one in (*events, *([line] if line else ())) if one.item_id}
            items = tables.items.by_id(group, sorted(ids))
            linked = {one for item in items.values() for one in (item.duplicate_of_id,) if one}
            items |= tables.items.by_id(group, sorted(linked - set(items)))
            batches = {one.batch_id for one in events if one.batch_id}
            runs = tables.batches.runs_of(group, sorted(batches))
        return FileRecord(path, line, events, items, runs)

    def paths_of(self, group: GroupId, content_hash: str) -> list[str]:
        """Landing paths at which a content was ever found, sorted."""
        with reading(self._sessions) as tables:
            items = tables.items.by_content(group, [content_hash])
            return sorted(
                {
                    *tables.history.paths_of(group, content_hash),
                    *tables.files.paths_of(group, sorted(items)),
                    *(item.landing_path for item in items.values()),
                }
            )

    def decision_on(self, group: GroupId, path: str, content_hash: str) -> Kind:
        """What a content would become if it came at a path now."""
        engagement = path.partition("/")[0]
        arrival = Arrival.of(
            group, engagement, path, content_hash=content_hash, first_seen_at=self._clock.now()
        )
        with reading(self._sessions) as tables:
            known, _ = known_for(tables, group, [arrival])
        return decide([arrival], known).decisions[0].kind
