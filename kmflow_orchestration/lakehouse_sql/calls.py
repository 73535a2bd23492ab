"""Every call of the driver: it tries once, and we repeat it where that is safe (row C17)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Engine, event
from sqlalchemy.engine import Dialect, ExceptionContext

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.databricks_client.retries import Retrier, RetryPolicy, TransientFault
from kmflow_orchestration.errors import (
    AccessRefused,
    KmflowError,
    OutcomeUnknown,
    RemoteFault,
    TokenExpired,
)
from kmflow_orchestration.lakehouse_sql.faults import driver_errors, given_up, meaning
from kmflow_orchestration.lakehouse_sql.signing import DriverSigning

T = TypeVar("T")
POLICY = RetryPolicy(attempts=3, first_wait_s=2.0, longest_retry_after_s=30.0)
SINGLE_ATTEMPT: Mapping[str, Any] = {
    # The driver would send a statement again after its connection was lost, changes too, and
    # waits on the real clock. This is its only way to be told not to.
    "_enable_v3_retries": False,
    "_retry_stop_after_attempts_count": 1,
}
# The server itself lets a question wait for its answer.
_POLL_S = 0.5
_BEFORE_FIRST_WORD = re.compile(r"(?:\s+|\(|--[^\n]*(?:\n|$)|/\*.*?\*/)*", re.DOTALL)
_READING = frozenset({"SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "VALUES", "USE"})


def only_reads(statement: str) -> bool:
    """Whether a statement may be sent again although its first sending may have run."""
    start = _BEFORE_FIRST_WORD.match(statement)
    rest = statement[start.end() if start else 0 :]
    return re.split(r"[^A-Za-z]", rest, maxsplit=1)[0].upper() in _READING


class GuardedCalls:
    """Calls of one engine's connections.

    `start_warehouse` waits for a warehouse that is not running, and says whether there was one.
    """

    def __init__(
        self,
        what: str,
        *,
        signing: DriverSigning,
        start_warehouse: Callable[[], bool],
        clock: Clock,
        policy: RetryPolicy = POLICY,
    ) -> None:
        self._what = what
        self._signing = signing
        self._start_warehouse = start_warehouse
        self._retrier = Retrier(clock, policy)
        self._was_accepted = False

    def attach(self, engine: Engine) -> None:
        """Let an engine's connections go this way."""
        event.listen(engine, "do_connect", self._connect)
        event.listen(engine, "do_execute", self._execute)
        event.listen(engine, "do_execute_no_params", self._execute_bare)
        event.listen(engine, "do_executemany", self._execute_many)
        event.listen(engine, "handle_error", self._explain)

    def _connect(
        self, dialect: Dialect, _: Any, arguments: Sequence[Any], settings: Mapping[str, Any]
    ) -> Any:
        return self._call(lambda: dialect.connect(*arguments, **settings), repeatable=True)

    def _execute(self, cursor: Any, statement: str, parameters: Any, _: Any) -> bool:
        self._run(cursor, statement, lambda: cursor.execute(statement, parameters))
        return True

    def _execute_bare(self, cursor: Any, statement: str, _: Any) -> bool:
        self._run(cursor, statement, lambda: cursor.execute(statement))
        return True

    def _run(self, cursor: Any, statement: str, execute: Callable[[], object]) -> None:
        cursor.active_command_id = None
        try:
            self._call(execute, repeatable=only_reads(statement))
        except OutcomeUnknown:
            # It runs on when the server took it and only a question about it was lost.
            if cursor.active_command_id is None:
                raise
            cursor.ASYNC_DEFAULT_POLLING_INTERVAL = _POLL_S
            self._call(cursor.get_async_execution_result, repeatable=True)

    def _execute_many(
        self, cursor: Any, statement: str, parameters: Sequence[Any], context: Any
    ) -> bool:
        # The driver sends one statement per set too; here a set that failed is known.
        for one in parameters:
            self._execute(cursor, statement, one, context)
        return True

    def _explain(self, context: ExceptionContext) -> KmflowError | None:
        """The meaning of what went wrong outside our calls: while rows are fetched."""
        error = context.original_exception
        if isinstance(error, KmflowError):
            return None
        found = meaning(error, self._what)
        return given_up(found) if isinstance(found, RemoteFault) else found

    def _call(self, action: Callable[[], T], *, repeatable: bool) -> T:
        try:
            return self._retrier.call(lambda: self._attempt(action), repeatable=repeatable)
        except RemoteFault as error:
            cause = error.__cause__
            if not isinstance(cause, TransientFault):
                raise
            if not (repeatable or cause.was_refused):
                raise OutcomeUnknown(
                    f"{cause.message}; the change may or may not have been made",
                    hint="look before you run it again",
                ) from cause
            raise given_up(error) from cause

    def _attempt(self, action: Callable[[], T]) -> T:
        """One attempt, and one more where there was a reason that could be removed."""
        try:
            return self._once(action)
        except AccessRefused as refusal:
            if not self._signing.has_newer():
                raise self._last_word(refusal) from refusal
        except TransientFault as fault:
            if fault.error_code != "503" or not self._start_warehouse():
                raise
        return self._once(action)

    def _last_word(self, refusal: AccessRefused) -> AccessRefused:
        if not self._was_accepted:
            return refusal
        where = self._signing.sign_in.where
        return TokenExpired(
            f"token expired; {where} was accepted before, now it is refused",
            hint="put a new token there and run again",
        )

    def _once(self, action: Callable[[], T]) -> T:
        try:
            answer = action()
        except driver_errors() as error:
            found = meaning(error, self._what)
            if found is None:
                raise
            # What signing raised comes back as it was, with its own cause.
            raise found from found.__cause__ or error
        self._was_accepted = True
        return answer
