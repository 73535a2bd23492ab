"""A warehouse that stands still for the whole run: rows wait, are counted, and come once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kmflow_orchestration.databricks_client.files import VolumeFiles
from kmflow_orchestration.databricks_client.statements import Statements
from kmflow_orchestration.databricks_client.unity_catalog import UnityCatalog
from kmflow_orchestration.databricks_client.warehouses import Warehouse
from kmflow_orchestration.errors import WarehouseNotStarted
from kmflow_orchestration.intake.evidence_register import EvidenceRegister
from kmflow_orchestration.metadata.engine import open_sessions
from kmflow_orchestration.operations.provision import table_name
from kmflow_orchestration.operations.publish_bronze import PublishedBronze, publish_bronze
from kmflow_orchestration.storage.evidence_stores import EvidenceStores
from kmflow_orchestration.storage.interfaces import Lakehouse
from kmflow_orchestration.storage.own_tables import OwnTables
from kmflow_orchestration.storage.warehouse_lakehouse import WarehouseLakehouse
from kmflow_orchestration.tables.medallion import BRONZE_EVIDENCE_RAW, EVIDENCE_METADATA
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration.workspace.server import EmbeddedWorkspace
from kmflow_orchestration_tests.control_databases import engine_of
from kmflow_orchestration_tests.embedded import fresh_room
from kmflow_orchestration_tests.embedded_groups import GroupsInRoom
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.intake.landing_place import LandingPlace
from kmflow_orchestration_tests.operations.faults.conftest import Remote

HOUR_S = 3600


@pytest.fixture
def timed(acme: LandingPlace, tmp_path: Path, clock: FakeClock) -> Iterator[Remote]:
    """On a server that lives by the test's clock."""
    with EmbeddedWorkspace(tmp_path / "state", clock=clock) as server:
        groups = GroupsInRoom(fresh_room(server), clock)
        yield Remote(acme, groups.room, groups)
        groups.close()


def tables(remote: Remote) -> Lakehouse:
    config = remote.groups.config("acme")
    calls, clock = remote.groups.calls("acme"), remote.place.clock
    warehouse = Warehouse(calls, config.warehouse_id, clock=clock)
    made = WarehouseLakehouse(
        OwnTables(config.group_id, config.namespace),
        config.volume,
        # As the product makes it, but for a patience that costs the test fewer looks.
        statements=Statements(calls, warehouse, clock, timeout_s=30),
        files=VolumeFiles(calls),
        catalog=UnityCatalog(calls),
        clock=clock,
    )
    for definition in (EVIDENCE_METADATA, BRONZE_EVIDENCE_RAW):
        made.ensure_table(table_name(config.namespace, definition), definition)
    return made


def register(remote: Remote) -> EvidenceRegister:
    return EvidenceRegister(open_sessions(engine_of(remote.place.database_url)), remote.place.clock)


def published(remote: Remote, lakehouse: Lakehouse) -> PublishedBronze:
    return publish_bronze(
        remote.place.group,
        remote.place.today,
        ledger=remote.place.ledger,
        register=register(remote),
        stores=EvidenceStores.only(remote.store),
        lakehouse=lakehouse,
        config=remote.groups.config("acme"),
    )


def names(remote: Remote, lakehouse: Lakehouse, table: str) -> list[str]:
    namespace = remote.groups.config("acme").namespace
    place = namespace.base(table) if table == EVIDENCE_METADATA.name else namespace.bronze(table)
    found = lakehouse.query(f"SELECT file_name FROM {place.sql} ORDER BY file_name")
    return [str(one) for one in found["file_name"].to_pylist()]


def test_rows_wait_while_the_warehouse_stands_still_and_are_written_once_it_runs(
    timed: Remote,
) -> None:
    lakehouse = tables(timed)
    timed.drop("a.csv", "b.csv")
    assert len(timed.take_in().stored) == 2
    warehouses, room = timed.room.server.services.warehouses, timed.room.admin.workspace_id
    warehouses.stop(room, warehouses.default_id(room))
    timed.room.server.faults.add(Fault("cold_warehouse", seconds=HOUR_S))

    with pytest.raises(WarehouseNotStarted, match="did not take the statement within 30 s"):
        published(timed, lakehouse)

    assert register(timed).without_metadata(timed.place.group) == 2
    # The day is not over: files go on, and their rows wait with the others.
    timed.drop("c.csv")
    assert len(timed.take_in().stored) == 1
    assert register(timed).without_metadata(timed.place.group) == 3

    timed.place.clock.advance(HOUR_S)
    assert published(timed, lakehouse).rows == 3
    assert register(timed).without_metadata(timed.place.group) == 0
    published(timed, lakehouse)
    for table in (EVIDENCE_METADATA.name, BRONZE_EVIDENCE_RAW.name):
        assert names(timed, lakehouse, table) == ["a.csv", "b.csv", "c.csv"]
