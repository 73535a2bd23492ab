"""What a conversion may do with the tables of one group."""

from __future__ import annotations

from dataclasses import dataclass

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.credentials.own_connection import NO_WAREHOUSE
from kmflow_orchestration.databricks_client.connections import Connections
from kmflow_orchestration.databricks_client.files import VolumeFiles
from kmflow_orchestration.databricks_client.statements import Statements
from kmflow_orchestration.databricks_client.unity_catalog import UnityCatalog
from kmflow_orchestration.databricks_client.warehouses import Warehouse
from kmflow_orchestration.operations.volume_conversion.places import GroupPlaces
from kmflow_orchestration.operations.volume_conversion.volumes import Volumes
from kmflow_orchestration.storage.staging import Staging


@dataclass(frozen=True)
class GroupTables:
    """Tables of the group whose `places` these are; `volumes` bring its sources."""

    places: GroupPlaces
    volumes: Volumes
    statements: Statements
    catalog: UnityCatalog
    staging: Staging


def own_tables(connections: Connections, volumes: Volumes) -> GroupTables | None:
    """Tables over the connection that `volumes` go over, if they are a group's."""
    if volumes.places is None:
        return None
    return tables_over(connections, volumes.places, volumes, clock=volumes.clock)


def tables_over(
    connections: Connections, places: GroupPlaces, volumes: Volumes, *, clock: Clock
) -> GroupTables:
    """Tables of the group whose places these are. Raises as `ClientCache.get`."""
    config = places.config
    calls = connections.clients.get(config)
    warehouse_id = config.warehouse_id
    if warehouse_id == NO_WAREHOUSE:
        # A connection of one's own, as it is for files alone.
        warehouse_id = connections.own.warehouse_id
    return GroupTables(
        places,
        volumes,
        Statements(calls, Warehouse(calls, warehouse_id, clock=clock), clock),
        UnityCatalog(calls),
        Staging(config.volume, VolumeFiles(calls)),
    )
