"""The Statement Execution API (`/api/2.0/sql/statements`): submit, poll, fetch, cancel.

A statement that fails is an answer like any other: HTTP 200 with the state FAILED.
"""

from __future__ import annotations

import re
import shutil
import threading
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.requests import Request as HttpRequest
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from kmflow_orchestration.workspace.sql_engine import (
    DEFAULT_CATALOG,
    DEFAULT_SCHEMA,
    Request,
)
from kmflow_orchestration.workspace.sql_errors import SqlError
from kmflow_orchestration.workspace.sql_text import Parameter
from kmflow_orchestration.workspace.statement_results import (
    Limits,
    Links,
    Result,
    TooLargeForInline,
    gather_arrow,
    gather_inline,
)
from kmflow_orchestration.workspace.wire import Call, Caller, WireError, endpoint

if TYPE_CHECKING:  # the services build this part
    from kmflow_orchestration.workspace.services import Services

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

    def __init__(self, services: Services) -> None:
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
        wait_s = _wait_s(body)
        statement = self._accepted(caller, body)
        with self._lock:
            self._statements[statement.id] = statement
            self._forget_old()
        self._pool.submit(self._run, statement)
        over = statement.finished.wait(wait_s)
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
        warehouse_id = _text(body, "warehouse_id")
        try:
            self._services.warehouses.start(caller.workspace_id, warehouse_id)
        except WireError as error:
            raise _invalid(f"{warehouse_id} is not a valid endpoint id.") from error
        statement_id = str(uuid.uuid4())
        return _Statement(
            id=statement_id,
            caller=caller,
            warehouse_id=warehouse_id,
            disposition=_disposition(body),
            limits=Limits(_limit(body, "row_limit"), _limit(body, "byte_limit")),
            request=Request(
                caller=caller,
                sql=_text(body, "statement"),
                operation_id=statement_id,
                parameters=_parameters(body),
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
            raise _invalid(f"Chunk index {index} is out of range: the result has {count} chunks.")
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
            "external_link": f"{self._services.url}/external-results/{secret}",
            "expiration": expires.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "chunk_index": 0,
            "row_offset": 0,
            "row_count": result.row_count,
            "byte_count": result.byte_count,
        }


def routes(services: Services) -> list[Route]:
    """The statements' endpoints, and the place external links point to."""

    def submitted(call: Call) -> Mapping[str, Any]:
        return services.statements.submit(call.caller, call.body)

    def got(call: Call) -> Mapping[str, Any]:
        return services.statements.get(call.caller, call.path["id"])

    def chunk(call: Call) -> Mapping[str, Any]:
        return services.statements.chunk(call.caller, call.path["id"], int(call.path["index"]))

    def cancelled(call: Call) -> Mapping[str, Any]:
        services.statements.cancel(call.caller, call.path["id"])
        return {}

    async def external(request: HttpRequest) -> Response:
        file = services.statements.links.file(request.path_params["secret"])
        return FileResponse(file, media_type="application/vnd.apache.arrow.stream")

    return [
        Route(_ROOT, endpoint(submitted), methods=["POST"]),
        # Older SDKs end the path with a slash.
        Route(f"{_ROOT}/", endpoint(submitted), methods=["POST"]),
        Route(f"{_ROOT}/{{id}}", endpoint(got), methods=["GET"]),
        Route(f"{_ROOT}/{{id}}/result/chunks/{{index:int}}", endpoint(chunk), methods=["GET"]),
        Route(f"{_ROOT}/{{id}}/cancel", endpoint(cancelled), methods=["POST"]),
        Route("/external-results/{secret}", external, methods=["GET"]),
    ]


def _wait_s(body: Mapping[str, Any]) -> int:
    text = str(body.get("wait_timeout") or "10s")
    found = re.fullmatch(r"(\d+)s", text)
    if found is None or not (int(found[1]) == 0 or 5 <= int(found[1]) <= 50):
        raise _invalid("wait_timeout must be 0 seconds or between 5 and 50 seconds.")
    if int(found[1]) == 0 and body.get("on_wait_timeout") == "CANCEL":
        raise _invalid("wait_timeout 0s cannot be used with on_wait_timeout CANCEL.")
    if body.get("on_wait_timeout") not in {None, "CONTINUE", "CANCEL"}:
        raise _invalid("on_wait_timeout must be CONTINUE or CANCEL.")
    return int(found[1])


def _disposition(body: Mapping[str, Any]) -> str:
    disposition = str(body.get("disposition") or "INLINE")
    form = str(body.get("format") or "JSON_ARRAY")
    if (disposition, form) not in {("INLINE", "JSON_ARRAY"), ("EXTERNAL_LINKS", "ARROW_STREAM")}:
        raise _invalid(
            f"The format {form} with the disposition {disposition} is not supported:"
            " INLINE takes JSON_ARRAY, EXTERNAL_LINKS takes ARROW_STREAM."
        )
    return disposition


def _parameters(body: Mapping[str, Any]) -> tuple[Parameter, ...]:
    found = []
    for item in body.get("parameters") or ():
        if not isinstance(item, Mapping) or not item.get("name"):
            raise _invalid("A parameter must have a name.")
        value = item.get("value")
        kind = str(item.get("type") or "STRING")
        found.append(Parameter(str(item["name"]), None if value is None else str(value), kind))
    return tuple(found)


def _limit(body: Mapping[str, Any], name: str) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or value <= 0:
        raise _invalid(f"{name} must be a positive number.")
    return value


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise _invalid(f"{name} is missing.")
    return value


def _invalid(message: str) -> WireError:
    return WireError(400, "INVALID_PARAMETER_VALUE", message)
