"""`/api/2.0/secrets`: reading a secret scope."""

from __future__ import annotations

import base64
from typing import Any

from starlette.routing import Route

from kmflow_orchestration.workspace.services import Services
from kmflow_orchestration.workspace.wire import Call, WireError, endpoint


def routes(services: Services) -> list[Route]:
    """`get` and `list`; values travel as base64."""

    def get(call: Call) -> dict[str, Any]:
        scope, key = _needed(call, "scope"), _needed(call, "key")
        value = services.secret_scopes.get(call.caller, scope, key)
        return {"key": key, "value": base64.b64encode(value.encode()).decode()}

    def listed(call: Call) -> dict[str, Any]:
        keys = services.secret_scopes.keys(call.caller, _needed(call, "scope"))
        return {"secrets": [{"key": key, "last_updated_timestamp": at} for key, at in keys]}

    return [
        Route("/api/2.0/secrets/get", endpoint(get), methods=["GET"]),
        Route("/api/2.0/secrets/list", endpoint(listed), methods=["GET"]),
    ]


def _needed(call: Call, name: str) -> str:
    value = call.query.get(name, "")
    if not value:
        raise WireError(400, "INVALID_PARAMETER_VALUE", f"Missing required field: {name}")
    return value
