"""The Statement Execution API (`/api/2.0/sql/statements`): submit, poll, fetch, cancel.

A statement that fails is an answer like any other: HTTP 200 with the state FAILED.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from kmflow_orchestration.workspace.executions import Execution
from kmflow_orchestration.workspace.sql_engine import (
    DEFAULT_CATALOG,
    DEFAULT_SCHEMA,
    Answer,
    Request,
)
from kmflow_orchestration.workspace.sql_errors import SqlError
from kmflow_orchestration.workspace.sql_sessions import SqlSession, UnknownSession, session_id_of
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
from kmflow_orchestration.workspace.statement_services import StatementServices
from kmflow_orchestration.workspace.wire import Call, Caller, WireError, endpoint

_ROOT = "/api/2.0/sql/statements"
# Finished statements beyond this number forget their results, oldest first.
_KEPT = 2000


@dataclass(frozen=True, slots=True)
class _Keeping:
    """How a statement's rows are kept until they are fetched."""

    disposition: str
    limits: Limits

    def keep(self, answer: Answer, file: Path) -> Result:
        """Take the rows over; `file` is for an external result. Raises SqlError."""
        if self.disposition == "EXTERNAL_LINKS":
            return gather_arrow(answer, self.limits, file)
        try:
            return gather_inline(answer, self.limits)
        except TooLargeForInline as error:
            raise SqlError(
                "INLINE_BYTE_LIMIT_EXCEEDED",
                "Inline byte limit exceeded. Statements executed with disposition=INLINE can have a"
                " result size of at most 26214400 bytes. Please execute the statement with"
                " disposition=EXTERNAL_LINKS if you want to download the full result.",
            ) from error


