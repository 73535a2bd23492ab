"""Operations of the Thrift endpoint: statements and questions about the catalog, until closed."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from kmflow_orchestration.workspace.executions import Execution
from kmflow_orchestration.workspace.sql_engine import Answer, Request
from kmflow_orchestration.workspace.sql_sessions import SqlSession
from kmflow_orchestration.workspace.sql_text import Parameter
from kmflow_orchestration.workspace.statement_services import StatementServices
from kmflow_orchestration.workspace.thrift_rows import Spool
from kmflow_orchestration.workspace.thrift_types import NativeTypes
from kmflow_orchestration.workspace.wire import Caller


class UnknownOperation(Exception):
    """No such operation: never started, closed, or another principal's."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a session; `kind` is the protocol's name of it, `EXECUTE_STATEMENT`, …"""

    id: uuid.UUID
    session: SqlSession
    kind: str
    as_arrow: bool
    execution: Execution

    @property
    def spool(self) -> Spool | None:
        """Its rows, once it succeeded."""
        kept = self.execution.result
        return kept if isinstance(kept, Spool) else None


@dataclass(frozen=True, slots=True)
class Statement:
    """What a client asks to be run, and in which form it takes the rows."""

    sql: str
    parameters: Sequence[Parameter] = ()
    native: NativeTypes = field(default_factory=NativeTypes)
    as_arrow: bool = True
    row_limit: int | None = None


class Operations:
    """The operations of all sessions."""

    def __init__(self, services: StatementServices) -> None:
        self._executions = services.executions
        self._lock = threading.Lock()
        self._open: dict[uuid.UUID, Operation] = {}
        services.sql_sessions.on_end(self._end_of)

    def run(self, session: SqlSession, statement: Statement) -> Operation:
        """Start a statement."""
        operation_id = uuid.uuid4()
        request = Request(
            caller=session.caller,
            sql=statement.sql,
            operation_id=str(operation_id),
            parameters=statement.parameters,
            catalog=session.catalog,
            schema=session.schema,
            on_use=session.use,
        )
        execution = self._execution(session, request, statement)
        operation = Operation(
            operation_id, session, "EXECUTE_STATEMENT", statement.as_arrow, execution
        )
        self._enter(operation)
        self._executions.start(execution)
        return operation

    def answer(self, session: SqlSession, kind: str, table: pa.Table) -> Operation:
        """Enter rows that are known already; they go out as columns, as those of catalogs do."""
        operation_id = uuid.uuid4()
        statement = Statement(kind, as_arrow=False)
        request = Request(session.caller, kind, str(operation_id))
        execution = self._execution(session, request, statement)
        answer = Answer(table.schema, iter(table.to_batches()))
        execution.move("SUCCEEDED", result=execution.keep(answer))
        operation = Operation(operation_id, session, kind, False, execution)
        self._enter(operation)
        return operation

    def get(self, caller: Caller, operation_id: uuid.UUID) -> Operation:
        """Raises UnknownOperation."""
        operation = self._open.get(operation_id)
        if operation is None or operation.session.caller != caller:
            raise UnknownOperation(operation_id)
        return operation

    def cancel(self, operation: Operation) -> None:
        """End it; one that is over stays as it is."""
        self._executions.cancel(operation.execution)

    def close(self, operation: Operation) -> None:
        """End it and free its rows; it is unknown from now on."""
        with self._lock:
            self._open.pop(operation.id, None)
        self.cancel(operation)
        if operation.execution.result is not None:
            operation.execution.result.discard()

    def _execution(self, session: SqlSession, request: Request, statement: Statement) -> Execution:
        file = self._executions.directory / f"{request.operation_id}.arrow"
        return Execution(
            id=request.operation_id,
            caller=session.caller,
            warehouse_id=session.warehouse_id,
            request=request,
            keep=lambda answer: Spool(answer, statement.native, file, statement.row_limit),
        )

    def _enter(self, operation: Operation) -> None:
        with self._lock:
            self._open[operation.id] = operation

    def _end_of(self, session: SqlSession) -> None:
        for operation in [one for one in self._open.values() if one.session is session]:
            self.close(operation)


def guid_of(identifier: Any) -> uuid.UUID:
    """The id in a handle of the protocol; one that is no id names nothing."""
    try:
        return uuid.UUID(bytes=bytes(identifier.guid))
    except (AttributeError, TypeError, ValueError):
        return uuid.UUID(int=0)
