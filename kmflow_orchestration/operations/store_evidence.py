"""Store the open batch of a group's day: every file exactly once (design AD3, AD5).

Three passes over the batch: read and hash its files, store the content that is stored nowhere yet,
record what each file turned out to be. Only the last writes outcomes, in transactions that decide
and write at once. So a run that dies leaves files that are still claimed: the next run reads them
again, finds by one listing per folder what was stored already, and comes to the same end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.errors import (
    KmflowError,
    QuarantinedFile,
    StorageUnavailable,
    UnsafePath,
)
from kmflow_orchestration.intake.claimed_batch import ClaimedBatch, ReadFile
from kmflow_orchestration.intake.claims import RunIsOver
from kmflow_orchestration.intake.decisions import Arrival, Decision, Kind
from kmflow_orchestration.intake.entry_rules import PATH_TRICK
from kmflow_orchestration.intake.ledger import Holder, Item, Ledger, Quarantine
from kmflow_orchestration.intake.reading import Content, FileChanged, read_content
from kmflow_orchestration.metadata.intake_records import LandingFile
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.side_by_side import side_by_side
from kmflow_orchestration.storage.interfaces import EvidenceFile, StorageBackend, StorageMetadata

# What a progress callback hears: the stage (read, stored, recorded) and how many files are done.
OnProgress = Callable[[str, int], None]

# Reading is mostly the interpreter's own work: more threads only take turns.
_READERS = 4
# Files whose outcomes go into one transaction: small enough that others get their turn to write.
_RECORDED_AT_ONCE = 500
# So many failures in a row mean that the store is away: the rest is not even tried.
_HOPELESS = 32


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A landing file that was taken in, the item it is now, and what it turned out to be."""

    kind: Kind
    landing_path: str
    item: Item

    @property
    def file_name(self) -> str:
        return self.item.file_name

    @property
    def size_bytes(self) -> int:
        return self.item.size_bytes


@dataclass(frozen=True, slots=True)
class FailedUpload:
    """A file that could not be stored; it is tried again later."""

    landing_path: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """What this call did with one batch.

    `stored` are files with new or returned content, duplicates included, by landing path;
    `unchanged` counts files that wrote nothing; `waiting` are files that changed meanwhile.
    """

    group: GroupId
    day: date
    batch_id: str
    number: int
    stored: tuple[StoredFile, ...]
    superseded: frozenset[str]
    unchanged: int
    quarantined: tuple[Quarantine, ...]
    failed: tuple[FailedUpload, ...]
    waiting: tuple[str, ...]
    seconds: float = 0.0

    @property
    def size_bytes(self) -> int:
        """Bytes of the files whose content is new."""
        return sum(file.size_bytes for file in self.stored if file.kind is Kind.NEW)

    @property
    def duplicates(self) -> int:
        return sum(file.kind is Kind.DUPLICATE for file in self.stored)


def store_batch(
    group: GroupId,
    day: date,
    *,
    ledger: Ledger,
    store: StorageBackend,
    landing_root: Path,
    clock: Clock,
    max_size_bytes: int,
    workers: int,
    holder: Holder,
    run_is_over: RunIsOver | None = None,
    on_progress: OnProgress | None = None,
) -> StoredBatch | None:
    """Store the pending files of a group's day; None when there are none.

    A second call, or a call after a crash, stores nothing twice. A file that cannot enter or cannot
    be stored leaves the batch, and its neighbours go on.

    Raises:
        LeaseHeld: another live run owns the batch.
        StateConflict: another run took the batch over while this one stood still.
        StorageUnavailable: what was stored cannot be confirmed; the next call goes on from there.
    """
    begun = clock.monotonic()
    with ledger.claimed_batch(group, day, holder, run_is_over=run_is_over) as batch:
        if batch is None:
            return None
        storing = _Storing(batch, store, on_progress or _silent)
        read = storing.read(landing_root, max_size_bytes=max_size_bytes, workers=workers)
        if batch.is_resumed:
            storing.find_stored(read, clock)
        storing.store_and_record(read, workers=workers)
        batch.finish()
    return storing.result(seconds=clock.monotonic() - begun)


