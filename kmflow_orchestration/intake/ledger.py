"""The intake ledger: every file once, from first sight to published (design AD3, AD5, AD7).

The group is the first argument of every method, and every query is filtered by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date, datetime
from typing import Any

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.errors import LeaseHeld, MetadataUnavailable, StateConflict
from kmflow_orchestration.identity import batch_id
from kmflow_orchestration.intake.claimed_batch import ClaimedBatch
from kmflow_orchestration.intake.claims import LEASE, RunIsOver, is_free, kept
from kmflow_orchestration.intake.comparison import Comparison, compare
from kmflow_orchestration.intake.landing_events import seen_events
from kmflow_orchestration.intake.scoring_counts import ScoringCounts
from kmflow_orchestration.intake.stage_log import StageLog
from kmflow_orchestration.intake.stored_batches import check_stored
from kmflow_orchestration.metadata.engagements import Engagement
from kmflow_orchestration.metadata.engine import SessionFactory
from kmflow_orchestration.metadata.intake_batches import Holder, OpenBatch
from kmflow_orchestration.metadata.intake_records import (
    GONE,
    LIVE,
    Batch,
    DueDay,
    FailedFile,
    FolderLook,
    FolderState,
    IntakeSummary,
    Item,
    Observation,
    Quarantine,
    Scores,
    SideFile,
    State,
    Step,
)
from kmflow_orchestration.metadata.ledger_store import LedgerTables, changing, reading
from kmflow_orchestration.names import EngagementId, GroupId

# A batch is read whole into memory; a larger day becomes several batches.
MAX_BATCH_FILES = 20_000


class Ledger:
    """Files, items and batches of all groups in one control database."""

    def __init__(
        self, sessions: SessionFactory, clock: Clock, *, quiet_period_s: float = 5.0
    ) -> None:
        self._sessions = sessions
        self._clock = clock
        self._quiet_period_s = quiet_period_s
        self.stages = StageLog(sessions, clock)

    @property
    def clock(self) -> Clock:
        """By which it tells when something happened."""
        return self._clock

    # What lies in landing

    def observe(
        self, group: GroupId, looks: Iterable[FolderLook], *, jumped_at: datetime | None = None
    ) -> Observation:
        """Take in looks at folders: new and changed files, waiting files now complete or gone.

        `jumped_at` is when the clock was found to have jumped, if that is not long ago.
        """
        looks = list(looks)
        # Nearly always nothing changed: found out without holding up anybody who writes.
        with reading(self._sessions) as tables:
            found = self._compared(tables, group, looks, jumped_at=jumped_at)
            known_folders = tables.files.folders(group, [look.folder for look in looks])
            news = found.folder_news(looks, known_folders)
            known = {one.engagement_id for one in tables.engagements.all(group)}
        engagements = {look.engagement_id for look in looks if look.engagement_id} - known
        if not found.changes and not news and not engagements:
            return found.observation
        with changing(self._sessions, group) as tables:
            found = self._compared(tables, group, looks, jumped_at=jumped_at)
            news = found.folder_news(looks, known_folders)
            now = self._clock.now()
            tables.engagements.register(group, engagements, now)
            tables.files.apply(group, found.changes, now)
            tables.history.add(group, seen_events(found.changes, now))
            tables.files.save_folders(group, news)
        return found.observation

    def _compared(
        self, tables: LedgerTables, group: GroupId, looks: Sequence[FolderLook], **since: Any
    ) -> Comparison:
        names = [look.folder for look in looks if not look.unchanged]
        known = {file.path: file for file in tables.files.in_folders(group, names)}
        now, quiet_s = self._clock.now(), self._quiet_period_s
        return compare(looks, known, now=now, quiet_period_s=quiet_s, **since)

    def folders(self, group: GroupId) -> Mapping[str, int]:
        """Known folders with the modification time of their last look, in nanoseconds.

        It is 0 where a quick tick must look again: something may have changed unseen, or waits.
        """
        with reading(self._sessions) as tables:
            known = {name: seen.mtime_ns for name, seen in tables.files.folders(group).items()}
            return known | dict.fromkeys(tables.files.waiting_folders(group), 0)

    def fingerprints(self, group: GroupId) -> Mapping[str, int]:
        """Of each folder whose files were all done with: the fingerprint of that listing."""
        with reading(self._sessions) as tables:
            known = tables.files.folders(group)
        return {name: seen.fingerprint for name, seen in known.items() if seen.fingerprint}

    def look_again(self, group: GroupId, folders: Iterable[str]) -> None:
        """Have the next quick tick list these folders, whatever their modification time."""
        again = dict.fromkeys(folders, FolderState(0))
        if again:
            with changing(self._sessions, group) as tables:
                tables.files.save_folders(group, again)

    def engagements(self, group: GroupId) -> list[Engagement]:
        """Registered engagements, by id."""
        with reading(self._sessions) as tables:
            return tables.engagements.all(group)

    # What there is to do, and who does it

    def due_days(self, group: GroupId) -> list[DueDay]:
        """Days with files to store (uploads due again included) or a batch half-way in."""
        with reading(self._sessions) as tables:
            pending = tables.files.due_by_day(group, self._clock.now())
            unfinished = tables.batches.unfinished_days(group)
            runs = tables.batches.runs(group)
        return [
            DueDay(day, runs.get(day, 0) + 1, pending.get(day, 0), day in unfinished)
            for day in sorted({*pending, *unfinished})
        ]

    def unwritten_days(self, group: GroupId) -> set[date]:
        """Days with files that are being stored, or with items whose rows are still to come."""
        with reading(self._sessions) as tables:
            return tables.batches.unwritten_days(group)

    def late_days(self, group: GroupId, converted_before: datetime) -> list[DueDay]:
        """Days whose silver steps are missing although they were converted before that time."""
        with reading(self._sessions) as tables:
            late = tables.batches.late_days(group, converted_before)
            runs = tables.batches.runs(group)
        return [DueDay(day, runs.get(day, 0) + 1, 0, unfinished=True) for day in sorted(late)]

    def run_requested(self, group: GroupId, day: date, number: int | None = None) -> bool:
        """Count a run of a day that was asked for: the next one gets another run key.

        `claimed_batch` counts too; this is for runs that may die before they come that far.
        With the `number` a due day had: False, and nothing is counted, when that run was asked for
        or begun by somebody else meanwhile.
        """
        with changing(self._sessions, group) as tables:
            if number is not None and tables.batches.runs(group).get(day, 0) >= number:
                return False
            tables.batches.count_run(group, day)
        return True

    @contextmanager
    def claimed_batch(
        self,
        group: GroupId,
        day: date,
        holder: Holder,
        *,
        run_is_over: RunIsOver | None = None,
        max_files: int = MAX_BATCH_FILES,
        mirror: str = "",
    ) -> Iterator[ClaimedBatch | None]:
        """Resume the day's open batch, or open the next one; None when there is nothing to store.

        What it takes in is owed to the backend `mirror`, if there is one.

        The claim is renewed while the block runs and given up at its end.

        Raises:
            LeaseHeld: another live run owns the batch.
        """
        claim = self._claim(group, day, holder, run_is_over=run_is_over, max_files=max_files)
        if claim is None:
            yield None
            return
        batch = ClaimedBatch(
            self._sessions, group, claim, clock=self._clock, day=day, mirror=mirror
        )
        with kept(self._sessions, group, claim, self._clock):
            try:
                yield batch
            except StateConflict:
                # The claim is somebody else's by now: nothing of it is ours to give up.
                raise
            except BaseException:
                # Without the database the lease runs out by itself; what went wrong comes first.
                with suppress(StateConflict, MetadataUnavailable):
                    batch.let_go()
                raise
            else:
                batch.let_go()

    def _claim(
        self,
        group: GroupId,
        day: date,
        holder: Holder,
        *,
        run_is_over: RunIsOver | None,
        max_files: int,
    ) -> OpenBatch | None:
        now = self._clock.now()
        with changing(self._sessions, group) as tables:
            batch = tables.batches.open(group, day)
            if batch is not None and not is_free(batch, now=now, run_is_over=run_is_over):
                raise LeaseHeld(
                    f"batch {batch.number} of {group} on {day} is being stored by another run",
                    hint="it will finish, or its lease will run out within a minute",
                )
            tables.batches.count_run(group, day)
            batch = batch or _opened(tables, group, day, now=now, max_files=max_files)
            return batch and tables.batches.claim(group, batch, holder, now + LEASE)

    # What batches hold, and how far they are

    def batches(self, group: GroupId, day: date, step: Step) -> list[Batch]:
        """The day's stored batches whose step is not finished, in order; if none, all of them.

        All of them is a replay: the same rows again.
        """
        stored = self.stored_batches(group, day)
        return [batch for batch in stored if not batch.is_finished(step)] or stored

    def stored_batches(self, group: GroupId, day: date) -> list[Batch]:
        """The day's stored batches in order."""
        with reading(self._sessions) as tables:
            return tables.batches.stored(group, day)

    def items(self, group: GroupId, batch: str) -> list[Item]:
        """All stored items of a batch by landing path: what came, not only what counts."""
        with reading(self._sessions) as tables:
            return tables.items.of_batch(group, batch)

    def item_states(self, group: GroupId, batch: str) -> dict[str, State]:
        """Where each stored item of a batch stands, by id."""
        with reading(self._sessions) as tables:
            return tables.items.states_of_batch(group, batch)

    def count_items(
        self, group: GroupId, batches: Sequence[str], states: Iterable[State] | None = None
    ) -> int:
        """Number of stored items of some batches, or of those in one of these states."""
        with reading(self._sessions) as tables:
            return tables.items.count_of_batches(group, batches, states)

    def find_items(self, group: GroupId, item_ids: Iterable[str]) -> dict[str, Item]:
        """The items that exist among these ids."""
        with reading(self._sessions) as tables:
            return tables.items.by_id(group, sorted(set(item_ids)))

    def finish_step(self, group: GroupId, batch: str, step: Step) -> None:
        """Note that a step of a stored batch is done; a repeat changes nothing.

        Raises:
            StateConflict: the group has no such stored batch.
        """
        with changing(self._sessions, group) as tables:
            check_stored(tables, group, batch)
            tables.batches.finish(group, batch, [step], self._clock.now())

    # What becomes of items

    def mark_converted(
        self, group: GroupId, item_id: str, converter_version: str, no_converter: bool = False
    ) -> None:
        """One item is converted. Raises StateConflict if it is not live any more."""
        self.mark_all_converted(group, {item_id: (converter_version, no_converter)})

    def mark_all_converted(self, group: GroupId, marks: Mapping[str, tuple[str, bool]]) -> None:
        """Items are converted: by id, the converter's version and whether there is none.

        A published item stays published.

        Raises:
            StateConflict: one of them is not live any more; nothing is marked.
        """
        with changing(self._sessions, group) as tables:
            tables.items.mark_converted(group, marks, self._clock.now())

    def count_fragments(
        self, group: GroupId, batch: str, counts: Mapping[str, int], replaced: Sequence[str] = ()
    ) -> None:
        """A batch's text is written, in the place of `replaced` items: fragments by item id."""
        with changing(self._sessions, group) as tables:
            tables.fragments.record(group, batch, counts, replaced)

    def quarantine_item(self, group: GroupId, item_id: str, code: str, message: str) -> None:
        """A stored item cannot be converted: its bytes and bronze row stay, it has no other rows.

        Raises:
            StateConflict: it is superseded or a duplicate by now.
        """
        with changing(self._sessions, group) as tables:
            tables.items.quarantine(
                group, item_id, code=code, message=message, now=self._clock.now()
            )

    def publish(self, group: GroupId, batch: str, scores: Mapping[str, Scores]) -> None:
        """Publish a batch's live items; an item that has scores keeps them and their time."""
        with changing(self._sessions, group) as tables:
            tables.items.publish(group, batch, scores, self._clock.now())

    # What people and scores want to know

    def scoring_counts(self, group: GroupId) -> ScoringCounts:
        """Requests and live items by engagement and category."""
        with reading(self._sessions) as tables:
            weights: dict[str, str] = {
                one.engagement_id: one.weights_json
                for one in tables.engagements.all(group)
                if one.weights_json is not None
            }
            return ScoringCounts(
                tables.requests.counts(group), tables.items.live_by_category(group), weights
            )

    def set_quality_weights(
        self, group: GroupId, engagement: EngagementId, weights_json: str | None
    ) -> bool:
        """Weigh an engagement's scores of files to come; whether there is such an engagement."""
        with changing(self._sessions, group) as tables:
            return tables.engagements.set_weights(group, engagement, weights_json)

    def request_evidence(
        self, group: GroupId, engagement: EngagementId, category: str, *, status: str = "requested"
    ) -> str:
        """Record that evidence was asked for; the request's id."""
        with changing(self._sessions, group) as tables:
            return tables.requests.add(
                group, engagement, category, status=status, created_at=self._clock.now()
            )

    def quarantined(self, group: GroupId, day: date | None = None) -> list[Quarantine]:
        """Refused files by path, of one day when asked so; those with an item at conversion."""
        with reading(self._sessions) as tables:
            return sorted(
                tables.files.quarantined(group, day) + tables.items.quarantined(group, day)
            )

    def summary(self, group: GroupId) -> IntakeSummary:
        """Where the group's evidence stands."""
        with reading(self._sessions) as tables:
            files = tables.files.counts(group)
            items = tables.items.counts(group)
            failed = tables.files.failed(group)
        live: dict[str, int] = {}
        for (engagement, state), count in items.items():
            if state in LIVE:
                live[engagement] = live.get(engagement, 0) + count
        return IntakeSummary(
            stored=sum(live.values()),
            duplicates=_total(items, State.DUPLICATE),
            superseded=_total(items, State.SUPERSEDED),
            deleted=sum(_total(items, state) for state in GONE),
            waiting=files.get(State.WAITING, 0),
            pending=files.get(State.PENDING, 0) + files.get(State.CLAIMED, 0),
            quarantined=tuple(self.quarantined(group)),
            failed=tuple(failed),
            stored_by_engagement=live,
        )


def _opened(
    tables: LedgerTables, group: GroupId, day: date, *, now: datetime, max_files: int
) -> OpenBatch | None:
    if not tables.files.due_by_day(group, now).get(day):
        return None
    number = tables.batches.last_number(group, day) + 1
    batch = tables.batches.add(
        group, day, batch_id=batch_id(group, day, number), number=number, now=now
    )
    tables.files.claim(group, day, batch.batch_id, now=now, max_files=max_files)
    return batch


def _total(counts: Mapping[tuple[str, State], int], wanted: State) -> int:
    return sum(count for (_, state), count in counts.items() if state is wanted)


__all__ = [
    "Batch",
    "DueDay",
    "Engagement",
    "FailedFile",
    "Holder",
    "IntakeSummary",
    "Item",
    "Ledger",
    "Observation",
    "Quarantine",
    "Scores",
    "ScoringCounts",
    "SideFile",
    "State",
    "Step",
]
