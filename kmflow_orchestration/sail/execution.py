"""Statements on a Sail server: one `ExecutePlan` over gRPC each, Arrow in, Arrow out.

Five times cheaper than a pyspark session (0.7 ms a statement) and, unlike one, it does not wait
minutes for a server that died. The protocol's stubs are those that come with pyspark.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Self

import grpc
import pyarrow as pa
from pyspark.sql.connect import proto
from pyspark.sql.connect.proto import base_pb2_grpc, expressions_pb2

from kmflow_orchestration.sail.faults import SailCancelled, SailError, SailUnavailable

Parameter = None | str | bool | int | float | Decimal | date | datetime
_USER = "kmflow"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # The server is on this machine, and gRPC would ask a proxy for it.
    ("grpc.enable_http_proxy", 0),
]
_GONE = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED})


def always() -> bool:
    """Of a statement that nobody cancels before it began."""
    return True


@dataclass(frozen=True, slots=True)
class Operation:
    """What a statement can be cancelled by: its id, a UUID.

    `is_wanted` is asked once it has been sent: a cancel may come before there is anything to end.
    """

    id: str
    is_wanted: Callable[[], bool] = always


class SailSession:
    """A session of a Sail server; its tables and views are its own. Safe for many threads.

    `session_id` may be handed to one child process, which then shares everything in it
    (a `spark.stop()` there ends the session for all).
    """

    def __init__(self, address: str, session_id: str | None = None) -> None:
        self.address = address
        self.session_id = session_id or str(uuid.uuid4())
        self._channel = grpc.insecure_channel(address, options=_OPTIONS)
        self._calls: dict[str, Any] = {}
        self._closed = False
        self._stub = base_pb2_grpc.SparkConnectServiceStub(self._channel)

    @property
    def remote(self) -> str:
        """`SPARK_REMOTE` of this very session."""
        return f"sc://{self.address}/;user_id={_USER};session_id={self.session_id}"

    def query(
        self,
        sql: str,
        parameters: Mapping[str, Parameter] | None = None,
        *,
        operation: Operation | None = None,
    ) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """Start a query; its schema at once, its record batches as they come.

        An iterator that is dropped early ends the query. Parameters stand as `:name`. A query
        with an `operation` can be cancelled.

        Raises:
            SailError: the statement failed, now or while its batches are read.
            SailCancelled: it was cancelled.
            SailUnavailable: the server is gone, now or while its batches are read.
        """
        operation = operation or _unnamed()
        request = self._request(operation)
        request.plan.root.sql.query = sql
        for name, value in (parameters or {}).items():
            request.plan.root.sql.named_arguments[name].literal.CopyFrom(_literal(value))
        batches = self._batches(request, operation)
        first = next(batches, None)
        if first is None:
            raise SailError("the query gave no schema")
        return first.schema, _joined(first, batches)

    def fetch(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> pa.Table:
        """All rows of a query. Raises as `query`."""
        schema, batches = self.query(sql, parameters)
        return pa.Table.from_batches(batches, schema)

    def execute(self, sql: str, *, operation: Operation | None = None) -> pa.Table:
        """Run a command (DDL, INSERT, UPDATE, DELETE, MERGE); the table of counts it answers.

        Raises as `query`.
        """
        operation = operation or _unnamed()
        request = self._request(operation)
        request.plan.command.sql_command.input.sql.query = sql
        tables = [
            _read(response.sql_command_result.relation.local_relation.data)
            for response in self._responses(request, operation)
            if response.WhichOneof("response_type") == "sql_command_result"
        ]
        return tables[0] if tables else pa.table({})

    def cancel(self, operation_id: str) -> bool:
        """Release whoever waits for this statement, with SailCancelled; whether it was running.

        A server that is deep in a computation may finish it; only stopping it ends it for certain.
        """
        call = self._calls.get(operation_id)
        return call is not None and bool(call.cancel())

    def close(self) -> None:
        """Close the connection; running statements end with SailUnavailable."""
        self._closed = True
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _request(self, operation: Operation) -> Any:
        request = proto.ExecutePlanRequest(session_id=self.session_id, operation_id=operation.id)
        request.user_context.user_id = _USER
        return request

    def _responses(self, request: Any, operation: Operation) -> Iterator[Any]:
        try:
            call = self._stub.ExecutePlan(request)
        except ValueError as error:  # gRPC's answer to a call on a closed channel
            raise SailUnavailable(str(error)) from error
        self._calls[operation.id] = call
        if not operation.is_wanted():
            call.cancel()
        try:
            yield from call
        except grpc.RpcError as error:
            raise self._fault(error) from error
        finally:
            self._calls.pop(operation.id, None)
            call.cancel()

    def _fault(self, error: grpc.RpcError) -> SailError | SailUnavailable:
        details = str(error.details() or error)
        if error.code() == grpc.StatusCode.CANCELLED and not self._closed:
            return SailCancelled("the statement was cancelled")
        if error.code() in _GONE:
            return SailUnavailable(f"the Sail server is gone: {details}")
        return SailError(details)

    def _batches(self, request: Any, operation: Operation) -> Iterator[pa.RecordBatch]:
        for response in self._responses(request, operation):
            if response.WhichOneof("response_type") == "arrow_batch":
                with pa.ipc.open_stream(response.arrow_batch.data) as reader:
                    empty = True
                    for batch in reader:
                        empty = False
                        yield batch
                    if empty:
                        yield pa.RecordBatch.from_pylist([], reader.schema)


def _unnamed() -> Operation:
    return Operation(str(uuid.uuid4()))


def _joined(first: pa.RecordBatch, rest: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield first
    yield from rest


def _read(data: bytes) -> pa.Table:
    with pa.ipc.open_stream(data) as reader:
        return reader.read_all()


def _literal(value: Parameter) -> Any:
    literal = expressions_pb2.Expression.Literal()
    if value is None:
        literal.null.null.SetInParent()
    elif isinstance(value, bool):
        literal.boolean = value
    elif isinstance(value, int):
        literal.long = value
    elif isinstance(value, float):
        literal.double = value
    elif isinstance(value, str):
        literal.string = value
    elif isinstance(value, Decimal):
        _set_decimal(literal, value)
    elif isinstance(value, datetime):
        literal.timestamp = (value.astimezone(UTC) - _EPOCH) // _MICROSECOND
    else:
        literal.date = (value - _EPOCH.date()).days
    return literal


def _set_decimal(literal: Any, value: Decimal) -> None:
    scale = max(0, -int(value.as_tuple().exponent))
    digits = len(value.as_tuple().digits) + max(0, int(value.as_tuple().exponent))
    literal.decimal.value = f"{value:f}"
    literal.decimal.precision = max(digits, scale)
    literal.decimal.scale = scale
