"""Two groups with the same engagement and file names, on each backend; acme is the intruder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from kmflow_orchestration.clock import SystemClock
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.config.settings import Settings, load_settings
from kmflow_orchestration.databricks_client.connect import ClientCache
from kmflow_orchestration.names import TableName
from kmflow_orchestration.storage.choose import open_lakehouse, open_storage
from kmflow_orchestration.storage.interfaces import EvidenceFile, Lakehouse, StorageBackend
from kmflow_orchestration.tables.definition import Column, TableDefinition
from kmflow_orchestration.workspace.server import EmbeddedWorkspace
from kmflow_orchestration_tests.control_databases import ControlDatabases
from kmflow_orchestration_tests.embedded import embedded_server, fresh_room, room
from kmflow_orchestration_tests.embedded_groups import GroupsInRoom, group_config
from kmflow_orchestration_tests.evidence_samples import evidence_file
from kmflow_orchestration_tests.intake.conftest import new_place
from kmflow_orchestration_tests.isolation.shared_world import SharedWorld

__all__ = ["embedded_server", "new_place", "room"]

COLUMNS = (Column("k", "STRING"), Column("_batch_id", "STRING"))
DEFINITION = TableDefinition("bronze", "secret", COLUMNS)
ENGAGEMENT, NAME = "e1", "loans.csv"


def rows(text: str) -> pa.Table:
    return pa.table({"k": [text], "_batch_id": ["b1"]})


@dataclass(frozen=True)
class Member:
    """One group's store and tables, with one file and one table in them."""

    config: GroupConfig
    store: StorageBackend
    lakehouse: Lakehouse
    file: EvidenceFile
    path: str

    @property
    def table(self) -> TableName:
        return self.config.namespace.bronze("secret")

    def all_there_is(self) -> object:
        """Everything the group can see of its own: contents of files, tables and their rows."""
        listed = self.lakehouse.tables(self.table.schema)
        return (
            {path: self.store.read(path) for path in self.store.list_files(ENGAGEMENT)},
            listed,
            [self.lakehouse.query(f"SELECT * FROM {table.sql}").to_pylist() for table in listed],
            self.lakehouse.columns(self.table),
        )


@dataclass(frozen=True)
class TwoGroups:
    """acme and globex; `sent` counts what acme's principal has sent to the workspace."""

    backend: str
    home: Path
    acme: Member
    globex: Member
    sent: Callable[[], int]

    @property
    def is_on_disk(self) -> bool:
        return self.backend != "databricks"


@pytest.fixture(scope="session", params=["local", "delta", "databricks"])
def two(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TwoGroups]:
    home = tmp_path_factory.mktemp("two")
    settings = load_settings(home=str(home), storage_backend=request.param)
    if settings.tables_are_local:
        with_clients = ClientCache(SystemClock())
        configs = {group: group_config(group) for group in ("acme", "globex")}
        sent: Callable[[], int] = int
    else:
        server: EmbeddedWorkspace = request.getfixturevalue("embedded_server")
        shared = GroupsInRoom(fresh_room(server))
        with_clients = shared.clients
        configs = {group: shared.config(group) for group in ("acme", "globex")}

        def sent() -> int:
            return server.requests().count(principal="acme-service")

    members = {g: member(home, settings, config, with_clients) for g, config in configs.items()}
    yield TwoGroups(request.param, home, members["acme"], members["globex"], sent)
    for one in members.values():
        one.lakehouse.close()
    with_clients.close()


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, control_databases: ControlDatabases
) -> Iterator[SharedWorld]:
    """Both groups on this machine, for attempts that leave globex as it was; acme may change."""
    home = tmp_path_factory.mktemp("shared")
    made = SharedWorld(home, control_databases.new(home / "control.db"))
    yield made
    made.close()


def member(home: Path, settings: Settings, config: GroupConfig, clients: ClientCache) -> Member:
    group = config.group_id
    store = open_storage(settings, config, clients=clients, clock=SystemClock())
    lakehouse = open_lakehouse(settings, config, clients=clients, clock=SystemClock())
    file = evidence_file(home / "landing" / group, NAME, f"of {group}\n".encode(), group=group)
    path = store.write_from(file).path
    table = config.namespace.bronze("secret")
    lakehouse.ensure_table(table, DEFINITION)
    lakehouse.replace(table, rows(f"of {group}"), matching={"_batch_id": ["b1"]})
    return Member(config, store, lakehouse, file, path)
