"""An open batch in the hands of one run: its files, and what becomes of them (design AD3, AD5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import date, datetime

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.intake.categories import category_of, format_of
from kmflow_orchestration.intake.claims import LEASE
from kmflow_orchestration.intake.decisions import (
    Arrival,
    Decision,
    Kind,
    Known,
    KnownItem,
    Plan,
    decide,
)
from kmflow_orchestration.intake.entry_rules import VANISHED
from kmflow_orchestration.intake.landing_events import decided_events, released_events
from kmflow_orchestration.intake.retry_waits import wait_after
from kmflow_orchestration.metadata.config_audit import AuditAction, Deed
from kmflow_orchestration.metadata.engine import SessionFactory
from kmflow_orchestration.metadata.intake_batches import OpenBatch
from kmflow_orchestration.metadata.intake_records import (
    Item,
    LandingFile,
    Quarantine,
    SideFile,
    State,
    Step,
    TakenIn,
)
from kmflow_orchestration.metadata.landing_history import LandingEvent
from kmflow_orchestration.metadata.ledger_store import LedgerTables, changing, reading
from kmflow_orchestration.names import GroupId

# No file has this size: whatever appears again at a vanished file's path is new.
_NO_SIZE = -1


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A landing file after its content was read."""

    file: LandingFile
    arrival: Arrival
    side: SideFile
    media_type: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """What recording did: an item per decision, and files whose bytes turned out to be missing."""

    decisions: tuple[tuple[Decision, Item], ...]
    superseded: frozenset[str]
    left: tuple[ReadFile, ...]


