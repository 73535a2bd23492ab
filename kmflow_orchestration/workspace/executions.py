"""Statements on their way, by whichever door they came: waiting for the warehouse, running, over.

The Statement Execution API and the Thrift endpoint share this core, and so the router, the grants
and the engine below it.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Protocol

from kmflow_orchestration.workspace.sql_engine import Answer, Request
from kmflow_orchestration.workspace.sql_errors import SqlError
from kmflow_orchestration.workspace.sql_services import SqlServices
from kmflow_orchestration.workspace.wire import Caller

_THREADS = 64
_WAREHOUSE_POLL_S = 0.01


class Kept(Protocol):
    """What is kept of a statement that went well, until nobody can ask for it any more."""

    def discard(self) -> None:
        """Free what it holds; a second call is harmless."""
        ...


@dataclass(slots=True)
class Execution:
    """One statement; mutable, its state moves forward under `lock`.

    `keep` takes the engine's answer over and returns what is kept as `result`; it may raise
    SqlError, as reading the answer's batches may.
    """

    id: str
    caller: Caller
    warehouse_id: str
    request: Request
    keep: Callable[[Answer], Kept]
    state: str = "PENDING"
    error: SqlError | None = None
    result: Kept | None = None
    finished: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def is_under_way(self) -> bool:
        """Whether it is neither over nor cancelled."""
        return not self.finished.is_set()

    def move(
        self, state: str, *, error: SqlError | None = None, result: Kept | None = None
    ) -> bool:
        """Enter a state unless the statement is over; whether it did."""
        with self.lock:
            if self.finished.is_set():
                return False
            self.state, self.error, self.result = state, error, result
            if state not in {"PENDING", "RUNNING"}:
                self.finished.set()
            return True


class Executions:
    """Runs statements of all workspaces on threads of its own; results lie in `directory`."""

    def __init__(self, services: SqlServices) -> None:
        self._services = services
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="statement")
        self._lock = threading.Lock()
        self._by_id: dict[str, Execution] = {}
        self.directory = services.state.directory / "statement_results"
        # Results of an earlier process can no longer be asked for.
        shutil.rmtree(self.directory, ignore_errors=True)

    def start(self, execution: Execution) -> None:
        """Let it run; `finished` tells when it is over."""
        with self._lock:
            self._by_id[execution.id] = execution
        self._pool.submit(self._run, execution)

    def cancel(self, execution: Execution) -> None:
        """End it; one that is over stays as it is."""
        if execution.move("CANCELED"):
            self._services.engine.cancel(execution.caller.workspace_id, execution.id)

    def close(self) -> None:
        """Cancel what runs and end the threads."""
        with self._lock:
            running = list(self._by_id.values())
        for execution in running:
            self.cancel(execution)
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _run(self, execution: Execution) -> None:
        try:
            if not self._warehouse_ready(execution) or not execution.move("RUNNING"):
                return
            request = replace(execution.request, is_wanted=execution.is_under_way)
            result = execution.keep(self._services.engine.run(request))
        except SqlError as error:
            execution.move("FAILED", error=error)
        except Exception as error:
            execution.move("FAILED", error=SqlError("INTERNAL_ERROR", type(error).__name__))
            raise
        else:
            if not execution.move("SUCCEEDED", result=result):
                result.discard()  # cancelled meanwhile: nobody will ask for it
        finally:
            with self._lock:
                self._by_id.pop(execution.id, None)

    def _warehouse_ready(self, execution: Execution) -> bool:
        """Wait for the warehouse; False when the statement was cancelled meanwhile."""
        warehouses, workspace_id = self._services.warehouses, execution.caller.workspace_id
        while warehouses.state(workspace_id, execution.warehouse_id) != "RUNNING":
            warehouses.start(workspace_id, execution.warehouse_id)
            # Real time, as the warehouse's own may stand still in a test.
            if execution.finished.wait(_WAREHOUSE_POLL_S):
                return False
        return True
