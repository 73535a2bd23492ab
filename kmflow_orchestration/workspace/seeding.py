"""Workspaces with something in them: principals, catalogs, schemas, Volumes, grants. Repeatable.

Client groups share one workspace as separate service principals; each owns nothing at first and
is granted what it needs in its own catalog, or its own schemas, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kmflow_orchestration.workspace.server import EmbeddedWorkspace
from kmflow_orchestration.workspace.services import Services
from kmflow_orchestration.workspace.wire import Caller, WireError

ADMIN = "workspace-admin"
SCHEMA_PRIVILEGES = (
    "USE_SCHEMA",
    "CREATE_TABLE",
    "CREATE_VOLUME",
    "SELECT",
    "MODIFY",
    "READ_VOLUME",
    "WRITE_VOLUME",
)
CATALOG_PRIVILEGES = ("USE_CATALOG", "CREATE_SCHEMA", *SCHEMA_PRIVILEGES)


@dataclass(frozen=True, slots=True)
class SeededGroup:
    """A client group's place in a workspace."""

    workspace_id: str
    principal: str
    catalog: str

    @property
    def caller(self) -> Caller:
        return Caller(self.workspace_id, self.principal)


def seed_workspace(workspace: EmbeddedWorkspace, name: str, *, admin_token: str) -> Caller:
    """A workspace of this name with an administrator, who is returned."""
    workspace_id = workspace.state.create_workspace(name)
    return workspace.state.create_principal(workspace_id, ADMIN, token=admin_token, admin=True)


def seed_group(
    workspace: EmbeddedWorkspace,
    admin: Caller,
    *,
    principal: str,
    token: str,
    catalog: str,
    schemas: tuple[str, ...] = (),
    volumes: tuple[str, ...] = (),
) -> SeededGroup:
    """A service principal with its token and its rights.

    Without `schemas` it may make schemas, tables and Volumes in the whole catalog; with them it
    may use the catalog and work in those schemas only, so that groups can share a catalog.
    `volumes` are `schema.volume`.
    """
    services = workspace.services
    workspace.state.create_principal(admin.workspace_id, principal, token=token)
    _make_catalog(services, admin, catalog)
    for schema in (*schemas, *(name.partition(".")[0] for name in volumes)):
        _make_schema(services, admin, catalog, schema)
    for volume in volumes:
        _make_volume(services, admin, catalog, volume)
    _grant(services, SeededGroup(admin.workspace_id, principal, catalog), schemas)
    return SeededGroup(admin.workspace_id, principal, catalog)


def seed_client(workspace: EmbeddedWorkspace, caller: Caller, *, secret: str) -> str:
    """A client secret for a principal (OAuth M2M); its client id."""
    return workspace.services.oauth.add_secret(caller, secret)


def seed_secret(
    workspace: EmbeddedWorkspace, scope: str, key: str, value: str, *, readers: Sequence[Caller]
) -> None:
    """A value in a secret scope of the readers' workspace; nobody but they may read it."""
    for workspace_id in {reader.workspace_id for reader in readers}:
        workspace.services.secret_scopes.put(workspace_id, scope, key, value)
    for reader in readers:
        workspace.services.secret_scopes.allow(reader, scope)


def _make_catalog(services: Services, admin: Caller, catalog: str) -> None:
    if services.catalog.find(admin.workspace_id, "CATALOG", catalog) is None:
        services.catalog.create_catalog(admin, catalog)


def _make_schema(services: Services, admin: Caller, catalog: str, schema: str) -> None:
    if services.catalog.find(admin.workspace_id, "SCHEMA", f"{catalog}.{schema}") is None:
        services.catalog.create_schema(admin, catalog, schema)


def _make_volume(services: Services, admin: Caller, catalog: str, volume: str) -> None:
    schema, _, name = volume.partition(".")
    if not name:
        raise WireError(400, "INVALID_PARAMETER_VALUE", f"'{volume}' is not schema.volume")
    if services.catalog.find(admin.workspace_id, "VOLUME", f"{catalog}.{volume}") is None:
        services.catalog.create_volume(admin, (catalog, schema), name)


def _grant(services: Services, group: SeededGroup, schemas: tuple[str, ...]) -> None:
    catalog = ("CATALOG", group.catalog)
    here = ("USE_CATALOG",) if schemas else CATALOG_PRIVILEGES
    services.catalog.grant(group.workspace_id, here, catalog, group.principal)
    for schema in schemas:
        place = ("SCHEMA", f"{group.catalog}.{schema}")
        services.catalog.grant(group.workspace_id, SCHEMA_PRIVILEGES, place, group.principal)
