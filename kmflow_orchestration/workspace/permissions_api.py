"""Grants over REST: `permissions` and `effective-permissions` of Unity Catalog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.routing import Route

from kmflow_orchestration.workspace.grants import (
    METASTORE,
    METASTORE_NAME,
    Grant,
    denied,
    privileges_of,
)
from kmflow_orchestration.workspace.services import Services
from kmflow_orchestration.workspace.wire import Call, WireError, endpoint

_ROOT = "/api/2.1/unity-catalog"
_KINDS = frozenset({"METASTORE", "CATALOG", "SCHEMA", "TABLE", "VOLUME"})


def routes(services: Services) -> list[Route]:
    """Read and change grants; the securable's type in the path may have any case."""

    def got(call: Call) -> Mapping[str, Any]:
        kind, name = _place(services, call)
        grants = services.catalog.grants.on(call.caller.workspace_id, kind, name)
        return {"privilege_assignments": _assignments(_allowed(services, call, grants))}

    def effective(call: Call) -> Mapping[str, Any]:
        kind, name = _place(services, call)
        grants = services.catalog.grants.effective(call.caller.workspace_id, kind, name)
        return {
            "privilege_assignments": [
                {"principal": principal, "privileges": [_origin(grant, kind) for grant in held]}
                for principal, held in privileges_of(_allowed(services, call, grants)).items()
            ]
        }

    def changed(call: Call) -> Mapping[str, Any]:
        kind, name = _place(services, call)
        if not services.catalog.grants.may_manage(call.caller, kind, name):
            raise denied("MANAGE", kind, name)
        with services.state.database.transaction():
            for change in call.body.get("changes") or ():
                _apply(services, call.caller.workspace_id, (kind, name), change)
        return got(call)

    plain, inherited = f"{_ROOT}/permissions", f"{_ROOT}/effective-permissions"
    return [
        Route(f"{plain}/{{kind}}/{{name}}", endpoint(got), methods=["GET"]),
        Route(f"{plain}/{{kind}}/{{name}}", endpoint(changed), methods=["PATCH"]),
        Route(f"{inherited}/{{kind}}/{{name}}", endpoint(effective), methods=["GET"]),
    ]


def _apply(
    services: Services, workspace_id: str, place: tuple[str, str], change: Mapping[str, Any]
) -> None:
    principal = str(change.get("principal") or "")
    services.catalog.grant(workspace_id, change.get("add") or (), place, principal)
    for privilege in change.get("remove") or ():
        grant = Grant(place[0], place[1], principal, str(privilege))
        services.catalog.grants.remove(workspace_id, grant)


def _place(services: Services, call: Call) -> tuple[str, str]:
    kind = call.path["kind"].upper()
    if kind not in _KINDS:
        raise WireError(400, "INVALID_PARAMETER_VALUE", f"{kind} is not a valid securable type.")
    if kind == METASTORE:
        return METASTORE, METASTORE_NAME
    name = call.path["name"].lower()
    services.catalog.get(call.caller.workspace_id, kind, name)
    return kind, name


def _allowed(services: Services, call: Call, grants: Sequence[Grant]) -> list[Grant]:
    """All grants for who may manage the securable, else one's own; `principal` narrows."""
    kind, name = _place(services, call)
    everybody = services.catalog.grants.may_manage(call.caller, kind, name)
    wanted = call.query.get("principal")
    return [
        grant
        for grant in grants
        if (everybody or grant.principal == call.caller.principal)
        and wanted in {None, grant.principal}
    ]


def _assignments(grants: Sequence[Grant]) -> list[dict[str, Any]]:
    return [
        {"principal": principal, "privileges": [grant.privilege for grant in held]}
        for principal, held in privileges_of(grants).items()
    ]


def _origin(grant: Grant, kind: str) -> dict[str, str]:
    shown = {"privilege": grant.privilege}
    if grant.kind != kind:
        shown |= {"inherited_from_type": grant.kind, "inherited_from_name": grant.full_name}
    return shown
