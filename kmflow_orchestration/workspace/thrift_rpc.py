"""The calls of the Thrift protocol, for one caller at one warehouse.

The wire itself is the driver's own: its generated `Processor` reads and writes the messages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from databricks.sql.thrift_api.TCLIService import TCLIService, ttypes

from kmflow_orchestration.workspace.sql_errors import SqlError
from kmflow_orchestration.workspace.sql_sessions import SqlSession, SqlSessions, UnknownSession
from kmflow_orchestration.workspace.sql_text import Parameter
from kmflow_orchestration.workspace.thrift_catalog import CatalogQuestions
from kmflow_orchestration.workspace.thrift_operations import (
    Operation,
    Operations,
    Statement,
    UnknownOperation,
    guid_of,
)
from kmflow_orchestration.workspace.thrift_rows import Spool, row_set
from kmflow_orchestration.workspace.thrift_types import NativeTypes
from kmflow_orchestration.workspace.wire import Caller, WireError

# Named parameters with types came with V8; links to results in cloud storage are never given.
_VERSION = ttypes.TProtocolVersion.SPARK_CLI_SERVICE_PROTOCOL_V8
# How long a question about a statement waits for its end; the client asks again after it.
_STATUS_S = 1.0
_STATES = {
    "PENDING": ttypes.TOperationState.PENDING_STATE,
    "RUNNING": ttypes.TOperationState.RUNNING_STATE,
    "SUCCEEDED": ttypes.TOperationState.FINISHED_STATE,
    "FAILED": ttypes.TOperationState.ERROR_STATE,
    "CANCELED": ttypes.TOperationState.CANCELED_STATE,
}
_OK = ttypes.TStatus(statusCode=ttypes.TStatusCode.SUCCESS_STATUS)


class RefusedCall(Exception):
    """A call that ends with an error status instead of an answer."""

    def __init__(self, message: str, *, sqlstate: str = "HY000", invalid: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.sqlstate = sqlstate
        self.invalid = invalid

    def status(self) -> Any:
        codes = ttypes.TStatusCode
        return ttypes.TStatus(
            statusCode=codes.INVALID_HANDLE_STATUS if self.invalid else codes.ERROR_STATUS,
            sqlState=self.sqlstate,
            errorMessage=self.message,
            displayMessage=self.message,
        )


class Rpc:
    """One caller's calls; `processor` is what reads and answers messages."""

    def __init__(
        self,
        caller: Caller,
        warehouse_id: str,
        *,
        sessions: SqlSessions,
        operations: Operations,
        questions: CatalogQuestions,
        direct_results_s: float,
    ) -> None:
        self._caller = caller
        self._warehouse_id = warehouse_id
        self._sessions = sessions
        self._operations = operations
        self._questions = questions
        self._direct_results_s = direct_results_s

    def processor(self) -> Any:
        """The driver's processor over these calls; all others are refused."""
        calls: Mapping[str, Callable[[Any], Any]] = {
            "OpenSession": self._open_session,
            "CloseSession": self._close_session,
            "ExecuteStatement": self._execute_statement,
            "GetCatalogs": self._get_catalogs,
            "GetSchemas": self._get_schemas,
            "GetTables": self._get_tables,
            "GetTableTypes": self._get_table_types,
            "GetColumns": self._get_columns,
            "GetTypeInfo": self._get_type_info,
            "GetOperationStatus": self._get_operation_status,
            "GetResultSetMetadata": self._get_result_set_metadata,
            "FetchResults": self._fetch_results,
            "CancelOperation": self._cancel_operation,
            "CloseOperation": self._close_operation,
        }
        handlers = {name: _answering(name, calls.get(name, _unsupported)) for name in METHODS}
        return TCLIService.Processor(SimpleNamespace(**handlers))

    def _open_session(self, request: Any) -> Any:
        place = request.initialNamespace
        session = self._sessions.open(
            self._caller,
            self._warehouse_id,
            catalog=(place.catalogName or "") if place else "",
            schema=(place.schemaName or "") if place else "",
        )
        return ttypes.TOpenSessionResp(
            status=_OK,
            serverProtocolVersion=_VERSION,
            sessionHandle=ttypes.TSessionHandle(
                sessionId=_identifier(session.id.bytes), serverProtocolVersion=_VERSION
            ),
            configuration={},
            initialNamespace=ttypes.TNamespace(
                catalogName=session.catalog, schemaName=session.schema
            ),
            canUseMultipleCatalogs=True,
        )

    def _close_session(self, request: Any) -> Any:
        session = self._session(request)
        self._sessions.end(self._caller, session.id)
        return ttypes.TCloseSessionResp(status=_OK)

    def _execute_statement(self, request: Any) -> Any:
        statement = Statement(
            sql=str(request.statement),
            parameters=tuple(map(_parameter, request.parameters or ())),
            native=NativeTypes.of(request.useArrowNativeTypes),
            as_arrow=bool(request.canReadArrowResult),
            row_limit=request.resultRowLimit or None,
        )
        operation = self._operations.run(self._session(request), statement)
        return self._begun("ExecuteStatement", request, operation)

    def _get_catalogs(self, request: Any) -> Any:
        return self._asked("GetCatalogs", request, self._questions.catalogs)

    def _get_schemas(self, request: Any) -> Any:
        def ask() -> Any:
            return self._questions.schemas(request.catalogName, request.schemaName)

        return self._asked("GetSchemas", request, ask)

    def _get_tables(self, request: Any) -> Any:
        def ask() -> Any:
            return self._questions.tables(
                request.catalogName, request.schemaName, request.tableName, request.tableTypes
            )

        return self._asked("GetTables", request, ask)

    def _get_table_types(self, request: Any) -> Any:
        return self._asked("GetTableTypes", request, self._questions.table_types)

    def _get_columns(self, request: Any) -> Any:
        def ask() -> Any:
            return self._questions.columns(
                request.catalogName, request.schemaName, request.tableName, request.columnName
            )

        return self._asked("GetColumns", request, ask)

    def _get_type_info(self, request: Any) -> Any:
        return self._asked("GetTypeInfo", request, self._questions.type_info)

    def _get_operation_status(self, request: Any) -> Any:
        operation = self._operation(request)
        operation.execution.finished.wait(_STATUS_S)
        return _status(operation)

    def _get_result_set_metadata(self, request: Any) -> Any:
        return _metadata(self._operation(request))

    def _fetch_results(self, request: Any) -> Any:
        operation = self._operation(request)
        answer = _fetched(operation, request.maxRows or 0, request.maxBytes or 0)
        if request.includeResultSetMetadata:
            answer.resultSetMetadata = _metadata(operation)
        return answer

    def _cancel_operation(self, request: Any) -> Any:
        self._operations.cancel(self._operation(request))
        return ttypes.TCancelOperationResp(status=_OK)

    def _close_operation(self, request: Any) -> Any:
        self._operations.close(self._operation(request))
        return ttypes.TCloseOperationResp(status=_OK)

    def _asked(self, name: str, request: Any, ask: Callable[[], Any]) -> Any:
        session = self._session(request)
        kind = {"GetTypeInfo": "GET_TYPE_INFO", "GetTableTypes": "GET_TABLE_TYPES"}.get(
            name, f"GET_{name.removeprefix('Get').upper()}"
        )
        return self._begun(name, request, self._operations.answer(session, kind, ask()))

    def _begun(self, name: str, request: Any, operation: Operation) -> Any:
        """The answer to a call that starts an operation, with its first rows when asked for."""
        answer = _response(name)(status=_OK, operationHandle=_handle(operation))
        wanted = request.getDirectResults
        if wanted is not None:
            answer.directResults = self._direct_results(operation, wanted)
        return answer

    def _direct_results(self, operation: Operation, wanted: Any) -> Any:
        operation.execution.finished.wait(self._direct_results_s)
        direct = ttypes.TSparkDirectResults(operationStatus=_status(operation))
        whole = True
        if operation.spool is not None:
            direct.resultSetMetadata = _metadata(operation)
            direct.resultSet = _fetched(operation, wanted.maxRows or 0, wanted.maxBytes or 0)
            whole = not direct.resultSet.hasMoreRows
        if operation.execution.finished.is_set() and whole:
            self._operations.close(operation)
            direct.closeOperation = ttypes.TCloseOperationResp(status=_OK)
        return direct

    def _session(self, request: Any) -> SqlSession:
        session_id = guid_of(request.sessionHandle.sessionId)
        try:
            return self._sessions.get(self._caller, session_id)
        except UnknownSession as error:
            raise RefusedCall(
                f"Invalid SessionHandle: SessionHandle [{session_id}]", invalid=True
            ) from error

    def _operation(self, request: Any) -> Operation:
        operation_id = guid_of(request.operationHandle.operationId)
        try:
            operation = self._operations.get(self._caller, operation_id)
            self._sessions.get(self._caller, operation.session.id)
        except (UnknownOperation, UnknownSession) as error:
            raise RefusedCall(
                f"Invalid OperationHandle: OperationHandle [{operation_id}]", invalid=True
            ) from error
        return operation


