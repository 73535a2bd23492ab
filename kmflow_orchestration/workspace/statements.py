"""The Statement Execution API (`/api/2.0/sql/statements`): submit, poll, fetch, cancel.

A statement that fails is an answer like any other: HTTP 200 with the state FAILED.
"""

from __future__ import annotations

import shutil
import threading
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from kmflow_orchestration.workspace.sql_engine import (
    DEFAULT_CATALOG,
    DEFAULT_SCHEMA,
    Request,
)
from kmflow_orchestration.workspace.sql_errors import SqlError
from kmflow_orchestration.workspace.sql_services import SqlServices
from kmflow_orchestration.workspace.statement_request import (
    disposition_of,
    invalid,
    limit_of,
    parameters_of,
    text_of,
    wait_s,
)
from kmflow_orchestration.workspace.statement_results import (
    Limits,
    Links,
    Result,
    TooLargeForInline,
    gather_arrow,
    gather_inline,
)
from kmflow_orchestration.workspace.wire import Call, Caller, WireError, endpoint

_ROOT = "/api/2.0/sql/statements"
_THREADS = 64
_WAREHOUSE_POLL_S = 0.01
# Finished statements beyond this number forget their results, oldest first.
_KEPT = 2000


@dataclass(slots=True)
class _Statement:
    """One submitted statement; mutable, its state moves forward under `lock`."""

    id: str
    caller: Caller
    warehouse_id: str
    disposition: str
    limits: Limits
    request: Request
    state: str = "PENDING"
    error: SqlError | None = None
    result: Result | None = None
    finished: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def move(self, state: str, *, error: SqlError | None = None) -> bool:
        """Enter a state unless the statement is over; whether it did."""
        with self.lock:
            if self.finished.is_set():
                return False
            self.state, self.error = state, error
            if state not in {"PENDING", "RUNNING"}:
                self.finished.set()
            return True


