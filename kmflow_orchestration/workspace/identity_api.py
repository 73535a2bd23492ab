"""Who am I, and where: host metadata and the SCIM record of the caller."""

from __future__ import annotations

import hashlib

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kmflow_orchestration.workspace.services import Services
from kmflow_orchestration.workspace.wire import caller

_USER_SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:User"


def routes(services: Services) -> list[Route]:
    """Host metadata (asked without credentials) and `current_user.me()`."""

    async def host_metadata(request: Request) -> Response:
        host = f"{request.url.scheme}://{request.url.netloc}"
        metadata = {
            "oidc_endpoint": f"{host}/oidc",
            "account_id": "embedded",
            "cloud": services.cloud,
        }
        workspaces = list(services.state.workspaces())
        if len(workspaces) == 1:  # with several on one host only the token tells which
            metadata["workspace_id"] = workspaces[0]
        return JSONResponse(metadata)

    async def me(request: Request) -> Response:
        who = caller(request)
        groups = ["users", *(["admins"] if services.state.is_admin(who) else [])]
        return JSONResponse(
            {
                "schemas": [_USER_SCHEMA],
                "id": principal_number(who.workspace_id, who.principal),
                "userName": who.principal,
                "displayName": who.principal,
                "active": True,
                "emails": [{"value": who.principal, "primary": True, "type": "work"}],
                "groups": [{"display": name, "type": "direct"} for name in groups],
            }
        )

    return [
        Route("/.well-known/databricks-config", host_metadata),
        Route("/api/2.0/preview/scim/v2/Me", me),
    ]


def principal_number(workspace_id: str, principal: str) -> str:
    """A stable 16-digit id of a principal, as SCIM has one."""
    digest = hashlib.sha256(f"{workspace_id}\n{principal}".encode()).digest()
    return str(10**15 + int.from_bytes(digest[:6], "big"))
