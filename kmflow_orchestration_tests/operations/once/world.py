"""A group to which things happen, and the history of what it took in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import text

from kmflow_orchestration.access.caller import caller_of
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.errors import KmflowError, LeaseHeld, UnknownEvidence
from kmflow_orchestration.intake.arrivals import sweep_all
from kmflow_orchestration.intake.claims import LEASE
from kmflow_orchestration.operations.delete_evidence import delete_evidence
from kmflow_orchestration.storage.evidence_paths import FOLDER
from kmflow_orchestration_tests.control_databases import engine_of
from kmflow_orchestration_tests.operations.kills.day_of_work import DayOfWork
from kmflow_orchestration_tests.operations.kills.group_home import (
    ACME,
    START,
    Backend,
    StillClock,
)
from kmflow_orchestration_tests.operations.kills.watching import UNWATCHED, Watch
from kmflow_orchestration_tests.operations.once.interruptions import (
    Interrupting,
    Interruption,
    Stopped,
)
from kmflow_orchestration_tests.operations.once.stage import Place

ANN = caller_of("ann@kmflow.test", ("acme",), Role.ADMIN)
# Longer than any lease, and than any wait of a file that failed.
_QUIET = timedelta(hours=2)
_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class WorkOfDay(DayOfWork):
    """The work of one day, whenever it is done."""

    day: date

    @property
    def today(self) -> date:
        return self.day


@dataclass(frozen=True, slots=True)
class Taken:
    """Landing files that came in together: when first seen, path, content."""

    files: tuple[tuple[datetime, str, str], ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class Deleted:
    """An item that was deleted."""

    item_id: str
    at: datetime


class World:
    """One group with everything that happens to it; `deeds` are what became of that, in order."""

    def __init__(self, place: Place, prefix: str = "") -> None:
        self.place = place
        self._prefix = prefix
        self.home = place.home
        self.backend: Backend = place.home.backend
        self.has_moved = False
        self.now = START
        self.landing: dict[str, str] = {}
        self.deeds: list[Taken | Deleted] = []
        self.leftovers: set[str] = set()
        self._contents: dict[str, str] = {}
        self._sources: dict[str, str] = {}
        self._gone: set[str] = set()
        self._open: list[DayOfWork] = []

    # What happens in landing

    def drop(self, path: str, content: str) -> None:
        self._lay(self._prefix + path, content)

    def touch(self, path: str) -> None:
        """The same again: another file for whoever looks."""
        path = self._prefix + path
        if path in self.landing:
            self._lay(path, self.landing[path])

    def remove(self, path: str) -> None:
        path = self._prefix + path
        if self.landing.pop(path, None) is not None:
            (self.home.landing / path).unlink()

    def _lay(self, path: str, content: str) -> None:
        self.home.drop({path: content})
        self.landing[path] = content
        self._contents[sha256(content.encode()).hexdigest()] = content

    def wait(self, time: timedelta) -> None:
        """Time goes by, for those at work as well."""
        self.now += time
        for day in self._open:
            clock = day.context.clock
            assert isinstance(clock, StillClock)
            clock.stand_at(self.now)

    def switch(self, number: int) -> None:
        """STORAGE_BACKEND is another from now on; who is at work already keeps his."""
        others = [one for one in self.place.backends if one != self.backend]
        self.backend = others[number % len(others)]
        self.has_moved = True

    # What runs and people do

    def run(self, interruption: Interruption | None = None) -> None:
        """One run over all days with something to do, as a sensor would begin it."""
        self._do(_work_of_due_days, interruption or Interruption())

    def replay(self, interruption: Interruption | None = None) -> None:
        """The same again, for every day there was."""
        days = self.days()
        self._do(lambda day, watch: _work(day, days, watch), interruption or Interruption())

    def take_over(self) -> None:
        """Another run takes up whatever is claimed, after the lease has run out."""
        self.wait(LEASE + timedelta(seconds=1))
        self.run()

    def delete(self, item_id: str, interruption: Interruption | None = None) -> None:
        """Somebody deletes an item of evidence."""

        def deletion(day: DayOfWork, watch: Watch) -> None:
            given = watch.over(day.group.deleting())
            delete_evidence(ACME, item_id, caller=ANN, **given)

        self._do(deletion, interruption or Interruption())

    def items(self) -> list[str]:
        """Ids of all items that were ever taken in."""
        return [row["id"] for row in self.rows("SELECT id FROM evidence_items ORDER BY id")]

    def days(self) -> list[date]:
        """Days with a batch."""
        rows = self.rows("SELECT DISTINCT day FROM intake_batches ORDER BY day")
        return [date.fromisoformat(str(row["day"])) for row in rows]

    def _do(self, work: Callable[[DayOfWork, Watch], None], interruption: Interruption) -> None:
        self.note()
        with self.opened() as day, interruption.over(day.context._engine):
            try:
                work(day, Interrupting(self._noting(interruption), interruption))
            except (LeaseHeld, Stopped, UnknownEvidence):
                pass
            except KmflowError:
                if not interruption.has_happened:
                    raise
        self.note()
        if interruption.has_happened:
            self.leftovers |= self.stored() - self.referenced()

    def _noting(self, interruption: Interruption) -> Callable[[str, bool], None]:
        if interruption.kind != "meanwhile":
            return interruption.hear
        others = interruption.meanwhile

        def meanwhile() -> None:
            self.note()
            others()

        interruption.meanwhile = meanwhile
        return interruption.hear

    @contextmanager
    def opened(self) -> Iterator[DayOfWork]:
        with self.place.opened(self.now, self.backend) as day:
            self._open.append(day)
            try:
                yield day
            finally:
                self._open.remove(day)

    def be_quiet(self) -> None:
        """No more faults, and runs until there is nothing left to do."""
        for _ in range(_ROUNDS):
            self.wait(_QUIET)
            before = self.home.ledger()
            self.run()
            if self.home.ledger() == before and not self._is_due():
                return
        raise AssertionError(f"still something to do after {_ROUNDS} runs")

    def _is_due(self) -> bool:
        with self.opened() as day:
            return bool(day.context.ledger.due_days(ACME))

    # What became of it

    def note(self) -> None:
        """Add to the history whatever was taken in or deleted since the last look."""
        rows = self.rows(
            "SELECT f.path, f.item_id, f.content_hash, f.first_seen_at, b.day, b.number"
            " FROM landing_files f JOIN intake_batches b ON b.batch_id = f.batch_id"
            " WHERE f.item_id IS NOT NULL AND f.state = 'stored'"
            " ORDER BY b.day, b.number, f.first_seen_at, f.path"
        )
        batches: dict[tuple[str, int], list[tuple[datetime, str, str]]] = {}
        for row in rows:
            if self._sources.get(row["path"]) != row["item_id"]:
                seen = datetime.fromisoformat(f"{row['first_seen_at']}+00:00")
                file = (seen, row["path"], self._contents[row["content_hash"]])
                batches.setdefault((row["day"], row["number"]), []).append(file)
        self.deeds += [Taken(tuple(files), self.now) for files in batches.values()]
        self._sources = self.sources()
        gone = {
            row["id"]
            for row in self.rows(
                "SELECT id FROM evidence_items WHERE state IN ('deleting', 'deleted')"
            )
        }
        self.deeds += [Deleted(item, self.now) for item in sorted(gone - self._gone)]
        self._gone = gone

    def sources(self) -> dict[str, str]:
        """The item each landing path last became."""
        rows = self.rows("SELECT path, item_id FROM landing_files WHERE item_id IS NOT NULL")
        return {row["path"]: row["item_id"] for row in rows}

    def stored(self) -> set[str]:
        """Backend and path of all files in any store, half-written ones but not."""
        with self.opened() as day:
            engagements = {path.partition("/")[0] for path in self._contents_seen()}
            return {
                f"{backend}:{below_root(path)}"
                for backend in self.place.backends
                for one in engagements
                for path in day.group.stores.of(backend).list_files(one)
            }

    def referenced(self) -> set[str]:
        """The same of the files that the ledger's items have."""
        rows = self.rows("SELECT backend, file_path FROM evidence_items WHERE state <> 'deleted'")
        return {f"{row['backend']}:{below_root(row['file_path'])}" for row in rows}

    def _contents_seen(self) -> Iterable[str]:
        return (row["path"] for row in self.rows("SELECT path FROM landing_files"))

    def rows(self, query: str) -> list[Mapping[str, Any]]:
        """What the control database answers."""
        with engine_of(self.home.database_url).connect() as connection:
            return [dict(row) for row in connection.execute(text(query)).mappings()]


