"""A group that has seen two batches, before a third that does everything a batch can do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

from kmflow_orchestration_tests.control_databases import ControlDatabases
from kmflow_orchestration_tests.operations.kills.child import is_killed
from kmflow_orchestration_tests.operations.kills.day_of_work import STEPS, DayOfWork
from kmflow_orchestration_tests.operations.kills.group_home import (
    START,
    Backend,
    GroupHome,
    Snapshot,
)
from kmflow_orchestration_tests.operations.kills.watching import Hear, Watch, nobody

Files = Mapping[str, str | bytes]
Found = Mapping[str, list[str]]

FIRST: Files = {
    "e1/changes.csv": "id,amount\n1,10\n2,20\n",
    "e1/zz_copy.csv": "id,amount\n1,10\n2,20\n",
    "e1/returns.csv": "id\n1\n",
    "e1/wide_1.csv": "id,amount\n1,1.50\n",
    "e1/note.md": "# A\n\nFirst.\n",
}
SECOND: Files = {"e1/returns.csv": "id\n2\n"}
THIRD: Files = {
    # Other content under a known name; its duplicate counts from now on.
    "e1/changes.csv": "id,amount\n8,80\n",
    # Content that comes back.
    "e1/returns.csv": "id\n1\n",
    # A column that becomes text, so that older rows are read again.
    "e1/wide_2.csv": "id,amount\n2,n/a\n",
    "e1/note.md": "# A\n\nSecond.\n\n# B\n\nThird.\n",
    "e1/new.csv": "code\nx\n",
    "e1/new copy.csv": "code\nx\n",
    "e2/new.csv": "code\nx\n",
    # Refused when it is converted, or when it is looked at; a type nothing reads yet.
    "e2/broken.xlsx": b"PK\x03\x04 and no more",
    "e2/empty.csv": "",
    "e2/steps.yaml": b"steps: [open, pay]\n",
}
# Joins the third drop while that is half-way in: a new engagement, and other content for a file
# of the very batch, by which the table's column is narrow again.
LATE: Files = {"e3/late.csv": "id\n3\n", "e1/wide_2.csv": "id,amount\n2,2.50\n"}
NOW = START + timedelta(minutes=2)
TAKE_IN, PUBLISH, WORK = "take_in", "publish", "work"


@dataclass(slots=True)
class Scene:
    """A group at rest when the third drop has fallen, and before each step that follows.

    Its methods change the group; `begun` puts it back.
    """

    home: GroupHome
    at: dict[str, Snapshot] = field(default_factory=dict)
    _kept_open: ExitStack = field(default_factory=ExitStack)
    _day: DayOfWork | None = None

    @contextmanager
    def begun(self, step: str) -> Iterator[None]:
        """The group as it was before a step, its workspace running."""
        if self._day is not None:
            # Open connections would still see the database that is put away.
            self._day.context._engine.dispose()
        self.at[step].restore()
        with self.home.served():
            yield

    def do(self, step: str, hear: Hear = nobody) -> Found:
        """Do a step, a method of `DayOfWork`, undisturbed; all there is afterwards."""
        with self._opened() as day:
            getattr(day, step)(Watch(hear))
            return self.home.found(day)

    def is_killed(self, step: str, hear: Hear) -> bool:
        """Do a step in a child process; whether it was killed before its end."""
        return is_killed(self.home, NOW, step, hear)

    @contextmanager
    def _opened(self) -> Iterator[DayOfWork]:
        """On this machine's disk one engine serves all: nothing of it outlives a statement."""
        if self.home.backend == "databricks":
            with self.home.opened(NOW) as day:
                yield day
            return
        if self._day is None:
            self._day = self._kept_open.enter_context(self.home.opened(NOW))
        yield self._day

    def close(self) -> None:
        self._kept_open.close()


def made_scene(root: Path, backend: Backend, databases: ControlDatabases) -> Scene:
    """A scene on one kind of storage."""
    root.mkdir()
    home = GroupHome(root, backend, databases.new(root / "control.db"))
    scene = Scene(home)
    home.make()
    with home.served():
        for minute, files in enumerate((FIRST, SECOND)):
            home.drop(files)
            with home.opened(START + timedelta(minutes=minute)) as day:
                day.work()
        home.drop(THIRD)
        with home.opened(NOW) as day:
            for step, following in pairwise((TAKE_IN, *STEPS, "")):
                scene.at[step] = Snapshot(home, step, databases)
                if following:
                    getattr(day, step)()
    return scene
