"""Tables of group acme on one embedded workspace, whose engine all tests of a module share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pytest

from kmflow_orchestration.databricks_client.files import VolumeFiles
from kmflow_orchestration.databricks_client.statements import Statements
from kmflow_orchestration.databricks_client.unity_catalog import UnityCatalog
from kmflow_orchestration.databricks_client.warehouses import Warehouse
from kmflow_orchestration.names import TableName
from kmflow_orchestration.operations.convert.options import conversion_options
from kmflow_orchestration.operations.table_conversion.convert_to_table import convert_to_table
from kmflow_orchestration.operations.table_conversion.group_tables import GroupTables
from kmflow_orchestration.operations.volume_conversion.places import GroupPlaces
from kmflow_orchestration.operations.volume_conversion.volumes import Volumes
from kmflow_orchestration.storage.staging import STAGING, Staging
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration.workspace.server import EmbeddedWorkspace
from kmflow_orchestration_tests.embedded import Room, embedded_server, fresh_room
from kmflow_orchestration_tests.embedded_groups import GroupsInRoom
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.operations.convert.conftest import loans, workbook

__all__ = ["embedded_server", "loans", "workbook"]

STATEMENTS = "/api/2.0/sql/statements"
SCHEMA = "kmflow.acme_evidence"
Convert = Callable[..., dict[str, Any]]


@dataclass
class World:
    """acme's tables as its conversions make them."""

    room: Room
    tables: GroupTables

    def rows(self, table: str) -> pa.Table:
        return self.tables.statements.fetch(f"SELECT * FROM {table} ORDER BY 1")

    def names(self) -> frozenset[str]:
        """Every table of the group's first schema."""
        return self.tables.catalog.tables(*SCHEMA.split("."))

    def properties(self, table: str) -> dict[str, str] | None:
        return self.tables.catalog.table_properties(TableName(*table.split(".")))

    def staged(self) -> list[str]:
        """What lies in the staging folder."""
        place = self.tables.places.config.volume.joined(*STAGING)
        return [one.name for one in self.tables.volumes.access.list_names(place)]

    def fault(self, **settings: object) -> None:
        self.room.server.faults.add(Fault(**settings))  # type: ignore[arg-type]

    def uploads(self) -> int:
        return self.room.server.requests("PUT").count()

    def statements(self) -> int:
        return self.room.server.requests("POST", STATEMENTS).count()


@pytest.fixture(scope="module")
def shared(embedded_server: EmbeddedWorkspace) -> Iterator[World]:
    clock = FakeClock(datetime.now(UTC))
    room = fresh_room(embedded_server)
    groups = GroupsInRoom(room, clock)
    config = groups.config("acme")
    neighbours = [config, groups.config("globex")]
    calls = groups.calls("acme")
    places = GroupPlaces(config, lambda: neighbours)
    tables = GroupTables(
        places,
        Volumes(VolumeFiles(calls), places),
        Statements(calls, Warehouse(calls, clock=clock), clock),
        UnityCatalog(calls),
        Staging(config.volume, VolumeFiles(calls)),
    )
    yield World(room, tables)
    groups.close()


@pytest.fixture
def world(shared: World) -> Iterator[World]:
    shared.room.server.faults.clear()
    shared.room.server.services.request_log.clear()
    yield shared
    shared.room.server.faults.clear()
    # Whatever happened, nothing stays where it was staged.
    assert shared.staged() == []


@pytest.fixture
def table() -> str:
    """A name that nobody has."""
    return f"{SCHEMA}.t_{uuid4().hex[:12]}"


@pytest.fixture
def convert(world: World, table: str) -> Convert:
    def call(source: Path | str, **given: Any) -> dict[str, Any]:
        named = given.pop("table", table)
        dry_run = given.pop("dry_run", False)
        options = conversion_options({"format_type": "delta", "table": named, **given})
        return convert_to_table(str(source), options, tables=world.tables, dry_run=dry_run)

    return call
