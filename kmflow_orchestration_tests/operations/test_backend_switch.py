"""STORAGE_BACKEND changed and changed back: each item stays where it was stored (row B34)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kmflow_orchestration.errors import BackendUnreachable
from kmflow_orchestration.intake.ledger import Item, State, Step
from kmflow_orchestration.operations.provision import provision
from kmflow_orchestration.tables.medallion import MEDALLION_TABLES
from kmflow_orchestration_tests.control_databases import ControlDatabases
from kmflow_orchestration_tests.operations.kills.day_of_work import DayOfWork
from kmflow_orchestration_tests.operations.kills.group_home import ACME, START, Backend, GroupHome

LATER = START + timedelta(days=1)
FIRST = {"e1/loans.csv": "id,amount\n1,10\n", "e1/plan.md": "# Plan\n\nBuy more.\n"}
# The second file of the table has a wider type: the first must be read again.
SECOND = {"e1/loans_2.csv": "id,amount\n2,20.50\n", "e1/plan_2.md": "# Plan\n\nSell some.\n"}
SWITCHES = [
    ("databricks", "local"),
    ("local", "databricks"),
    ("local", "delta"),
    ("delta", "databricks"),
]


class SwitchedHome:
    """One group whose process is started with this backend or that; its workspace keeps running."""

    def __init__(self, home: GroupHome) -> None:
        self.home = home
        self.token = home.root / "token"

    @contextmanager
    def on(self, backend: Backend, now: Any = START) -> Iterator[DayOfWork]:
        """The group as a process with this STORAGE_BACKEND sees it."""
        with replace(self.home, backend=backend).opened(now) as day:
            yield day

    def provision(self, backend: Backend) -> None:
        with self.on(backend) as day:
            config = day.group.config
            calls = day.context.clients.get(config) if backend == "databricks" else None
            provision(config, day.group.lakehouse, calls, MEDALLION_TABLES)

    def take(self, backend: Backend, files: dict[str, str], now: Any = START) -> None:
        """Drop files and do the day's work."""
        self.home.drop(files)
        with self.on(backend, now) as day:
            day.work()

    def items(self) -> dict[str, Item]:
        with self.on("local") as day:
            found = day.context.register.items(ACME, limit=100)
        return {item.file_name: item for item in found}

    def without_credentials(self) -> None:
        self.token.rename(self.token.with_name("token.away"))

    def with_credentials(self) -> None:
        self.token.with_name("token.away").rename(self.token)


def rows(day: DayOfWork, table: str) -> list[str]:
    """Rows of a table by its name, without their batch and without where their file lies."""
    places = {"_batch_id", "volume_path", "file_bytes_path"}
    return sorted(
        repr({name: value for name, value in row.items() if name not in places})
        for name, found in day.tables().items()
        if name.rpartition(".")[2] == table
        for row in found
    )


def amounts(day: DayOfWork) -> list[Any]:
    table = day.group.config.namespace.bronze("e1__loans")
    found = day.group.lakehouse.query(f"SELECT amount FROM {table.sql}").column(0).to_pylist()
    return sorted(float(one) for one in found)


@pytest.fixture(scope="module")
def workspace(
    tmp_path_factory: pytest.TempPathFactory, control_databases: ControlDatabases
) -> Iterator[tuple[GroupHome, ControlDatabases]]:
    """One workspace for all tests of the module; each test has a group's folders of its own."""
    root = tmp_path_factory.mktemp("served") / "home"
    home = GroupHome(root, "databricks", control_databases.new(root.with_name("first.db")))
    home.make()
    with home.served():
        yield home, control_databases


@pytest.fixture
def switched(workspace: tuple[GroupHome, ControlDatabases], tmp_path: Path) -> SwitchedHome:
    raise NotImplementedError