def below_root(path: str) -> str:
    """A stored path from the folder on that every backend has below its root."""
    return f"{FOLDER}/{path.partition(f'{FOLDER}/')[2]}"


def _work_of_due_days(day: DayOfWork, watch: Watch) -> None:
    context = day.context
    sweep_all(ACME, day.group.landing_root, ledger=context.ledger, clock=context.clock)
    soon = context.clock.now() + timedelta(seconds=1)
    due = {one.day for one in context.ledger.due_days(ACME)}
    late = {one.day for one in context.ledger.late_days(ACME, soon)}
    _work(day, sorted(due | late), watch)


def _work(day: DayOfWork, days: Iterable[date], watch: Watch) -> None:
    for one in days:
        WorkOfDay(day.context, day.group, one).work(watch)


def clean_run(place: Place, deeds: Iterable[Taken | Deleted]) -> World:
    """A world in which nothing ever goes wrong, after the same history and one run."""
    world = World(place)
    for deed in deeds:
        world.now = deed.at
        if isinstance(deed, Deleted):
            world.delete(deed.item_id)
        else:
            _take(world, deed)
    world.now += _QUIET
    with world.opened() as day:
        _publish(day, world.days())
    world.note()
    return world


def _take(world: World, taken: Taken) -> None:
    for seen in sorted({seen for seen, _, _ in taken.files}):
        world.now = seen
        for moment, path, content in taken.files:
            if moment == seen:
                world.drop(path, content)
        with world.opened() as day:
            ledger, clock = day.context.ledger, day.context.clock
            sweep_all(ACME, day.group.landing_root, ledger=ledger, clock=clock)
    world.now = taken.at
    with world.opened() as day:
        for due in day.context.ledger.due_days(ACME):
            WorkOfDay(day.context, day.group, due.day).take_in()


def _publish(day: DayOfWork, days: Iterable[date]) -> None:
    for one in days:
        WorkOfDay(day.context, day.group, one).publish(UNWATCHED)
