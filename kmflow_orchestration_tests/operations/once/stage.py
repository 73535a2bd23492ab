"""Two empty groups of one name, to be put back for each history."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count
from pathlib import Path

from sqlalchemy import Engine

from kmflow_orchestration.operations.provision import provision
from kmflow_orchestration.tables.medallion import MEDALLION_TABLES
from kmflow_orchestration.workspace.faults import Faults
from kmflow_orchestration.workspace.server import EmbeddedWorkspace
from kmflow_orchestration_tests.control_databases import ControlDatabases, engine_of
from kmflow_orchestration_tests.operations.kills.day_of_work import DayOfWork
from kmflow_orchestration_tests.operations.kills.group_home import (
    Backend,
    GroupHome,
    Snapshot,
    StillClock,
)


@dataclass(slots=True)
class Place:
    """A group's home at its beginning, and processes at work in it that wait for more.

    To open a process costs more than most of what it does here. `backends` are what it may store
    on, its own first.
    """

    home: GroupHome
    empty: Snapshot
    backends: tuple[Backend, ...]
    server: EmbeddedWorkspace | None = None
    _served: ExitStack = field(default_factory=ExitStack)
    _idle: dict[Backend, list[DayOfWork]] = field(default_factory=dict)
    _all: list[DayOfWork] = field(default_factory=list)

    @contextmanager
    def opened(self, now: datetime, backend: Backend) -> Iterator[DayOfWork]:
        """A process with this STORAGE_BACKEND that nobody else uses meanwhile; its clock stands at
        `now`."""
        idle = self._idle.setdefault(backend, [])
        day = idle.pop() if idle else self._one_more(now, backend)
        clock = day.context.clock
        assert isinstance(clock, StillClock)
        clock.stand_at(now)
        try:
            yield day
        finally:
            self._idle.setdefault(backend, []).append(day)

    def _one_more(self, now: datetime, backend: Backend) -> DayOfWork:
        day = self._served.enter_context(replace(self.home, backend=backend).opened(now))
        self._all.append(day)
        return day

    def begin(self) -> None:
        """Put the group back."""
        if self.home.backend == "databricks":
            self.close()
        # Open connections would still see the database that is put away.
        for engine in (engine_of(self.home.database_url), *self._engines()):
            engine.dispose()
        self.empty.restore()
        if self.home.backend == "databricks":
            self.server = self._served.enter_context(self.home.served())

    @property
    def faults(self) -> Faults:
        """What its workspace does wrong."""
        assert self.server is not None
        return self.server.faults

    def _engines(self) -> list[Engine]:
        return [day.context._engine for day in self._all]

    def close(self) -> None:
        self._served.close()
        self._idle.clear()
        self._all.clear()


@dataclass(frozen=True, slots=True)
class Stage:
    """Where things happen, and where nothing but the history is repeated."""

    eventful: Place
    clean: Place
    _numbers: Iterator[int] = field(default_factory=count)

    def prefix(self) -> str:
        """Engagements of this history alone: an engine remembers columns of a table that was."""
        return f"h{next(self._numbers)}"

    def begin(self) -> None:
        self.eventful.begin()
        self.clean.begin()

    def close(self) -> None:
        self.eventful.close()
        self.clean.close()


def made_stage(folder: Path, backend: Backend, databases: ControlDatabases) -> Stage:
    """Both groups; they begin on this kind of storage, and may go over to another."""
    return Stage(*(_place(folder / name, backend, databases) for name in ("eventful", "clean")))


def _place(folder: Path, backend: Backend, databases: ControlDatabases) -> Place:
    root = folder / "home"
    root.mkdir(parents=True)
    home = GroupHome(root, backend, databases.new(root / "control.db"))
    home.make()
    backends: tuple[Backend, ...] = ("local", "delta")
    if backend == "databricks":
        backends = ("databricks", "local")
        with replace(home, backend="local").opened() as day:
            provision(day.group.config, day.group.lakehouse, None, MEDALLION_TABLES)
    return Place(home, Snapshot(home, "empty", databases), backends)
