"""The Thrift endpoint of SQL warehouses: what `databricks-sql-connector` speaks.

`POST /sql/1.0/warehouses/<id>` and `/sql/1.0/endpoints/<id>`. While a warehouse starts, everything
but opening a session is answered 503 with `Retry-After`, as pro and classic warehouses do.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from kmflow_orchestration.workspace.statement_services import StatementServices
from kmflow_orchestration.workspace.wire import Caller, WireError, caller

if TYPE_CHECKING:
    from kmflow_orchestration.workspace.thrift_operations import Operations

_MEDIA_TYPE = "application/x-thrift"
_MESSAGE_HEADER = "X-Thriftserver-Error-Message"
_RETRY_AFTER_S = 5
_LARGEST_REQUEST_BYTES = 64 * 1024**2
# Needs no running warehouse: opening starts it, closing gives something back.
_ALWAYS = frozenset({"OpenSession", "CloseSession"})


class ThriftEndpoint:
    """Answers the messages of all callers; the driver is imported at the first of them.

    `direct_results_s`: so many seconds a statement may take to be answered with its first rows.
    """

    def __init__(self, services: StatementServices) -> None:
        self._services = services
        self.direct_results_s = 5.0

    @cached_property
    def _operations(self) -> Operations:
        from kmflow_orchestration.workspace.thrift_operations import Operations

        return Operations(self._services)

    def answer(self, who: Caller, warehouse_id: str, message: bytes) -> bytes:
        """The answer to one message. Raises WireError, as the gateway before the server would."""
        _require_driver()
        self._ready(who, warehouse_id, message)
        return _processed(self._processor(who, warehouse_id), message)

    def _ready(self, who: Caller, warehouse_id: str, message: bytes) -> None:
        warehouses = self._services.warehouses
        if _method(message) in _ALWAYS:
            warehouses.state(who.workspace_id, warehouse_id)
            return
        warehouses.start(who.workspace_id, warehouse_id)
        if warehouses.state(who.workspace_id, warehouse_id) != "RUNNING":
            text = f"SQL warehouse {warehouse_id} is starting."
            raise WireError(
                503,
                "TEMPORARILY_UNAVAILABLE",
                text,
                headers={
                    "Retry-After": str(_RETRY_AFTER_S),
                    _MESSAGE_HEADER: f"TEMPORARILY_UNAVAILABLE: {text}",
                },
            )

    def _processor(self, who: Caller, warehouse_id: str) -> Any:
        from kmflow_orchestration.workspace.thrift_catalog import CatalogQuestions
        from kmflow_orchestration.workspace.thrift_rpc import Rpc

        services = self._services
        return Rpc(
            who,
            warehouse_id,
            sessions=services.sql_sessions,
            operations=self._operations,
            questions=CatalogQuestions(services.catalog, services.engine, who),
            direct_results_s=self.direct_results_s,
        ).processor()


def _require_driver() -> None:
    try:
        import databricks.sql.thrift_api  # noqa: F401
    except ImportError as error:
        raise WireError(
            501,
            "NOT_IMPLEMENTED",
            "The Thrift protocol needs databricks-sql-connector:"
            " pip install 'kmflow_orchestration[databricks-sql]'",
        ) from error


def _protocol(message: bytes = b"") -> Any:
    from thrift.protocol.TBinaryProtocol import TBinaryProtocol
    from thrift.transport.TTransport import TMemoryBuffer

    # Bounded by the request's length already; the library's own limit is under 16 MiB a text.
    return TBinaryProtocol(
        TMemoryBuffer(message), string_length_limit=None, container_length_limit=None
    )


def _method(message: bytes) -> str:
    """Name of the call. Raises WireError 400 for what is no message of the protocol."""
    from thrift.Thrift import TException

    try:
        name, _, _ = _protocol(message).readMessageBegin()
    except (TException, EOFError, ValueError) as error:
        raise _malformed() from error
    return str(name)


def _processed(processor: Any, message: bytes) -> bytes:
    from thrift.Thrift import TException

    answer = _protocol()
    try:
        processor.process(_protocol(message), answer)
    except (TException, EOFError, ValueError) as error:
        raise _malformed() from error
    return bytes(answer.trans.getvalue())


def _malformed() -> WireError:
    return WireError(400, "MALFORMED_REQUEST", "The request is no message of the Thrift protocol.")


def routes(endpoint: ThriftEndpoint) -> list[Route]:
    """Both names a warehouse's path has had."""

    async def answer(request: HttpRequest) -> Response:
        if int(request.headers.get("content-length") or 0) > _LARGEST_REQUEST_BYTES:
            raise WireError(413, "REQUEST_TOO_LARGE", "The request is too large.")
        message = await request.body()
        warehouse_id = request.path_params["id"]
        body = await run_in_threadpool(endpoint.answer, caller(request), warehouse_id, message)
        return Response(body, media_type=_MEDIA_TYPE)

    return [
        Route(f"/sql/1.0/{word}/{{id}}", answer, methods=["POST"])
        for word in ("warehouses", "endpoints")
    ]
