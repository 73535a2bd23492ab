"""A group of a `SensorWorld` whose store and tables are on the embedded workspace."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg

from kmflow_orchestration.context import GroupContext
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.provision import provision
from kmflow_orchestration.partitions.keys import GROUPS, day_key
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration_tests.dagster_skins.sensor_world import SensorWorld
from kmflow_orchestration_tests.embedded import Room


class WorkspaceWorld:
    """Group `acme` on a room of its own, provisioned, with one file that has come to rest."""

    def __init__(self, world: SensorWorld, room: Room) -> None:
        self.world, self.room = world, room
        warehouse = room.server.services.warehouses.default_id(room.admin.workspace_id)
        world.add_group(
            "acme",
            evidence_volume="evidence",
            workspace_url=room.url,
            warehouse_id=warehouse,
            token="env:ACME_TOKEN",
            allow_insecure_loopback=True,
        )
        provision(self.group.config, self.group.lakehouse, world.context.clients.get(self.config))
        world.instance.add_dynamic_partitions(GROUPS.name or "", ["acme"])
        world.drop("acme", "e1/a.md", "# a\n")
        world.tick("evidence_arrival")

    @property
    def group(self) -> GroupContext:
        return self.world.context.group(GroupId("acme"))

    @property
    def config(self) -> Any:
        return self.group.config

    def run(self, assets: Sequence[dg.AssetKey], partition: str = "") -> dg.ExecuteInProcessResult:
        """A run of the group's day, or of another partition."""
        return self.world.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=self.world.instance,
            asset_selection=list(assets),
            partition_key=partition or str(day_key("acme", self.world.today)),
            raise_on_error=False,
        )

    @contextmanager
    def warehouse_refuses(self) -> Iterator[None]:
        """Every statement is refused at once, files go on."""
        fault = Fault(
            "fail_times",
            path="/api/2.0/sql/statements*",
            times=1000,
            status=403,
            error_code="PERMISSION_DENIED",
        )
        number = self.room.server.faults.add(fault)
        yield
        self.room.server.faults.remove(number)

    def rows(self) -> list[str]:
        """Paths of the metadata rows."""
        table = self.config.namespace.base("evidence_metadata").sql
        found = self.group.lakehouse.query(f"SELECT volume_path FROM {table}")
        return [str(path) for path in found["volume_path"].to_pylist()]


@contextmanager
def workspace_world(
    home: Path, database_url: str, room: Room, *, metadata: str = "outbox"
) -> Iterator[WorkspaceWorld]:
    """The world with its token in the environment already."""
    with SensorWorld(home, database_url, storage_backend="databricks", metadata=metadata) as opened:
        yield WorkspaceWorld(opened, room)
