"""How the columns of a group's dataset tables changed, for whoever asks (row CD-N5)."""

from __future__ import annotations

from kmflow_orchestration.access.caller import Caller
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.metadata.dataset_drift import DatasetDrift
from kmflow_orchestration.metadata.dataset_tables import DatasetTables
from kmflow_orchestration.operations.dataset_names import no_such_table


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
        InvalidSettings: it has no table of that name, and never had.
    """
    own = caller.require(Role.VIEWER, group)
    found = registry.drift.newest(own, table_name=table, limit=limit)
    if table is not None and not found and not registry.keys_of(own, [table]):
        raise no_such_table(own, table, registry.names(own))
    return found
