"""Which SQL warehouse a group's statements run on (row B9)."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import Any

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.databricks_client.calls import WorkspaceCalls, required
from kmflow_orchestration.databricks_client.waiting import wait_until
from kmflow_orchestration.errors import WarehouseNotStarted, WarehouseUnavailable

logger = logging.getLogger(__name__)
_WAREHOUSES = "/api/2.0/sql/warehouses"
# Best first; one that is being deleted is no choice at all.
_ORDER = ("RUNNING", "STARTING", "STOPPED", "STOPPING")


@dataclass(frozen=True, slots=True)
class WarehouseFound:
    """A SQL warehouse as a listing shows it; `state` is the platform's word."""

    id: str
    name: str
    state: str


def list_warehouses(calls: WorkspaceCalls) -> tuple[WarehouseFound, ...]:
    """The SQL warehouses a group may see, by name."""
    listed = calls.do("GET", _WAREHOUSES).get("warehouses") or ()
    found = (
        WarehouseFound(
            str(required(one, "id", f"GET {_WAREHOUSES}")),
            str(one.get("name") or ""),
            str(one.get("state") or ""),
        )
        for one in listed
    )
    return tuple(sorted(found, key=lambda one: (one.name, one.id)))


class Warehouse:
    """The SQL warehouse of one client: the configured one, else discovered at first use."""

    def __init__(self, calls: WorkspaceCalls, configured_id: str = "", *, clock: Clock) -> None:
        self._calls = calls
        self._clock = clock
        self._id = configured_id
        self._lock = threading.Lock()

    @property
    def id(self) -> str:
        """Raises WarehouseUnavailable: none is configured and none can be found or started."""
        with self._lock:
            if not self._id:
                self._id = discover_warehouse(self._calls, clock=self._clock)
            return self._id


def discover_warehouse(calls: WorkspaceCalls, *, clock: Clock, start_timeout_s: float = 300) -> str:
    """Id of a usable warehouse: a running one, else a starting, else a stopped one, by name.

    A stopped one is started and waited for.

    Raises:
        WarehouseUnavailable: there is none, or it did not start in time.
    """
    candidates = [
        warehouse
        for warehouse in calls.do("GET", _WAREHOUSES).get("warehouses") or ()
        if warehouse.get("state") in _ORDER
    ]
    if not candidates:
        raise WarehouseUnavailable(
            "the workspace has no SQL warehouse this group may use",
            hint="create one, or set warehouse_id in the group's configuration",
        )
    chosen = min(candidates, key=_preference)
    warehouse_id = str(required(chosen, "id", f"GET {_WAREHOUSES}"))
    if chosen["state"] != "RUNNING":
        _start(calls, warehouse_id, clock=clock, timeout_s=start_timeout_s)
    return warehouse_id


def ready_warehouse(
    calls: WorkspaceCalls, warehouse_id: str, *, clock: Clock, start_timeout_s: float
) -> str:
    """The state a warehouse was found in; one that is not running is started and waited for.

    Raises:
        RemoteNotFound: there is no such warehouse, or the group may not see it.
        WarehouseNotStarted: it did not run after `start_timeout_s` seconds.
    """
    state = str(
        required(calls.do("GET", f"{_WAREHOUSES}/{warehouse_id}"), "state", f"GET {_WAREHOUSES}")
    )
    if state != "RUNNING":
        _start(calls, warehouse_id, clock=clock, timeout_s=start_timeout_s)
    return state


def _preference(warehouse: dict[str, Any]) -> tuple[int, str]:
    return _ORDER.index(warehouse["state"]), str(warehouse.get("name") or "")


def _start(calls: WorkspaceCalls, warehouse_id: str, *, clock: Clock, timeout_s: float) -> None:
    logger.info("starting SQL warehouse %s", warehouse_id)
    calls.do("POST", f"{_WAREHOUSES}/{warehouse_id}/start", body={})

    state = ""

    def running() -> bool | None:
        nonlocal state
        state = str(calls.do("GET", f"{_WAREHOUSES}/{warehouse_id}").get("state") or "")
        return True if state == "RUNNING" else None

    try:
        wait_until(running, timeout_s=timeout_s, clock=clock)
    except TimeoutError as error:
        raise WarehouseNotStarted(
            f"SQL warehouse {warehouse_id} is {state or 'away'} and did not run in {timeout_s:g} s",
            hint="start it or enable auto-start in the workspace, or name another warehouse_id",
        ) from error
