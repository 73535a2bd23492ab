"""SQL warehouses: one for each workspace, stopped at first, started by the first statement.

How long a start takes is a fault's choice (`cold_warehouse`); without one it is ready at once.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from starlette.routing import Route

from kmflow_orchestration.workspace.foundation import Foundation
from kmflow_orchestration.workspace.wire import Call, WireError, endpoint

_NAME = "Embedded Warehouse"


@dataclass(slots=True)
class _Warehouse:
    """Mutable: a warehouse lives only in this process. `ready_at` None means stopped."""

    id: str
    ready_at: datetime | None = None


class Warehouses:
    """The warehouses of all workspaces. A restarted server finds them stopped."""

    def __init__(self, services: Foundation) -> None:
        self._services = services
        self._clock = services.state.clock
        self._lock = threading.Lock()
        self._by_workspace: dict[str, _Warehouse] = {}

    def default_id(self, workspace_id: str) -> str:
        """Id of the workspace's warehouse; the same in every run of the server."""
        return hashlib.sha256(f"warehouse of {workspace_id}".encode()).hexdigest()[:16]

    def state(self, workspace_id: str, warehouse_id: str) -> str:
        """STOPPED, STARTING or RUNNING. Raises WireError 404."""
        ready_at = self._get(workspace_id, warehouse_id).ready_at
        if ready_at is None:
            return "STOPPED"
        return "RUNNING" if self._clock.now() >= ready_at else "STARTING"

    def start(self, workspace_id: str, warehouse_id: str) -> None:
        """Start it if it is stopped. Raises WireError 404."""
        warehouse = self._get(workspace_id, warehouse_id)
        with self._lock:
            if warehouse.ready_at is None:
                cold_s = self._services.faults.cold_start_s()
                warehouse.ready_at = self._clock.now() + timedelta(seconds=cold_s)

    def stop(self, workspace_id: str, warehouse_id: str) -> None:
        """Stop it; statements that run already go on to their end. Raises WireError 404."""
        self._get(workspace_id, warehouse_id).ready_at = None

    def described(self, workspace_id: str, warehouse_id: str) -> Mapping[str, Any]:
        """The warehouse as the REST API shows it. Raises WireError 404."""
        state = self.state(workspace_id, warehouse_id)
        address = urlsplit(self._services.url)
        path = f"/sql/1.0/warehouses/{warehouse_id}"
        return {
            "id": warehouse_id,
            "name": _NAME,
            "cluster_size": "2X-Small",
            "min_num_clusters": 1,
            "max_num_clusters": 1,
            "auto_stop_mins": 0,
            "num_clusters": 0 if state == "STOPPED" else 1,
            "enable_photon": False,
            "enable_serverless_compute": True,
            "warehouse_type": "PRO",
            "state": state,
            "odbc_params": {
                "hostname": address.hostname or "",
                "port": address.port or 0,
                "path": path,
                "protocol": address.scheme,
            },
        }

    def _get(self, workspace_id: str, warehouse_id: str) -> _Warehouse:
        if warehouse_id != self.default_id(workspace_id):
            raise WireError(
                404, "RESOURCE_DOES_NOT_EXIST", f"SQL warehouse {warehouse_id} does not exist."
            )
        with self._lock:
            return self._by_workspace.setdefault(workspace_id, _Warehouse(warehouse_id))


def routes(warehouses: Warehouses) -> list[Route]:
    """List, get, start and stop."""

    def listed(call: Call) -> Mapping[str, Any]:
        workspace_id = call.caller.workspace_id
        warehouse_id = warehouses.default_id(workspace_id)
        return {"warehouses": [warehouses.described(workspace_id, warehouse_id)]}

    def got(call: Call) -> Mapping[str, Any]:
        return warehouses.described(call.caller.workspace_id, call.path["id"])

    def started(call: Call) -> Mapping[str, Any]:
        warehouses.start(call.caller.workspace_id, call.path["id"])
        return {}

    def stopped(call: Call) -> Mapping[str, Any]:
        warehouses.stop(call.caller.workspace_id, call.path["id"])
        return {}

    root = "/api/2.0/sql/warehouses"
    return [
        Route(root, endpoint(listed), methods=["GET"]),
        Route(f"{root}/{{id}}", endpoint(got), methods=["GET"]),
        Route(f"{root}/{{id}}/start", endpoint(started), methods=["POST"]),
        Route(f"{root}/{{id}}/stop", endpoint(stopped), methods=["POST"]),
    ]
