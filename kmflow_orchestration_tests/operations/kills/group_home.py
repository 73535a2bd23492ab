"""A group's whole state in one folder, opened by this process or by one that is to be killed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from kmflow_orchestration.clock import SystemClock
from kmflow_orchestration.config.group_input import parse_group
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context
from kmflow_orchestration.demo.sandbox import default_warehouse
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.group_configuration import save_if_changed
from kmflow_orchestration.operations.provision import provision
from kmflow_orchestration.tables.medallion import MEDALLION_TABLES
from kmflow_orchestration.workspace.seeding import seed_group, seed_workspace
from kmflow_orchestration.workspace.server import EmbeddedWorkspace
from kmflow_orchestration_tests.control_databases import ControlDatabases, engine_of
from kmflow_orchestration_tests.operations.kills.day_of_work import DayOfWork

Backend = Literal["local", "delta", "databricks"]
ACME = GroupId("acme")
START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
TOKEN = "token-acme"

# Columns that tell only who did something, how often, or on which disk.
_LEFT_OUT = {
    "landing_files": {"inode", "mtime_ns", "changed_at", "version"},
    "evidence_items": {"updated_at", "version"},
    "intake_batches": {
        *("claims", "lease_until", "version", "dagster_run_id"),
        *("holder_host", "holder_pid", "holder_started"),
    },
}
_LEDGER = (
    *_LEFT_OUT,
    "intake_batch_replacements",
    "datasets",
    "dataset_parts",
    "dq_table_groups",
    "dq_tables",
)


class StillClock(SystemClock):
    """Waits as a real clock does, but its now stands still: every run stamps the same times."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def stand_at(self, now: datetime) -> None:
        """From here on it is this moment."""
        self._now = now


@dataclass(frozen=True, slots=True)
class GroupHome:
    """Where group `acme` lies: control database, landing, and its store and tables or workspace.

    Another process opens the same group by the same three values.
    """

    root: Path
    backend: Backend
    database_url: str

    @property
    def landing(self) -> Path:
        return self.root / "landing" / ACME

    def make(self) -> None:
        """A provisioned group without any evidence."""
        self.landing.mkdir(parents=True)
        (self.root / "token").write_text(TOKEN)
        with self.served(), self._context() as context:
            group = context.group(ACME)
            calls = None if self.backend == "local" else context.clients.get(group.config)
            steps = provision(group.config, group.lakehouse, calls, MEDALLION_TABLES)
            assert {step.action for step in steps} <= {"created", "exists"}, steps

    @contextmanager
    def served(self) -> Iterator[EmbeddedWorkspace | None]:
        """The group's workspace running, if it needs one, and the group told of its address."""
        if self.backend == "local":
            self._configure({})
            yield None
            return
        with EmbeddedWorkspace(self.root / "workspace") as server:
            admin = seed_workspace(server, "kills", admin_token="token-admin")
            seed_group(server, admin, principal="sp-acme", token=TOKEN, catalog=ACME)
            self._configure(
                {
                    "workspace_url": server.url,
                    "warehouse_id": default_warehouse(server),
                    "token": f"file:{self.root / 'token'}",
                    "allow_insecure_loopback": True,
                }
            )
            yield server

    def _configure(self, workspace: Mapping[str, Any]) -> None:
        settings = {
            "catalog": ACME,
            "schema": "main",
            "evidence_volume": "raw_evidence",
            "landing_path": str(self.landing),
        }
        values = parse_group(ACME, {**settings, **workspace})
        with self._context() as context:
            save_if_changed(values, configs=context.group_configs, author="test")

    @contextmanager
    def _context(self, now: datetime = START) -> Iterator[Context]:
        settings = load_settings(
            home=self.root,
            storage_backend=self.backend,
            quiet_period_s=0,
            database_url=self.database_url,
        )
        with Context(settings, clock=StillClock(now)) as context:
            yield context

    @contextmanager
    def opened(self, now: datetime = START) -> Iterator[DayOfWork]:
        """The group's operations on the day of `now`, wired as the product wires them."""
        with self._context(now) as context:
            yield DayOfWork(context, context.group(ACME))

    def drop(self, files: Mapping[str, str | bytes]) -> None:
        """Lay files into landing, complete at once; others than those that lay there."""
        for name, content in files.items():
            target = self.landing / name
            target.parent.mkdir(parents=True, exist_ok=True)
            part = self.root / "dropped"
            part.write_bytes(content.encode() if isinstance(content, str) else content)
            part.replace(target)

    def ledger(self) -> dict[str, list[str]]:
        """What the control database says became of files and tables."""
        with engine_of(self.database_url).connect() as connection:
            return {
                table: _rows(
                    connection.exec_driver_sql(f"SELECT * FROM {table}").mappings(),
                    without=_LEFT_OUT.get(table, set()),
                )
                for table in _LEDGER
            }

    def found(self, day: DayOfWork) -> dict[str, list[str]]:
        """All there is: rows of every table without their batch (design AD3), and the ledger."""
        tables = {name: _rows(rows, without={"_batch_id"}) for name, rows in day.tables().items()}
        return {**tables, **self.ledger()}


def _rows(rows: Any, *, without: set[str]) -> list[str]:
    return sorted(
        repr({name: value for name, value in row.items() if name not in without}) for row in rows
    )


class Snapshot:
    """A home at rest, to be put back: one costly beginning serves many runs."""

    def __init__(self, home: GroupHome, name: str, databases: ControlDatabases) -> None:
        self._home = home
        self._kept = home.root.with_name(name)
        shutil.copytree(home.root, self._kept, copy_function=_linked)
        on_server = databases.server is not None
        self._restore_database = databases.keep(home.database_url) if on_server else None

    def restore(self) -> None:
        shutil.rmtree(self._home.root)
        shutil.copytree(self._kept, self._home.root, copy_function=_linked)
        # SQLite's file lies in the home.
        if self._restore_database is not None:
            self._restore_database()


def _linked(source: str, target: str) -> str:
    """Whatever is no database is written once and never changed: a link is copy enough.

    And a file in landing stays the file it was.
    """
    if ".db" in Path(source).name:
        return str(shutil.copy2(source, target))
    os.link(source, target)
    return target
