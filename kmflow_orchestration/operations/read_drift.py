"""How the columns of a group's dataset tables changed, for whoever asks (row CD-N5)."""

from __future__ import annotations

from kmflow_orchestration.access.caller import Caller
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.metadata.dataset_drift import DatasetDrift
from kmflow_orchestration.metadata.dataset_tables import DatasetTables


def drift_of_group(
    group: str,
    *,
    caller: Caller,
    registry: DatasetTables,
    table: str | None = None,
    limit: int = 100,
) -> list[DatasetDrift]:
    """Changes of all its tables, or of one, newest first.

    Raises:
        CallerRefused: the group is none of the caller's.
    """
    own = caller.require(Role.VIEWER, group)
    return registry.drift.newest(own, table_name=table, limit=limit)