METHODS = tuple(name for name in vars(TCLIService.Iface) if not name.startswith("_"))


def _answering(name: str, call: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def answer(request: Any) -> Any:
        try:
            return call(request)
        except RefusedCall as error:
            return _response(name)(status=error.status())
        except SqlError as error:
            refused = RefusedCall(error.text, sqlstate=error.sqlstate)
            return _response(name)(status=refused.status())
        except WireError as error:
            return _response(name)(status=RefusedCall(error.message).status())

    return answer


def _unsupported(request: Any) -> Any:
    name = type(request).__name__.removeprefix("T").removesuffix("Req")
    raise RefusedCall(f"{name} is not supported.", sqlstate="0A000")


def _response(name: str) -> Any:
    return getattr(ttypes, f"T{name}Resp")


def _identifier(guid: bytes) -> Any:
    # The secret adds nothing: a handle is worth something to its own principal only.
    return ttypes.THandleIdentifier(guid=guid, secret=guid)


def _handle(operation: Operation) -> Any:
    return ttypes.TOperationHandle(
        operationId=_identifier(operation.id.bytes),
        operationType=getattr(ttypes.TOperationType, operation.kind),
        hasResultSet=True,
    )


def _status(operation: Operation) -> Any:
    execution = operation.execution
    answer = ttypes.TGetOperationStatusResp(
        status=_OK, operationState=_STATES[execution.state], hasResultSet=True
    )
    if operation.spool is not None:
        answer.numModifiedRows = operation.spool.affected_rows
    if execution.error is not None:
        answer.sqlState = execution.error.sqlstate
        answer.displayMessage = execution.error.text
        answer.errorMessage = (
            "org.apache.hive.service.cli.HiveSQLException: Error running query: "
            f"{execution.error.text}"
        )
    return answer


def _rows_of(operation: Operation) -> Spool:
    if operation.spool is None:
        raise RefusedCall(
            f"Operation {operation.id} has no result: it is {operation.execution.state}.",
            sqlstate="HY010",
        )
    return operation.spool


def _metadata(operation: Operation) -> Any:
    spool = _rows_of(operation)
    formats = ttypes.TSparkRowSetType
    answer = ttypes.TGetResultSetMetadataResp(
        status=_OK,
        schema=spool.shape.columns,
        resultFormat=formats.COLUMN_BASED_SET,
        lz4Compressed=False,
        isStagingOperation=False,
    )
    if operation.as_arrow:
        answer.resultFormat = formats.ARROW_BASED_SET
        answer.arrowSchema = spool.shape.arrow.serialize().to_pybytes()
    return answer


def _fetched(operation: Operation, max_rows: int, max_bytes: int) -> Any:
    spool = _rows_of(operation)
    rows = spool.fetch(max_rows, max_bytes)
    return ttypes.TFetchResultsResp(
        status=_OK,
        hasMoreRows=rows.more,
        results=row_set(rows, as_arrow=operation.as_arrow, schema=spool.shape.arrow),
    )


def _parameter(given: Any) -> Parameter:
    name = "" if given.ordinal else str(given.name or "")
    value = None
    if given.value is not None:
        one = given.value
        forms = (one.stringValue, one.doubleValue, one.booleanValue)
        value = next((_spelt(form) for form in forms if form is not None), None)
    arguments = None
    if given.arguments is not None:
        arguments = tuple(map(_argument, given.arguments))
    return Parameter(name, value, str(given.type or "STRING"), arguments)


def _argument(given: Any) -> Parameter:
    arguments = None
    if given.arguments is not None:
        arguments = tuple(map(_argument, given.arguments))
    value = None if given.value is None else str(given.value)
    if str(given.type).upper() == "VOID":
        value = None  # the driver spells a NULL inside a collection as the word None
    return Parameter("", value, str(given.type or "STRING"), arguments)


def _spelt(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
