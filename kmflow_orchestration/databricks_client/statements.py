"""SQL on a warehouse through the Statement Execution API."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.databricks_client.calls import WorkspaceCalls, required
from kmflow_orchestration.databricks_client.interrupts import check_given_up, seen_through
from kmflow_orchestration.databricks_client.statement_results import (
    arrow_chunk,
    empty_table,
    json_table,
)
from kmflow_orchestration.databricks_client.waiting import wait_until
from kmflow_orchestration.databricks_client.warehouses import Warehouse
from kmflow_orchestration.errors import (
    KmflowError,
    RemoteConflict,
    RemoteNotFound,
    RemoteTimeout,
    StatementFailed,
    WarehouseNotStarted,
)

logger = logging.getLogger(__name__)

_STATEMENTS = "/api/2.0/sql/statements"
_OVER = frozenset({"SUCCEEDED", "FAILED", "CANCELED", "CLOSED"})
# Databricks writes the class of an error in brackets before its text.
_ERROR_CLASS = re.compile(r"\s*\[([A-Z][A-Z0-9_]*(?:\.[A-Z0-9_]+)*)\]")
# The server answers within this time if it can; longer ones are polled for. Who is interrupted
# waits as long for the id to cancel.
_SERVER_WAIT_S = 5
_INLINE = {"disposition": "INLINE", "format": "JSON_ARRAY"}
_LINKS = {"disposition": "EXTERNAL_LINKS", "format": "ARROW_STREAM"}
Parameter = None | str | bool | int | float | Decimal | date | datetime


@dataclass(frozen=True, slots=True)
class Statements:
    """Statements of one group on one warehouse; safe to share between threads.

    Every method runs its statement to a terminal state; after `timeout_s` seconds, or when the
    caller is interrupted, the statement is cancelled. A statement whose answer was lost is sent
    again: use only statements whose repetition changes nothing.

    Raises from every method:
        StatementFailed: `error_code` is the error's class, such as TABLE_OR_VIEW_NOT_FOUND.
        WarehouseNotStarted: the warehouse had not begun when the time was over.
        RemoteTimeout: the statement was not done when the time was over.
        RemoteFault: our retries are spent.
    """

    calls: WorkspaceCalls
    warehouse: Warehouse
    clock: Clock
    timeout_s: float = 900.0

    def execute(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> None:
        """Run a statement whose result nobody reads."""
        self._run(sql, parameters, _INLINE)

    def fetch_small(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> pa.Table:
        """Result of a query of a few rows, in the answer itself."""
        answer = self._run(sql, parameters, _INLINE)
        rows: list[list[str | None]] = []
        for chunk in self._chunks(answer):
            rows.extend(chunk.get("data_array") or ())
        return json_table(_manifest(answer), rows)

    def fetch(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> pa.Table:
        """Result of a query of any size, as Arrow behind links."""
        answer = self._run(sql, parameters, _LINKS)
        tables = [
            arrow_chunk(self._body(answer["statement_id"], link))
            for chunk in self._chunks(answer)
            for link in chunk.get("external_links") or ()
        ]
        manifest = _manifest(answer)
        return pa.concat_tables(tables) if tables else empty_table(manifest)

    def _run(
        self, sql: str, parameters: Mapping[str, Parameter] | None, result: Mapping[str, str]
    ) -> dict[str, Any]:
        body: dict[str, Any] = {
            "warehouse_id": self.warehouse.id,
            "statement": sql,
            "wait_timeout": f"{_SERVER_WAIT_S}s",
            "on_wait_timeout": "CONTINUE",
            **result,
        }
        if parameters:
            body["parameters"] = [_parameter(*item) for item in parameters.items()]
        answer = seen_through(lambda: self.calls.do("POST", _STATEMENTS, body=body), undo=self._end)
        statement_id = required(answer, "statement_id", f"POST {_STATEMENTS}")
        if _state(answer) not in _OVER:
            answer = self._finished(statement_id, answer)
        return _succeeded(answer, sql)

    def _finished(self, statement_id: str, last: dict[str, Any]) -> dict[str, Any]:
        def over() -> dict[str, Any] | None:
            nonlocal last
            check_given_up()
            last = self.calls.do("GET", f"{_STATEMENTS}/{statement_id}")
            return last if _state(last) in _OVER else None

        try:
            return wait_until(over, timeout_s=self.timeout_s, clock=self.clock)
        except TimeoutError as error:
            raise _too_late(_state(last), self.timeout_s) from error
        finally:
            # Also when the caller is interrupted: nobody would read the result.
            self._end({**last, "statement_id": statement_id})

    def _end(self, answer: Mapping[str, Any]) -> None:
        """Cancel a statement that is not over; a fault is told and hides no other."""
        statement_id = answer.get("statement_id")
        if statement_id is None or _state(answer) in _OVER:
            return
        try:
            self.calls.do("POST", f"{_STATEMENTS}/{statement_id}/cancel", body={})
        except (RemoteNotFound, RemoteConflict):
            return
        except KmflowError as error:
            logger.warning("statement %s may run on, it was not cancelled: %s", statement_id, error)

    def _chunks(self, answer: dict[str, Any]) -> Iterator[dict[str, Any]]:
        chunk = answer.get("result") or {}
        while True:
            yield chunk
            following = _next_chunk(chunk)
            if following is None:
                return
            chunk = self._chunk(answer["statement_id"], following)

    def _chunk(self, statement_id: str, index: int) -> dict[str, Any]:
        return self.calls.do("GET", f"{_STATEMENTS}/{statement_id}/result/chunks/{index}")

    def _body(self, statement_id: str, link: dict[str, Any]) -> bytes:
        try:
            return self._follow(link)
        except RemoteNotFound:
            # It ran out between the answer and now: a fresh one is one request away.
            chunk = self._chunk(statement_id, int(link.get("chunk_index") or 0))
            return self._follow((chunk.get("external_links") or [{}])[0])

    def _follow(self, link: dict[str, Any]) -> bytes:
        url = required(link, "external_link", f"GET {_STATEMENTS}/result")
        return self.calls.fetch_link(url, link.get("http_headers"))


def _state(answer: Mapping[str, Any]) -> str:
    return str((answer.get("status") or {}).get("state") or "")


def _manifest(answer: Mapping[str, Any]) -> dict[str, Any]:
    manifest: dict[str, Any] = required(answer, "manifest", f"GET {_STATEMENTS}")
    return manifest


def _next_chunk(chunk: Mapping[str, Any]) -> int | None:
    links = chunk.get("external_links") or ()
    holder = links[-1] if links else chunk
    index = holder.get("next_chunk_index")
    return None if index is None else int(index)


def _succeeded(answer: dict[str, Any], sql: str) -> dict[str, Any]:
    state = _state(answer)
    if state == "SUCCEEDED":
        return answer
    error = (answer.get("status") or {}).get("error") or {}
    message = str(error.get("message") or f"the statement ended {state}")
    found = _ERROR_CLASS.match(message)
    code = found[1] if found else str(error.get("error_code") or state)
    raise StatementFailed(message, error_code=code, hint=f"in: {' '.join(sql.split())[:120]}")


def _too_late(state: str, timeout_s: float) -> RemoteTimeout:
    if state == "PENDING":
        return WarehouseNotStarted(
            f"the SQL warehouse did not take the statement within {timeout_s:g} s",
            hint="is it starting? look at it in the workspace",
        )
    return RemoteTimeout(
        f"the statement was not done after {timeout_s:g} s and is given up",
        error_code="DEADLINE_EXCEEDED",
    )


def _parameter(name: str, value: Parameter) -> dict[str, str]:
    if value is None:
        return {"name": name, "type": "STRING"}
    kind, text = _typed(value)
    return {"name": name, "type": kind, "value": text}


def _typed(value: str | bool | float | Decimal | date | datetime) -> tuple[str, str]:
    if isinstance(value, str):
        return "STRING", value
    if isinstance(value, bool):
        return "BOOLEAN", "true" if value else "false"
    if isinstance(value, int):
        return "BIGINT", str(value)
    if isinstance(value, float):
        return "DOUBLE", repr(value)
    if isinstance(value, Decimal):
        scale = max(0, -int(value.as_tuple().exponent))
        return f"DECIMAL(38,{scale})", f"{value:f}"
    if isinstance(value, datetime):
        return "TIMESTAMP", value.astimezone(UTC).isoformat(timespec="microseconds")
    return "DATE", value.isoformat()