def _silent(stage: str, done: int) -> None:
    """Nobody wants to know."""


class _Storing:
    """One run over one batch; collects what happened."""

    def __init__(self, batch: ClaimedBatch, store: StorageBackend, on_progress: OnProgress) -> None:
        self._batch = batch
        self._store = store
        self._on_progress = on_progress
        self._evidence: dict[str, EvidenceFile] = {}
        self._confirmed: set[str] = set()
        self._recorded: list[tuple[Decision, Item]] = []
        self._superseded: set[str] = set()
        self._quarantined: list[Quarantine] = []
        self._failed: list[FailedUpload] = []
        self._waiting: list[str] = []

    def read(self, root: Path, *, max_size_bytes: int, workers: int) -> list[ReadFile]:
        """Read every file of the batch; those that cannot enter leave it."""

        def attempt(file: LandingFile) -> Content | KmflowError | FileChanged | OSError:
            try:
                return read_content(root, file, max_size_bytes=max_size_bytes)
            except (KmflowError, FileChanged, OSError) as error:
                return error

        read: list[ReadFile] = []
        refused: list[tuple[LandingFile, Exception]] = []
        files = self._batch.files()
        for file, found in side_by_side(attempt, files, workers=min(workers, _READERS)):
            try:
                if isinstance(found, Exception):
                    refused.append((file, found))
                else:
                    read.append(self._arrived(file, found))
            except UnsafePath as error:
                refused.append((file, error))
            self._on_progress("read", len(read) + len(refused))
        self._refuse(refused)
        return sorted(read, key=lambda one: one.arrival.order)

    def _arrived(self, file: LandingFile, content: Content) -> ReadFile:
        arrival = Arrival.of(
            self._batch.group,
            file.engagement_id,
            file.path,
            content_hash=content.content_hash,
            first_seen_at=file.first_seen_at,
        )
        evidence = EvidenceFile(
            source=content.source,
            engagement_id=file.engagement_id,
            received_on=file.received_on,
            item_id=arrival.item_id,
            file_name=arrival.file_name,
            content_hash=arrival.content_hash,
            size_bytes=file.size_bytes,
        )
        place = replace(
            arrival, stored_path=self._store.path_of(evidence), backend=self._store.name
        )
        self._evidence[file.path] = evidence
        return ReadFile(file, place, content.side)

    def find_stored(self, files: Sequence[ReadFile], clock: Clock) -> None:
        """Find what an earlier run of this batch stored before it died.

        A stored path names the content and a file is whole or absent: there in full size is done.
        """
        now = clock.now()
        wanted = [
            StorageMetadata(
                file.arrival.stored_path, now, file.arrival.content_hash, file.file.size_bytes
            )
            for file in self._batch.needing_bytes(files)
        ]
        self._confirm(wanted, files)

    def store_and_record(self, files: Sequence[ReadFile], *, workers: int) -> None:
        """Store what is stored nowhere and record all files.

        More than one round is rare: when an original could not be stored, its duplicates need
        their bytes stored after all.
        """
        left = list(files)
        while left:
            wanted = [
                file
                for file in self._batch.needing_bytes(left)
                if file.arrival.item_id not in self._confirmed
            ]
            dropped = self._store_all(wanted, workers)
            left = self._record([file for file in left if file.file.path not in dropped])

    def _store_all(self, wanted: Sequence[ReadFile], workers: int) -> set[str]:
        """Store and confirm files; paths of those that left the batch."""
        written: list[StorageMetadata] = []
        refused: list[tuple[LandingFile, Exception]] = []
        sending = _Sending(self._store, self._evidence)
        for file, outcome in side_by_side(sending.attempt, wanted, workers=workers):
            if isinstance(outcome, Exception):
                refused.append((file.file, outcome))
            else:
                written.append(outcome)
            self._on_progress("stored", len(written) + len(refused))
        self._confirm(written, wanted)
        out = {file.path for file, _ in refused}
        refused += [
            (file.file, StorageUnavailable("stored, but not there afterwards"))
            for file in wanted
            if file.file.path not in out and file.arrival.item_id not in self._confirmed
        ]
        self._refuse(refused)
        return {file.path for file, _ in refused}

    def _confirm(self, written: Sequence[StorageMetadata], files: Sequence[ReadFile]) -> None:
        there = self._store.confirm(written) if written else frozenset()
        claimed = {one.path for one in written}
        self._confirmed |= {
            file.arrival.item_id
            for file in files
            if file.arrival.stored_path in there and file.arrival.stored_path in claimed
        }

    def _record(self, files: Sequence[ReadFile]) -> list[ReadFile]:
        left: list[ReadFile] = []
        for start in range(0, len(files), _RECORDED_AT_ONCE):
            some = files[start : start + _RECORDED_AT_ONCE]
            recorded = self._batch.record(some, self._confirmed)
            self._recorded += recorded.decisions
            self._superseded |= recorded.superseded
            left += recorded.left
            self._on_progress("recorded", len(self._recorded))
        return left

    def _refuse(self, refused: Sequence[tuple[LandingFile, Exception]]) -> None:
        """Sort files that did not get through: changed, never to enter, or to be tried again."""
        changed, quarantined = list[str](), list[Quarantine]()
        failed: list[tuple[LandingFile, str, str]] = []
        for file, error in sorted(refused, key=lambda one: one[0].path):
            reason = _quarantine_code(error)
            if isinstance(error, FileChanged) or reason == "changed":
                changed.append(file.path)
            elif reason:
                quarantined.append(Quarantine(file.path, reason, str(error)))
            else:
                failed.append((file, _code(error), str(error)))
        self._batch.give_back(changed)
        self._batch.quarantine(quarantined)
        self._batch.fail(failed)
        self._waiting += changed
        self._quarantined += quarantined
        self._failed += [FailedUpload(file.path, code, text) for file, code, text in failed]

    def result(self, *, seconds: float) -> StoredBatch:
        quiet = (Kind.UNCHANGED, Kind.SAME_ITEM)
        stored = [
            StoredFile(decision.kind, decision.arrival.path, item)
            for decision, item in self._recorded
            if decision.kind not in quiet
        ]
        return StoredBatch(
            group=self._batch.group,
            day=self._batch.day,
            batch_id=self._batch.batch_id,
            number=self._batch.number,
            stored=tuple(sorted(stored, key=lambda file: file.landing_path)),
            superseded=frozenset(self._superseded),
            unchanged=len(self._recorded) - len(stored),
            quarantined=tuple(sorted(self._quarantined)),
            failed=tuple(self._failed),
            waiting=tuple(self._waiting),
            seconds=seconds,
        )


class _Sending:
    """Stores single files; gives up on the rest once the store seems to be away."""

    def __init__(self, store: StorageBackend, evidence: Mapping[str, EvidenceFile]) -> None:
        self._store = store
        self._evidence = evidence
        self._failures_in_a_row = 0

    def attempt(self, file: ReadFile) -> StorageMetadata | KmflowError | OSError:
        if self._failures_in_a_row >= _HOPELESS:
            return StorageUnavailable(
                f"not tried: {_HOPELESS} files in a row could not be stored",
                hint="tried again later",
            )
        try:
            stored = self._store.write_from(self._evidence[file.file.path])
        except QuarantinedFile as error:
            return error
        except (KmflowError, OSError) as error:
            self._failures_in_a_row += 1
            return error
        self._failures_in_a_row = 0
        return stored


def _quarantine_code(error: Exception) -> str:
    if isinstance(error, QuarantinedFile):
        return error.reason
    return PATH_TRICK if isinstance(error, UnsafePath) else ""


def _code(error: Exception) -> str:
    return error.code if isinstance(error, KmflowError) else StorageUnavailable.code
