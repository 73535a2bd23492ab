"""Groups whose store and tables lie on the embedded workspace, from landing to silver."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import openpyxl
import pytest

from kmflow_orchestration.access.caller import Caller, caller_of
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.cli.main import main
from kmflow_orchestration.clock import utc_day
from kmflow_orchestration.config.group_input import parse_group
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context, GroupContext
from kmflow_orchestration.intake.arrivals import sweep_all
from kmflow_orchestration.intake.ledger import Item, Step
from kmflow_orchestration.names import GroupId, Namespace
from kmflow_orchestration.operations.provision import provision
from kmflow_orchestration.operations.publish_bronze import publish_bronze
from kmflow_orchestration.operations.publish_datasets import publish_datasets
from kmflow_orchestration.operations.publish_quality import publish_quality
from kmflow_orchestration.operations.published_datasets import PublishedDatasets
from kmflow_orchestration.operations.silver_fragments import publish_fragments
from kmflow_orchestration.operations.store_evidence import store_batch
from kmflow_orchestration.workspace.seeding import seed_group
from kmflow_orchestration.workspace.server import EmbeddedWorkspace
from kmflow_orchestration_tests.cli.conftest import Kmflow, Outcome
from kmflow_orchestration_tests.control_databases import ControlDatabases
from kmflow_orchestration_tests.embedded import Room, fresh_room
from kmflow_orchestration_tests.fakes import FakeClock


class WorkspaceGroups:
    """One process that works for several groups of one workspace."""

    def __init__(self, home: Path, database_url: str, room: Room) -> None:
        self.home, self.room, self.clock = home, room, FakeClock()
        settings = load_settings(
            home=str(home),
            storage_backend="databricks",
            database_url=database_url,
            quiet_period_s="0",
            conversion_workers="1",
        )
        self.context = Context(settings, clock=self.clock)

    def add(self, name: str) -> WorkspaceGroup:
        """A provisioned group with a principal of its own."""
        group, schema = GroupId(name), f"{name}_evidence"
        token = f"token-{name}-{uuid4().hex}"
        os.environ[f"{name.upper()}_TOKEN"] = token
        seed_group(
            self.room.server,
            self.room.admin,
            principal=f"{name}-service",
            token=token,
            catalog="kmflow",
            schemas=Namespace("kmflow", schema).schemas,
            volumes=(f"{schema}.raw_evidence",),
        )
        warehouse = self.room.server.services.warehouses.default_id(self.room.admin.workspace_id)
        landing = self.home / "landing" / name
        landing.mkdir(parents=True)
        values = {
            "catalog": "kmflow",
            "schema": schema,
            "workspace_url": self.room.url,
            "warehouse_id": warehouse,
            "token": f"env:{name.upper()}_TOKEN",
            "allow_insecure_loopback": True,
            "landing_path": str(landing),
        }
        self.context.group_configs.save(group, parse_group(group, values), "tests")
        own = self.context.group(group)
        provision(own.config, own.lakehouse, self.context.clients.get(own.config))
        return WorkspaceGroup(self, group, token)

    def close(self) -> None:
        self.context.close()


class WorkspaceGroup:
    """One group of them."""

    def __init__(self, groups: WorkspaceGroups, group: GroupId, token: str) -> None:
        self.groups, self.id, self.token = groups, group, token

    @property
    def own(self) -> GroupContext:
        return self.groups.context.group(self.id)

    @property
    def caller(self) -> Caller:
        return caller_of("ann@kmflow.test", (self.id,), Role.ADMIN)

    def drop(self, path: str, content: str | bytes) -> Path:
        target = self.own.landing_root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
        long_ago = self.groups.clock.now().timestamp() - 3600
        os.utime(target, (long_ago, long_ago))
        return target

    def look(self) -> None:
        """What a tick does before it asks for runs."""
        context = self.groups.context
        landing = self.own.landing_root
        sweep_all(self.id, landing, ledger=context.ledger, clock=context.clock)

    def work(self) -> list[PublishedDatasets]:
        """Run every day that is due, from landing to silver."""
        self.look()
        done = []
        for due in self.groups.context.ledger.due_days(self.id):
            while store_batch(self.id, due.day, **self.own.storing()):
                pass
            publish_bronze(self.id, due.day, **self.own.recording())
            # In this process, which takes a second less for each.
            converting = {**self.own.converting(), "workers": 0}
            done.append(publish_datasets(self.id, due.day, **converting))
            publish_fragments(self.id, due.day, **self.own.reading_text())
            publish_quality(self.id, due.day, **self.own.publishing())
        return done

    def convert(self) -> list[PublishedDatasets]:
        """The same as far as it is about conversion: each table more would take a second more."""
        self.look()
        done, ledger = [], self.groups.context.ledger
        for due in ledger.due_days(self.id):
            while store_batch(self.id, due.day, **self.own.storing()):
                pass
            batches = ledger.stored_batches(self.id, due.day)
            if not all(batch.is_finished(Step.DATASETS) for batch in batches):
                converting = {**self.own.converting(), "workers": 0}
                done.append(publish_datasets(self.id, due.day, **converting))
        return done

    def item_at(self, path: str) -> Item:
        """The newest item of a landing path."""
        found = self.groups.context.register.items(self.id, limit=100)
        return next(item for item in found if item.landing_path == path)

    def items(self) -> dict[str, Item]:
        """The newest items by their names."""
        found = self.groups.context.register.items(self.id, limit=100)
        return {item.file_name: item for item in reversed(found)}

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Rows of a bronze table."""
        name = self.own.config.namespace.bronze(table)
        return self.own.lakehouse.query(f"SELECT * FROM {name.sql}").to_pylist()

    @property
    def today(self) -> object:
        return utc_day(self.groups.clock.now())


def workbook(sheet: str, rows: list[list[object]]) -> bytes:
    """A workbook of one sheet."""
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    made = book.create_sheet(sheet)
    for row in rows:
        made.append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


@pytest.fixture(scope="module")
def groups(
    tmp_path_factory: pytest.TempPathFactory,
    control_databases: ControlDatabases,
    embedded_server: EmbeddedWorkspace,
) -> Iterator[WorkspaceGroups]:
    """A process without groups yet; `embedded_server` must be at hand beside it."""
    home = tmp_path_factory.mktemp("groups")
    before = dict(os.environ)
    opened = WorkspaceGroups(
        home, control_databases.new(home / "control.db"), fresh_room(embedded_server)
    )
    yield opened
    opened.close()
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def shell(
    groups: WorkspaceGroups, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Kmflow:
    """`kmflow` as somebody at the shell of the same machine calls it."""
    settings = groups.context.settings
    monkeypatch.setenv("KMFLOW_HOME", str(settings.home))
    monkeypatch.setenv("KMFLOW_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("STORAGE_BACKEND", "databricks")

    def call(*arguments: str) -> Outcome:
        capsys.readouterr()
        code = main(arguments)
        return Outcome(code, *capsys.readouterr())

    return call
