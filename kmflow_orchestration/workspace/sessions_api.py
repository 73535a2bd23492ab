"""SQL sessions over REST, as newer drivers open them beside the Statement Execution API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.routing import Route

from kmflow_orchestration.workspace.services import Services
from kmflow_orchestration.workspace.sql_sessions import UnknownSession, session_id_of
from kmflow_orchestration.workspace.statement_request import invalid, text_of
from kmflow_orchestration.workspace.wire import Call, WireError, endpoint

_ROOT = "/api/2.0/sql/sessions"


def routes(services: Services) -> list[Route]:
    """Open and close; statements name a session by its id."""

    def opened(call: Call) -> Mapping[str, Any]:
        warehouse_id = text_of(call.body, "warehouse_id")
        try:
            session = services.sql_sessions.open(
                call.caller,
                warehouse_id,
                catalog=str(call.body.get("catalog") or ""),
                schema=str(call.body.get("schema") or ""),
            )
        except WireError as error:
            raise invalid(f"{warehouse_id} is not a valid endpoint id.") from error
        return {"session_id": str(session.id)}

    def closed(call: Call) -> Mapping[str, Any]:
        session_id = session_id_of(call.path["id"])
        try:
            services.sql_sessions.end(call.caller, session_id)
        except UnknownSession as error:
            raise WireError(404, "NOT_FOUND", f"The session {session_id} was not found.") from error
        return {}

    return [
        Route(_ROOT, endpoint(opened), methods=["POST"]),
        Route(f"{_ROOT}/{{id}}", endpoint(closed), methods=["DELETE"]),
    ]
