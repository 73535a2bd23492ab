"""Store the open batch of a group's day: every file exactly once (design AD3, AD5).

Three steps for the files of each engagement: read and hash them, store the content that is stored
nowhere yet, record what each file turned out to be. Only the last writes outcomes, in transactions
that decide and write at once. So a run that dies leaves files that are still claimed: the next
run reads them again, finds by one listing per folder what was stored already, and comes to the same
end.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing
from dataclasses import dataclass
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
from kmflow_orchestration.intake.decisions import Decision, Kind
from kmflow_orchestration.intake.entry_rules import PATH_TRICK
from kmflow_orchestration.intake.landing_places import LandingPlace, place_of
from kmflow_orchestration.intake.ledger import Holder, Item, Ledger, Quarantine, State, Step
from kmflow_orchestration.intake.reading import FileChanged
from kmflow_orchestration.intake.stage_log import StageTally
from kmflow_orchestration.metadata.intake_records import LandingFile
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.batch_lots import Lot, lots_of, wanted_files
from kmflow_orchestration.operations.lot_reading import LotReader, OnProgress
from kmflow_orchestration.operations.quiet_collector import quiet_collector
from kmflow_orchestration.operations.side_by_side import side_by_side
from kmflow_orchestration.storage.interfaces import StorageBackend, StorageMetadata

# Files whose outcomes go into one transaction: small enough that others get their turn to write.
_RECORDED_AT_ONCE = 500
# So many failures in a row mean that the store is away: the rest is not even tried.
_HOPELESS = 32
_KINDS = frozenset(Kind)
_REFUSED = frozenset({State.QUARANTINED, State.FAILED})


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
    landing_root: Path | LandingPlace,
    clock: Clock,
    max_size_bytes: int,
    workers: int,
    holder: Holder,
    run_is_over: RunIsOver | None = None,
    mirror: str = "",
    on_progress: OnProgress | None = None,
) -> StoredBatch | None:
    """Store the pending files of a group's day; None when there are none.

    Of what is new the backend `mirror`, if there is one, is owed a copy (`deliver_mirror`).
    A second call, or a call after a crash, stores nothing twice. A file that cannot enter or cannot
    be stored leaves the batch, and its neighbours go on.

    Raises:
        LeaseHeld: another live run owns the batch.
        StateConflict: another run took the batch over while this one stood still.
        StorageUnavailable: what was stored cannot be confirmed; the next call goes on from there.
    """
    begun = clock.monotonic()
    with ledger.claimed_batch(group, day, holder, run_is_over=run_is_over, mirror=mirror) as batch:
        if batch is None:
            return None
        tell = on_progress or _silent
        reader = LotReader(
            batch, store, place_of(landing_root), max_size_bytes, on_progress=tell, clock=clock
        )
        storing = _Storing(batch, store, reader, tell)
        stage = ledger.stages.measured(group, batch.batch_id, day=day, stage=Step.STORED)
        with stage as tally, quiet_collector():
            try:
                storing.run(workers=workers)
                batch.finish()
            finally:
                storing.count(tally)
    return storing.result(seconds=clock.monotonic() - begun)


def _silent(stage: str, done: int) -> None:
    """Nobody wants to know."""


class _Storing:
    """One run over one batch; collects what happened."""

    def __init__(
        self,
        batch: ClaimedBatch,
        store: StorageBackend,
        reader: LotReader,
        on_progress: OnProgress,
    ) -> None:
        self._batch = batch
        self._store = store
        self._reader = reader
        self._on_progress = on_progress
        self._sending = _Sending(store, reader)
        self._stored = 0
        self._recorded: list[tuple[Decision, Item]] = []
        self._superseded: set[str] = set()
        self._quarantined: list[Quarantine] = []
        self._failed: list[FailedUpload] = []
        self._waiting: list[str] = []
        # Asked now: when a run fails, there may be nobody left to ask.
        self._earlier = batch.earlier_outcomes()

    def run(self, *, workers: int) -> None:
        """Read, store and record every file, an engagement's at a time."""
        lots = lots_of(self._batch.files())
        unsettled = {id(lot): lot for lot in lots}
        with closing(wanted_files(lots, self._reader.read)) as wanted:
            for (lot, file), outcome in side_by_side(self._send, wanted, workers=workers):
                self._take(lot, file, outcome)
                if lot.is_sent:
                    self._settle(unsettled.pop(id(lot)), workers)
        for lot in unsettled.values():  # of these nothing had to be sent
            self._settle(lot, workers)

    def _send(self, one: tuple[Lot, ReadFile]) -> StorageMetadata | KmflowError | OSError:
        return self._sending.attempt(one[1])

    def _take(self, lot: Lot, file: ReadFile, outcome: StorageMetadata | Exception) -> None:
        lot.take(file, outcome)
        self._stored += 1
        self._on_progress("stored", self._stored)

    def _settle(self, lot: Lot, workers: int) -> None:
        """Confirm what was sent and record the whole lot.

        More than one round is rare: when an original could not be stored, its duplicates need
        their bytes stored after all.
        """
        left = self._confirmed_and_recorded(lot, lot.read)
        while left:
            lot.want_again(self._batch.needing_bytes(left))
            sent = side_by_side(self._sending.attempt, lot.wanted, workers=workers)
            for file, outcome in sent:
                self._take(lot, file, outcome)
            left = self._confirmed_and_recorded(lot, left)

    def _confirmed_and_recorded(self, lot: Lot, files: Sequence[ReadFile]) -> list[ReadFile]:
        """Record files; those that need bytes nobody has sent yet."""
        lot.confirm(self._store)
        refused = lot.take_refused()
        self._refuse(refused)
        out = {file.path for file, _ in refused}
        return self._record([file for file in files if file.file.path not in out], lot.confirmed)

    def _record(self, files: Sequence[ReadFile], confirmed: AbstractSet[str]) -> list[ReadFile]:
        left: list[ReadFile] = []
        for start in range(0, len(files), _RECORDED_AT_ONCE):
            some = files[start : start + _RECORDED_AT_ONCE]
            recorded = self._batch.record(some, confirmed)
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

    def count(self, tally: StageTally) -> None:
        """Tell what became of the batch's files so far, by this run or by one that died."""
        became = [one for one in self._earlier if one.decision in _KINDS]
        waiting = [one for one in self._earlier if one.decision == State.WAITING]
        tally.output_count = len(became) + len(self._recorded)
        tally.errors.update(one.code for one in self._earlier if one.decision in _REFUSED)
        tally.errors.update(one.code for one in self._quarantined)
        tally.errors.update(one.code for one in self._failed)
        came_back = len(waiting) + len(self._waiting)
        tally.input_count = tally.output_count + tally.errors.total() + came_back
        tally.engagements = {item.engagement_id for _, item in self._recorded}
        tally.engagements |= {one.path.partition("/")[0] for one in became}
        tally.item_ids = {item.item_id for _, item in self._recorded}
        tally.item_ids |= {one.item_id for one in became if one.item_id}

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

    def __init__(self, store: StorageBackend, reader: LotReader) -> None:
        self._store = store
        self._reader = reader
        self._failures_in_a_row = 0

    def attempt(self, file: ReadFile) -> StorageMetadata | KmflowError | OSError:
        # Also of a file that is not tried: its bytes must not stay.
        evidence = self._reader.evidence_of(file)
        if self._failures_in_a_row >= _HOPELESS:
            return StorageUnavailable(
                f"not tried: {_HOPELESS} files in a row could not be stored",
                hint="tried again later",
            )
        try:
            stored = self._store.write_from(evidence)
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
