"""What a group can see in its own workspace, for whoever fills in its settings (row A9)."""

from __future__ import annotations

from dataclasses import dataclass

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.databricks_client.calls import WorkspaceCalls
from kmflow_orchestration.databricks_client.unity_catalog import UnityCatalog
from kmflow_orchestration.databricks_client.warehouses import WarehouseFound, list_warehouses
from kmflow_orchestration.databricks_client.workspace_info import current_principal


@dataclass(frozen=True, slots=True)
class WorkspaceView:
    """A workspace through one group's eyes. `schemas` are those of `catalog`, if it is there."""

    host: str
    auth_kind: str
    identity: str
    warehouses: tuple[WarehouseFound, ...]
    catalogs: tuple[str, ...]
    catalog: str
    schemas: tuple[str, ...]


def discover_workspace(
    config: GroupConfig, calls: WorkspaceCalls, *, catalog: str = ""
) -> WorkspaceView:
    """Look around in the group's workspace; the host is always that of its own settings.

    `catalog` is whose schemas to list, by default the group's.

    Raises:
        AccessRefused: the workspace does not accept the group's credential.
        RemoteFault: it does not answer.
    """
    principal = current_principal(calls)
    unity, chosen = UnityCatalog(calls), catalog or config.catalog
    return WorkspaceView(
        host=config.host,
        auth_kind=calls.auth_kind,
        identity=principal.user_name,
        warehouses=list_warehouses(calls),
        catalogs=tuple(sorted(unity.catalogs())),
        catalog=chosen,
        schemas=tuple(sorted(unity.schemas(chosen))),
    )
