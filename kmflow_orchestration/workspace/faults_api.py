"""Arming and disarming faults over HTTP, for administrators of a workspace.

`POST /__kmflow/faults` with the fields of `Fault`; `GET` what is pending; `DELETE` all or one.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from starlette.routing import Route

from kmflow_orchestration.workspace.faults import Fault, RunEnd
from kmflow_orchestration.workspace.services import Services
from kmflow_orchestration.workspace.wire import Call, Handler, WireError, endpoint


def routes(services: Services) -> list[Route]:
    """The fault desk; every call of a non-administrator is refused."""

    def for_admins(handler: Handler) -> Any:
        def checked(call: Call) -> Any:
            if not services.state.is_admin(call.caller):
                raise WireError(403, "PERMISSION_DENIED", "Only administrators may inject faults.")
            return handler(call)

        return endpoint(checked)

    def add(call: Call) -> dict[str, object]:
        return {"fault_id": services.faults.add(parse_fault(dict(call.body)))}

    def pending(_: Call) -> dict[str, object]:
        armed = services.faults.pending()
        return {"faults": [{"fault_id": key, **asdict(fault)} for key, fault in armed.items()]}

    def clear(_: Call) -> dict[str, object]:
        services.faults.clear()
        return {}

    def remove(call: Call) -> dict[str, object]:
        services.faults.remove(int(call.path["fault_id"]))
        return {}

    path = "/__kmflow/faults"
    return [
        Route(path, for_admins(add), methods=["POST"]),
        Route(path, for_admins(pending), methods=["GET"]),
        Route(path, for_admins(clear), methods=["DELETE"]),
        Route(path + "/{fault_id:int}", for_admins(remove), methods=["DELETE"]),
    ]


def parse_fault(body: dict[str, Any]) -> Fault:
    """A fault from its JSON. Raises WireError 400 for unknown fields or names."""
    unknown = set(body) - {field.name for field in fields(Fault)}
    if unknown:
        raise WireError(400, "INVALID_PARAMETER_VALUE", f"unknown fields {sorted(unknown)}")
    try:
        if "run_end" in body:
            body["run_end"] = RunEnd(**body["run_end"])
        return Fault(**body)
    except (TypeError, ValueError) as error:
        raise WireError(400, "INVALID_PARAMETER_VALUE", str(error)) from error