class ClaimedBatch:
    """Every write checks that the claim is still ours, so a lost claim writes nothing more.

    All methods that write raise StateConflict once another run has taken the batch over.
    """

    def __init__(
        self,
        sessions: SessionFactory,
        group: GroupId,
        claim: OpenBatch,
        *,
        clock: Clock,
        day: date,
        mirror: str = "",
    ) -> None:
        self.group = group
        self.day = day
        self._sessions = sessions
        self._claim = claim
        self._clock = clock
        self._mirror = mirror
        self._is_finished = False

    @property
    def batch_id(self) -> str:
        return self._claim.batch_id

    @property
    def number(self) -> int:
        return self._claim.number

    @property
    def is_resumed(self) -> bool:
        """Whether an earlier run held this batch and did not finish it."""
        return self._claim.claims > 1

    def files(self) -> list[LandingFile]:
        """Files without an outcome yet, in the order of arrival."""
        with reading(self._sessions) as tables:
            return tables.files.claimed(self.group, self.batch_id)

    def earlier_outcomes(self) -> list[LandingEvent]:
        """What runs before this one decided about files of this batch; none if it is the first."""
        if not self.is_resumed:
            return []
        with reading(self._sessions) as tables:
            return tables.history.of_batch(self.group, self.batch_id)

    def needing_bytes(self, files: Sequence[ReadFile]) -> tuple[ReadFile, ...]:
        """Those whose content is stored nowhere yet; one of each content."""
        with reading(self._sessions) as tables:
            known, _ = known_for(tables, self.group, [file.arrival for file in files])
        wanted = {arrival.path for arrival in _decided(files, known).needing_bytes}
        return tuple(file for file in files if file.arrival.path in wanted)

    def being_deleted(self, files: Sequence[ReadFile]) -> frozenset[str]:
        """Paths of those whose item is just being deleted: bytes sent now might be removed."""
        with reading(self._sessions) as tables:
            leaving = tables.deletions.unfinished(self.group)
        return frozenset(file.arrival.path for file in files if file.arrival.item_id in leaving)

    def record(self, files: Sequence[ReadFile], stored: AbstractSet[str]) -> Recorded:
        """Decide once more, alone with the group's ledger, and write the outcomes.

        `stored` has the ids of items whose bytes are confirmed. A file that now needs bytes which
        are not there (its original failed, or another run came between) is left for another round.
        """
        now = self._clock.now()
        with changing(self._sessions, self.group) as tables:
            self._hold(tables, now)
            arrivals = [file.arrival for file in files]
            known, items = known_for(tables, self.group, arrivals)
            plan, ready, left = _with_bytes(files, known, stored)
            written = self._write(tables, plan, ready, items, now)
        decisions = tuple((one, written[one.arrival.item_id]) for one in plan.decisions)
        return Recorded(decisions, plan.superseded, left)

    def _write(
        self,
        tables: LedgerTables,
        plan: Plan,
        files: Iterable[ReadFile],
        items: Mapping[str, Item],
        now: datetime,
    ) -> Mapping[str, Item]:
        read = list(files)
        made = {file.arrival.item_id: file for file in reversed(read)}
        new = {key: self._new_item(made[key], plan.items[key], now) for key in sorted(plan.new_ids)}
        changed = {
            key: self._changed_item(items[key], known, is_moved=key in plan.moved)
            for key, known in plan.items.items()
            if key not in plan.new_ids
        }
        anew = tables.deletions.forget(self.group, sorted(new))
        tables.items.add(self.group, new.values(), now)
        tables.items.change(self.group, changed.values(), now)
        if self._mirror:
            owed = [key for key, item in new.items() if item.backend != self._mirror]
            tables.mirrors.owe(self.group, self._mirror, owed, now)
        gone = plan.superseded | plan.moved | plan.demoted | anew
        tables.batches.replace(self.group, self.batch_id, gone)
        settled = {
            one.arrival.path: (one.arrival.item_id, one.arrival.content_hash)
            for one in plan.decisions
        }
        tables.files.settle(self.group, self.batch_id, settled)
        looked = {one.file.path: one.file for one in read}
        events = decided_events(plan, looked, items, batch_id=self.batch_id, now=now)
        tables.history.add(self.group, events)
        return {**items, **changed, **new}

    def _new_item(self, read: ReadFile, known: KnownItem, now: datetime) -> Item:
        name = read.file.file_name
        return Item(
            item_id=known.item_id,
            group_id=self.group,
            engagement_id=known.engagement_id,
            file_name=name,
            content_hash=known.content_hash,
            size_bytes=read.file.size_bytes,
            stored_path=known.stored_path,
            media_type=read.media_type,
            category=read.side.category or category_of(name),
            format=format_of(name),
            state=known.state,
            received_on=read.file.received_on,
            first_seen_at=known.first_seen_at,
            stored_at=now,
            landing_path=known.landing_path,
            backend=known.backend,
            batch_id=self.batch_id,
            duplicate_of_id=known.duplicate_of_id,
            supersedes_id=known.supersedes_id,
            side=read.side,
        )

    def _changed_item(self, item: Item, known: KnownItem, *, is_moved: bool) -> Item:
        stays = item.state is known.state
        return replace(
            item,
            state=known.state,
            duplicate_of_id=known.duplicate_of_id,
            supersedes_id=known.supersedes_id,
            batch_id=self.batch_id if is_moved else item.batch_id,
            reason=item.reason if stays else "",
            message=item.message if stays else "",
        )

    def quarantine(self, refused: Iterable[Quarantine]) -> None:
        """Files that cannot enter leave the batch; their bytes stay in landing."""
        self._release(
            _outcome(
                one.path,
                State.QUARANTINED,
                code=one.code,
                message=one.message,
                size_bytes=_NO_SIZE if one.code == VANISHED else None,
            )
            for one in refused
        )

    def give_back(self, paths: Iterable[str]) -> None:
        """Files that changed meanwhile leave the batch and wait to be complete again."""
        self._release(_outcome(path, State.WAITING) for path in paths)

    def fail(self, failures: Iterable[tuple[LandingFile, str, str]]) -> None:
        """Files that could not be stored leave the batch; each has a code and a message."""
        now = self._clock.now()
        self._release(
            _outcome(
                file.path,
                State.FAILED,
                code=code,
                message=message,
                attempts=file.attempts + 1,
                retry_at=now + wait_after(file.attempts + 1),
            )
            for file, code, message in failures
        )

    def _release(self, outcomes: Iterable[Mapping[str, object]]) -> None:
        rows = list(outcomes)
        if not rows:
            return
        now = self._clock.now()
        with changing(self._sessions, self.group) as tables:
            self._hold(tables, now)
            tables.files.release(self.group, self.batch_id, rows)
            events = released_events(rows, batch_id=self.batch_id, now=now)
            tables.history.add(self.group, events)

    def _hold(self, tables: LedgerTables, now: datetime) -> None:
        tables.batches.hold(self.group, self._claim, now + LEASE)

    def finish(self) -> None:
        """Close the batch: all its files have an outcome.

        A batch that stored nothing and replaced nothing has no later steps to do. What was stored
        is audited in the same transaction.
        """
        now = self._clock.now()
        with changing(self._sessions, self.group) as tables:
            tables.batches.let_go(self.group, self._claim, stored_at=now)
            batch = tables.batches.get(self.group, self.batch_id)
            has_work = bool(batch and batch.replaced_item_ids)
            taken = tables.items.taken_in(self.group, self.batch_id)
            if taken.items:
                returned = len(batch.moved_item_ids) if batch else 0
                tables.audit.add(self.group, self._upload(taken, returned), at=now)
            elif not has_work:
                tables.batches.finish(self.group, self.batch_id, Step, now)
        self._is_finished = True

    def _upload(self, taken: TakenIn, returned: int) -> Deed:
        """The batch as the audit trail keeps it: one record, however many files it has.

        `returned` of them had been stored by an earlier batch already.
        """
        holder = self._claim.holder
        return Deed(
            action=AuditAction.UPLOAD,
            actor_email="" if holder is None else holder.shown,
            after={
                "what": "evidence",
                "day": self.day.isoformat(),
                "batch": self.number,
                "batch_id": self.batch_id,
                "files": taken.items - taken.copies,
                "size_bytes": taken.size_bytes,
                "copies": taken.copies,
                "returned": returned,
            },
        )

    def let_go(self) -> None:
        """Give the claim up, so that the next run need not wait for its lease to run out."""
        if not self._is_finished:
            with changing(self._sessions, self.group) as tables:
                tables.batches.let_go(self.group, self._claim)