class Statements:
    """Statements of all workspaces; only the principal who made one can see it."""

    def __init__(self, services: StatementServices) -> None:
        self._services = services
        self._executions = services.executions
        self._lock = threading.Lock()
        self._statements: dict[str, Execution] = {}
        self.links = Links(services.state.clock)

    def submit(self, caller: Caller, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Start a statement and wait for it as long as the request says. Raises WireError."""
        seconds = wait_s(body)
        statement = self._accepted(caller, body)
        with self._lock:
            self._statements[statement.id] = statement
            self._forget_old()
        self._executions.start(statement)
        over = statement.finished.wait(seconds)
        if not over and body.get("on_wait_timeout") == "CANCEL":
            self._executions.cancel(statement)
        return self._described(statement)

    def get(self, caller: Caller, statement_id: str) -> Mapping[str, Any]:
        """State and, when it succeeded, manifest and first chunk. Raises WireError 404."""
        return self._described(self._of(caller, statement_id))

    def chunk(self, caller: Caller, statement_id: str, index: int) -> Mapping[str, Any]:
        """One chunk of a result. Raises WireError 404 or 400."""
        statement = self._of(caller, statement_id)
        result = _result(statement)
        if result is None:
            raise WireError(
                400,
                "INVALID_PARAMETER_VALUE",
                f"The statement {statement_id} has no result: it is {statement.state}.",
            )
        return self._chunk(statement, result, index)

    def cancel(self, caller: Caller, statement_id: str) -> None:
        """End a running statement; one that is over stays as it is. Raises WireError 404."""
        self._executions.cancel(self._of(caller, statement_id))

    def forget(self, caller: Caller, statement_id: str) -> None:
        """Free a statement's result; it is unknown from now on. Raises WireError 404."""
        statement = self._of(caller, statement_id)
        self._executions.cancel(statement)
        with self._lock:
            self._drop(statement)

    def _accepted(self, caller: Caller, body: Mapping[str, Any]) -> Execution:
        warehouse_id = text_of(body, "warehouse_id")
        try:
            self._services.warehouses.start(caller.workspace_id, warehouse_id)
        except WireError as error:
            raise invalid(f"{warehouse_id} is not a valid endpoint id.") from error
        statement_id = str(uuid.uuid4())
        limits = Limits(limit_of(body, "row_limit"), limit_of(body, "byte_limit"))
        keeping = _Keeping(disposition_of(body), limits)
        file = self._executions.directory / f"{statement_id}.arrow"
        return Execution(
            id=statement_id,
            caller=caller,
            warehouse_id=warehouse_id,
            request=self._request(caller, body, statement_id),
            keep=lambda answer: keeping.keep(answer, file),
        )

    def _request(self, caller: Caller, body: Mapping[str, Any], statement_id: str) -> Request:
        session = self._session(caller, body)
        request = Request(
            caller=caller,
            sql=text_of(body, "statement"),
            operation_id=statement_id,
            parameters=parameters_of(body),
            catalog=str(body.get("catalog") or (session.catalog if session else DEFAULT_CATALOG)),
            schema=str(body.get("schema") or (session.schema if session else DEFAULT_SCHEMA)),
        )
        return replace(request, on_use=session.use) if session else request

    def _session(self, caller: Caller, body: Mapping[str, Any]) -> SqlSession | None:
        given = body.get("session_id")
        if not given:
            return None
        try:
            return self._services.sql_sessions.get(caller, session_id_of(given))
        except UnknownSession as error:
            raise invalid(f"The session {given} does not exist or is closed.") from error

    def _of(self, caller: Caller, statement_id: str) -> Execution:
        statement = self._statements.get(statement_id)
        if statement is None or statement.caller != caller:
            raise WireError(404, "NOT_FOUND", f"The statement {statement_id} was not found.")
        return statement

    def _forget_old(self) -> None:
        old = list(self._statements.values())[: max(0, len(self._statements) - _KEPT)]
        for statement in old:
            if statement.finished.is_set():
                self._drop(statement)

    def _drop(self, statement: Execution) -> None:
        self._statements.pop(statement.id, None)
        if statement.result is not None:
            statement.result.discard()

    def _described(self, statement: Execution) -> Mapping[str, Any]:
        status: dict[str, Any] = {"state": statement.state}
        if statement.error is not None:
            status["error"] = {"error_code": "BAD_REQUEST", "message": statement.error.text}
            status["sql_state"] = statement.error.sqlstate
        answer: dict[str, Any] = {"statement_id": statement.id, "status": status}
        result = _result(statement)
        if result is not None:
            answer["manifest"] = result.manifest()
            answer["result"] = self._first_chunk(statement, result)
        return answer

    def _first_chunk(self, statement: Execution, result: Result) -> Mapping[str, Any]:
        if result.row_count == 0:
            return {"data_array": []} if result.file is None else {}
        return self._chunk(statement, result, 0)

    def _chunk(self, statement: Execution, result: Result, index: int) -> Mapping[str, Any]:
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


def _result(statement: Execution) -> Result | None:
    return statement.result if isinstance(statement.result, Result) else None


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

    def forgotten(call: Call) -> Mapping[str, Any]:
        statements.forget(call.caller, call.path["id"])
        return {}

    async def external(request: HttpRequest) -> Response:
        file = statements.links.file(request.query_params.get("sig", ""))
        return FileResponse(file, media_type="application/vnd.apache.arrow.stream")

    return [
        Route(_ROOT, endpoint(submitted), methods=["POST"]),
        # Older SDKs end the path with a slash.
        Route(f"{_ROOT}/", endpoint(submitted), methods=["POST"]),
        Route(f"{_ROOT}/{{id}}", endpoint(got), methods=["GET"]),
        Route(f"{_ROOT}/{{id}}", endpoint(forgotten), methods=["DELETE"]),
        Route(f"{_ROOT}/{{id}}/result/chunks/{{index:int}}", endpoint(chunk), methods=["GET"]),
        Route(f"{_ROOT}/{{id}}/cancel", endpoint(cancelled), methods=["POST"]),
        Route("/external-results/result", external, methods=["GET"]),
    ]