class Statements:
    """Statements of all workspaces; only the principal who made one can see it."""

    def __init__(self, services: SqlServices) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._statements: dict[str, _Statement] = {}
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="statement")
        self._directory = services.state.directory / "statement_results"
        # Results of an earlier process can no longer be asked for.
        shutil.rmtree(self._directory, ignore_errors=True)
        self.links = Links(services.state.clock)

    def submit(self, caller: Caller, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Start a statement and wait for it as long as the request says. Raises WireError."""
        seconds = wait_s(body)
        statement = self._accepted(caller, body)
        with self._lock:
            self._statements[statement.id] = statement
            self._forget_old()
        self._pool.submit(self._run, statement)
        over = statement.finished.wait(seconds)
        if not over and body.get("on_wait_timeout") == "CANCEL":
            self._cancel(statement)
        return self._described(statement)

    def get(self, caller: Caller, statement_id: str) -> Mapping[str, Any]:
        """State and, when it succeeded, manifest and first chunk. Raises WireError 404."""
        return self._described(self._of(caller, statement_id))

    def chunk(self, caller: Caller, statement_id: str, index: int) -> Mapping[str, Any]:
        """One chunk of a result. Raises WireError 404 or 400."""
        statement = self._of(caller, statement_id)
        if statement.result is None:
            raise WireError(
                400,
                "INVALID_PARAMETER_VALUE",
                f"The statement {statement_id} has no result: it is {statement.state}.",
            )
        return self._chunk(statement, statement.result, index)

    def cancel(self, caller: Caller, statement_id: str) -> None:
        """End a running statement; one that is over stays as it is. Raises WireError 404."""
        self._cancel(self._of(caller, statement_id))

    def close(self) -> None:
        """Cancel what runs and end the threads."""
        for statement in list(self._statements.values()):
            self._cancel(statement)
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _accepted(self, caller: Caller, body: Mapping[str, Any]) -> _Statement:
        warehouse_id = text_of(body, "warehouse_id")
        try:
            self._services.warehouses.start(caller.workspace_id, warehouse_id)
        except WireError as error:
            raise invalid(f"{warehouse_id} is not a valid endpoint id.") from error
        statement_id = str(uuid.uuid4())
        return _Statement(
            id=statement_id,
            caller=caller,
            warehouse_id=warehouse_id,
            disposition=disposition_of(body),
            limits=Limits(limit_of(body, "row_limit"), limit_of(body, "byte_limit")),
            request=Request(
                caller=caller,
                sql=text_of(body, "statement"),
                operation_id=statement_id,
                parameters=parameters_of(body),
                catalog=str(body.get("catalog") or DEFAULT_CATALOG),
                schema=str(body.get("schema") or DEFAULT_SCHEMA),
            ),
        )

    def _run(self, statement: _Statement) -> None:
        try:
            if not self._warehouse_ready(statement) or not statement.move("RUNNING"):
                return
            result = self._gathered(statement)
        except SqlError as error:
            statement.move("FAILED", error=error)
        except Exception as error:
            statement.move("FAILED", error=SqlError("INTERNAL_ERROR", type(error).__name__))
            raise
        else:
            statement.result = result
            statement.move("SUCCEEDED")

    def _warehouse_ready(self, statement: _Statement) -> bool:
        """Wait for the warehouse; False when the statement was cancelled meanwhile."""
        warehouses, workspace_id = self._services.warehouses, statement.caller.workspace_id
        while warehouses.state(workspace_id, statement.warehouse_id) != "RUNNING":
            warehouses.start(workspace_id, statement.warehouse_id)
            # Real time, as the warehouse's own may stand still in a test.
            if statement.finished.wait(_WAREHOUSE_POLL_S):
                return False
        return True

    def _gathered(self, statement: _Statement) -> Result:
        answer = self._services.engine.run(statement.request)
        if statement.disposition == "EXTERNAL_LINKS":
            file = self._directory / f"{statement.id}.arrow"
            return gather_arrow(answer, statement.limits, file)
        try:
            return gather_inline(answer, statement.limits)
        except TooLargeForInline as error:
            raise SqlError(
                "INLINE_BYTE_LIMIT_EXCEEDED",
                "Inline byte limit exceeded. Statements executed with disposition=INLINE can have a"
                " result size of at most 26214400 bytes. Please execute the statement with"
                " disposition=EXTERNAL_LINKS if you want to download the full result.",
            ) from error

    def _cancel(self, statement: _Statement) -> None:
        if statement.move("CANCELED"):
            self._services.engine.cancel(statement.caller.workspace_id, statement.id)

    def _of(self, caller: Caller, statement_id: str) -> _Statement:
        statement = self._statements.get(statement_id)
        if statement is None or statement.caller != caller:
            raise WireError(404, "NOT_FOUND", f"The statement {statement_id} was not found.")
        return statement

    def _forget_old(self) -> None:
        for statement_id in list(self._statements)[: max(0, len(self._statements) - _KEPT)]:
            if self._statements[statement_id].finished.is_set():
                gone = self._statements.pop(statement_id)
                if gone.result is not None and gone.result.file is not None:
                    gone.result.file.unlink(missing_ok=True)

    def _described(self, statement: _Statement) -> Mapping[str, Any]:
        status: dict[str, Any] = {"state": statement.state}
        if statement.error is not None:
            status["error"] = {"error_code": "BAD_REQUEST", "message": statement.error.text}
            status["sql_state"] = statement.error.sqlstate
        answer: dict[str, Any] = {"statement_id": statement.id, "status": status}
        if statement.state == "SUCCEEDED" and statement.result is not None:
            answer["manifest"] = statement.result.manifest()
            answer["result"] = self._first_chunk(statement, statement.result)
        return answer

    def _first_chunk(self, statement: _Statement, result: Result) -> Mapping[str, Any]:
        if result.row_count == 0:
            return {"data_array": []} if result.file is None else {}
        return self._chunk(statement, result, 0)

    def _chunk(self, statement: _Statement, result: Result, index: int) -> Mapping[str, Any]:
        count = 1 if result.file is not None else len(result.chunks)
        if not 0 <= index < count:
            raise invalid(f"Chunk index {index} is out of range: the result has {count} chunks.")
        if result.file is not None:
            return {"external_links": [self._link(result)]}
        chunk = result.chunks[index]
        answer = {
            "chunk_index": index,
            "row_offset": chunk.row_offset,
            "row_count": len(chunk.rows),
            "byte_count": chunk.byte_count,
            "data_array": chunk.rows,
        }
        if index + 1 < count:
            answer["next_chunk_index"] = index + 1
            answer["next_chunk_internal_link"] = (
                f"{_ROOT}/{statement.id}/result/chunks/{index + 1}?row_offset="
                f"{result.chunks[index + 1].row_offset}"
            )
        return answer

    def _link(self, result: Result) -> Mapping[str, Any]:
        assert result.file is not None  # noqa: S101 - checked by the caller
        secret, expires = self.links.make(result.file)
        return {
            "external_link": f"{self._services.url}/external-results/result?sig={secret}",
            "expiration": expires.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "chunk_index": 0,
            "row_offset": 0,
            "row_count": result.row_count,
            "byte_count": result.byte_count,
        }


def routes(statements: Statements) -> list[Route]:
    """The statements' endpoints, and the place external links point to."""

    def submitted(call: Call) -> Mapping[str, Any]:
        return statements.submit(call.caller, call.body)

    def got(call: Call) -> Mapping[str, Any]:
        return statements.get(call.caller, call.path["id"])

    def chunk(call: Call) -> Mapping[str, Any]:
        return statements.chunk(call.caller, call.path["id"], int(call.path["index"]))

    def cancelled(call: Call) -> Mapping[str, Any]:
        statements.cancel(call.caller, call.path["id"])
        return {}

    async def external(request: HttpRequest) -> Response:
        file = statements.links.file(request.query_params.get("sig", ""))
        return FileResponse(file, media_type="application/vnd.apache.arrow.stream")

    return [
        Route(_ROOT, endpoint(submitted), methods=["POST"]),
        # Older SDKs end the path with a slash.
        Route(f"{_ROOT}/", endpoint(submitted), methods=["POST"]),
        Route(f"{_ROOT}/{{id}}", endpoint(got), methods=["GET"]),
        Route(f"{_ROOT}/{{id}}/result/chunks/{{index:int}}", endpoint(chunk), methods=["GET"]),
        Route(f"{_ROOT}/{{id}}/cancel", endpoint(cancelled), methods=["POST"]),
        Route("/external-results/result", external, methods=["GET"]),
    ]
