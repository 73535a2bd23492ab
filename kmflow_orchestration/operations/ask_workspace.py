"""What a caller may ask of a group's workspace (rows A8 to A10). Admins of the group only.

The host is always that of the group's saved settings: no question takes another. A caller that
brought a token of its own asks with it, and with the group's credential only where that token lacks
the scope; one that brought none asks as the group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from kmflow_orchestration.access.caller import Caller
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.databricks_client.calls import WorkspaceCalls
from kmflow_orchestration.databricks_client.connect import ClientCache
from kmflow_orchestration.databricks_client.group_sign_in import signs_in_by_itself, ways
from kmflow_orchestration.databricks_client.unity_catalog import UnityCatalog
from kmflow_orchestration.databricks_client.warehouses import WarehouseFound, list_warehouses
from kmflow_orchestration.databricks_client.workspace_info import current_principal
from kmflow_orchestration.errors import AccessRefused, UnknownGroup
from kmflow_orchestration.metadata.group_configs import GroupConfigs
from kmflow_orchestration.operations.check_connection import ConnectionCheck

_OF_WAYS = {"client_id": "its service principal", "auth_type": "its auth_type"}


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


@dataclass(frozen=True, slots=True)
class WorkspaceEnvironment:
    """Where a group's work goes and as whom; `user_identity` is '' for who is not let in."""

    databricks_host: str
    auth_method: str
    user_identity: str
    authenticated: bool


@dataclass(frozen=True, slots=True)
class PersonalToken:
    """Whether a caller has to bring a workspace token of its own, and why."""

    personal_token_required: bool
    message: str


def check_workspace(
    group: str,
    *,
    caller: Caller,
    configs: GroupConfigs,
    check: Callable[[GroupConfig], ConnectionCheck],
) -> ConnectionCheck:
    """Try all that the group's work needs of its workspace, with the group's own credential.

    Raises:
        CallerRefused: the group is none of the caller's, or the caller no admin.
        UnknownGroup: it has no settings.
    """
    own = caller.require(Role.ADMIN, group)
    config = configs.find(own)
    if config is None:
        raise UnknownGroup(f"there is no group {own!r}", hint="kmflow group list")
    return check(config)


def discover_workspace(
    group: str,
    *,
    caller: Caller,
    configs: GroupConfigs,
    clients: ClientCache,
    catalog: str = "",
) -> WorkspaceView:
    """Look around in the group's workspace, for whoever fills in its settings.

    `catalog` is whose schemas to list, by default the group's.

    Raises:
        CallerRefused: the group is none of the caller's, or the caller no admin.
        UnknownGroup: it has no settings, or is disabled.
        ConfigurationError: its settings do not suffice to ask.
        AccessRefused: the workspace does not accept the credential.
        RemoteFault: it does not answer.
    """
    config = configs.active(caller.require(Role.ADMIN, group))
    with _opened(config, caller, clients) as calls:
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


def workspace_environment(
    group: str, *, caller: Caller, configs: GroupConfigs, clients: ClientCache
) -> WorkspaceEnvironment:
    """Host, way to sign in, and who that is; a credential that is refused is an answer, too.

    Raises:
        CallerRefused, UnknownGroup, ConfigurationError, RemoteFault: as `discover_workspace`.
    """
    config = configs.active(caller.require(Role.ADMIN, group))
    with _opened(config, caller, clients) as calls:
        kind = calls.sign_in.kind
        try:
            identity = current_principal(calls, is_patient=False).user_name
        except AccessRefused:
            return WorkspaceEnvironment(config.host, kind, "", authenticated=False)
        return WorkspaceEnvironment(config.host, kind, identity, authenticated=True)


def personal_token_required(group: str, *, caller: Caller, configs: GroupConfigs) -> PersonalToken:
    """Whether the caller must bring a token of its own; the workspace is not asked.

    Raises:
        CallerRefused, UnknownGroup: as `discover_workspace`.
        ConfigurationError: the group's settings name ways to sign in that exclude each other.
    """
    config = configs.active(caller.require(Role.ADMIN, group))
    if not config.workspace_url:
        return PersonalToken(False, f"group {config.group_id} has no workspace to sign in to")
    if signs_in_by_itself(config):
        own = ", then ".join(_OF_WAYS.get(way, f"its {way}") for way in ways(config))
        return PersonalToken(False, f"group {config.group_id} signs in by {own}")
    if caller.access_token is not None:
        return PersonalToken(False, "you brought a token of your own")
    return PersonalToken(
        True,
        f"group {config.group_id} has no credential: bring a token of your own, or set token, "
        "profile, or client_id with client_secret",
    )


@contextmanager
def _opened(config: GroupConfig, caller: Caller, clients: ClientCache) -> Iterator[WorkspaceCalls]:
    """The caller's way to the workspace: on its own behalf first (row A10), else the group's."""
    if caller.access_token is None:
        yield clients.get(config)
        return
    calls = clients.on_behalf_of(config, caller.access_token)
    try:
        yield calls
    finally:
        calls.close()
