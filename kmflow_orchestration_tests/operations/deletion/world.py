"""A group from landing to its tables, one item of which is to be deleted; all parts of it real."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from kmflow_orchestration.access.caller import caller_of
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.intake.ledger import Item, State
from kmflow_orchestration.operations.delete_evidence import DeletedEvidence, delete_evidence
from kmflow_orchestration.operations.reconcile_bronze import reconcile_bronze
from kmflow_orchestration.storage.local_store import LocalStore
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration.workspace.server import EmbeddedWorkspace
from kmflow_orchestration_tests.control_databases import ControlDatabases
from kmflow_orchestration_tests.operations.kills.day_of_work import DayOfWork
from kmflow_orchestration_tests.operations.kills.group_home import (
    ACME,
    START,
    Backend,
    GroupHome,
    StillClock,
)
from kmflow_orchestration_tests.operations.kills.watching import Watch, kill_self
from kmflow_orchestration_tests.processes import in_child

ANN = caller_of("ann@kmflow.test", ("acme",), Role.ADMIN)


@dataclass
class DeletionWorld:
    """One group; `engagement` is the present test's."""

    home: GroupHome
    day: DayOfWork
    server: EmbeddedWorkspace | None
    engagement: str = ""

    def __post_init__(self) -> None:
        self._numbers = count(1)
        self._aside: list[tuple[Path, Path]] = []

    def next_engagement(self) -> None:
        """Another engagement on another day: what was done before is not done again."""
        number = next(self._numbers)
        self.engagement = f"e{number}"
        self.at(START + timedelta(days=number))

    def at(self, now: datetime) -> None:
        clock = self.day.context.clock
        assert isinstance(clock, StillClock)
        clock.stand_at(now)

    @property
    def now(self) -> datetime:
        return self.day.context.clock.now()

    def take(self, **files: str) -> None:
        """Drop CSV files and do the whole day's work."""
        self.drop(**files)
        self.day.work()

    def store(self, **files: str) -> Item:
        """Drop CSV files, store them and write their rows in bronze; the item of the first."""
        self.drop(**files)
        self.day.take_in()
        self.day.bronze()
        return self.item(next(iter(files)))

    def drop(self, **files: str) -> None:
        self.home.drop({f"{self.engagement}/{name}.csv": text for name, text in files.items()})

    def item(self, name: str, state: State | None = None) -> Item:
        found = [one for one in self.items() if one.file_name == f"{name}.csv"]
        (item,) = [one for one in found if state in {None, one.state}]
        return item

    def items(self) -> list[Item]:
        return self.day.context.register.items(ACME, engagement=self.engagement, limit=100)

    def delete(self, item: Item | str, **changes: Any) -> DeletedEvidence:
        item_id = item if isinstance(item, str) else item.item_id
        given = {"caller": ANN, **self.day.group.deleting(), **changes}
        return delete_evidence(ACME, item_id, **given)

    def killed_before_the_row(self, item: Item) -> bool:
        """Delete in a process that dies when it is about to remove the row; whether it did."""
        return in_child(_delete_and_die, self.home, self.now, item.item_id) != 0

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Rows of the engagement in one of the group's tables, by its name."""
        return [
            row
            for name, rows in self.day.tables().items()
            if name.rpartition(".")[2] == table
            for row in rows
            if row["engagement_id"] == self.engagement
        ]

    def dataset(self, name: str) -> list[dict[str, Any]]:
        """Data of a dataset table, without provenance."""
        return [
            {
                column: value
                for column, value in row.items()
                if not column.startswith("_") and not column.endswith("_id")
            }
            for row in self.rows(f"{self.engagement}__{name}")
        ]

    def metadata(self) -> set[str]:
        return {row["file_name"].removesuffix(".csv") for row in self.rows("evidence_metadata")}

    def is_due(self) -> bool:
        """Whether the day has work for a run."""
        due = self.day.context.ledger.due_days(ACME)
        return self.day.today in {one.day for one in due}

    def agrees(self) -> bool:
        """Whether bronze and metadata hold what the ledger says."""
        given = self.day.group.publishing()
        return reconcile_bronze(ACME, self.day.today, **given).agrees

    def refuse_rows(self) -> None:
        """Until `mend` no metadata row can be removed."""
        if self.server is None:
            self._put_aside(self.home.root / "lakehouse" / ACME / "main" / "evidence_metadata")
        else:
            self._refuse("POST", "/api/2.0/sql/statements*")

    def refuse_files(self, item: Item) -> None:
        """Until `mend` the stored file of an item cannot be removed."""
        store = self.day.group.store
        if isinstance(store, LocalStore):
            path = store.local_path(item.stored_path)
            self._put_aside(path)
            path.mkdir()
        else:
            self._refuse("DELETE", "/api/2.0/fs/files*")

    def _put_aside(self, path: Path) -> None:
        aside = path.with_name(f"{path.name}.aside")
        path.rename(aside)
        self._aside.append((path, aside))

    def _refuse(self, method: str, path: str) -> None:
        assert self.server is not None
        fault = Fault(
            "fail_times",
            method=method,
            path=path,
            principal="sp-acme",
            times=1000,
            status=403,
            error_code="PERMISSION_DENIED",
        )
        self.server.faults.add(fault)

    def mend(self) -> None:
        """What failed works again."""
        while self._aside:
            path, aside = self._aside.pop()
            if path.is_dir():
                path.rmdir()
            aside.rename(path)
        if self.server is not None:
            self.server.faults.clear()


def _delete_and_die(home: GroupHome, now: datetime, item_id: str) -> None:
    def hear(change: str, has_happened: bool) -> None:
        if change == "lakehouse.replace":
            kill_self()

    with home.opened(now) as day:
        given = Watch(hear).over(day.group.deleting())
        delete_evidence(ACME, item_id, caller=ANN, **given)


@contextmanager
def opened_world(
    root: Path, backend: Backend, databases: ControlDatabases
) -> Iterator[DeletionWorld]:
    root.mkdir()
    home = GroupHome(root, backend, databases.new(root / "control.db"))
    home.make()
    with home.served() as server, home.opened() as day:
        yield DeletionWorld(home, day, server)