def _outcome(
    path: str,
    state: State,
    *,
    code: str = "",
    message: str = "",
    attempts: int = 0,
    retry_at: datetime | None = None,
    size_bytes: int | None = None,
) -> dict[str, object]:
    return {
        "path": path,
        "state": state,
        "code": code,
        "message": message,
        "attempts": attempts,
        "retry_at": retry_at,
        "size_bytes": size_bytes,
    }


def _decided(files: Iterable[ReadFile], known: Known) -> Plan:
    return decide((file.arrival for file in files), known)


def _with_bytes(
    files: Sequence[ReadFile], known: Known, stored: AbstractSet[str]
) -> tuple[Plan, Sequence[ReadFile], tuple[ReadFile, ...]]:
    """A plan of the files that can be recorded, these files, and those that lack bytes.

    Leaving out an original uncovers its duplicates, so this goes on until nothing is missing.
    """
    ready, left = files, list[ReadFile]()
    while True:
        plan = _decided(ready, known)
        missing = {arrival.path for arrival in plan.needing_bytes if arrival.item_id not in stored}
        if not missing:
            return plan, ready, tuple(left)
        left += [file for file in ready if file.arrival.path in missing]
        ready = [file for file in ready if file.arrival.path not in missing]


def known_for(
    tables: LedgerTables, group: GroupId, arrivals: Sequence[Arrival]
) -> tuple[Known, Mapping[str, Item]]:
    """All that deciding about arrivals needs, in a handful of statements."""
    former = tables.files.sources(group, paths=[one.path for one in arrivals])
    replaced = tables.items.by_id(group, sorted(set(former.values())))
    hashes = {one.content_hash for one in arrivals}
    hashes |= {item.content_hash for item in replaced.values()}
    found = tables.items.by_content(group, sorted(hashes))
    # Of what was deleted there are no bytes: the same content is new.
    items = {key: item for key, item in found.items() if not item.is_gone}
    sources = {**former, **tables.files.sources(group, item_ids=sorted(items))}
    return Known({key: known_item(item) for key, item in items.items()}, sources), items


def known_item(item: Item) -> KnownItem:
    """What deciding needs of an item."""
    return KnownItem(
        item_id=item.item_id,
        engagement_id=item.engagement_id,
        content_hash=item.content_hash,
        state=item.state,
        first_seen_at=item.first_seen_at,
        landing_path=item.landing_path,
        stored_path=item.stored_path,
        backend=item.backend,
        duplicate_of_id=item.duplicate_of_id,
        supersedes_id=item.supersedes_id,
    )


__all__ = ["ClaimedBatch", "Kind", "ReadFile", "Recorded", "known_for", "known_item"]
