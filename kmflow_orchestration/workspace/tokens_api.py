"""`/api/2.0/token/list`: the caller's own personal access tokens, without their values.

When one was made is not kept here, so that `creation_time` is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.routing import Route

from kmflow_orchestration.workspace.services import Services
from kmflow_orchestration.workspace.wire import Call, endpoint


def routes(services: Services) -> list[Route]:
    """The list alone: tokens are made by whoever seeds a workspace."""

    def listed(call: Call) -> Mapping[str, Any]:
        rows = services.state.database.execute(
            "SELECT tokens.token_sha256 AS digest, expires_at FROM tokens"
            " LEFT JOIN token_limits ON token_limits.token_sha256 = tokens.token_sha256"
            " WHERE workspace_id = ? AND principal = ? ORDER BY digest",
            (call.caller.workspace_id, call.caller.principal),
        )
        return {
            "token_infos": [
                {"token_id": row["digest"], "comment": "", "expiry_time": _milliseconds(row)}
                for row in rows
            ]
        }

    return [Route("/api/2.0/token/list", endpoint(listed), methods=["GET"])]


def _milliseconds(row: Any) -> int:
    return -1 if row["expires_at"] is None else int(row["expires_at"] * 1000)
