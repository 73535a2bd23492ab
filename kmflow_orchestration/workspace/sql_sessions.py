"""SQL sessions: where unqualified names lie, for the statements of one connection.

Both the Thrift endpoint and the REST API open them. They live in this process, and end when nobody
used them for eight hours, as those of a SQL warehouse do.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from kmflow_orchestration.workspace.sql_engine import DEFAULT_CATALOG, DEFAULT_SCHEMA
from kmflow_orchestration.workspace.sql_services import SqlServices
from kmflow_orchestration.workspace.wire import Caller, WireError

IDLE_LIFE = timedelta(hours=8)


@dataclass(slots=True)
class SqlSession:
    """One session; mutable, `USE` moves it to another catalog or schema."""

    caller: Caller
    warehouse_id: str
    catalog: str
    schema: str
    used_at: datetime
    id: uuid.UUID = field(default_factory=uuid.uuid4)

    def use(self, catalog: str, schema: str) -> None:
        """Where unqualified names lie from now on."""
        self.catalog, self.schema = catalog, schema


class UnknownSession(Exception):
    """No such session: never opened, closed, idle for too long, or another principal's."""


class SqlSessions:
    """The open sessions of all workspaces; only the principal who opened one can use it."""

    def __init__(self, services: SqlServices) -> None:
        self._services = services
        self._clock = services.state.clock
        self._lock = threading.Lock()
        self._open: dict[uuid.UUID, SqlSession] = {}
        self._ended: list[Callable[[SqlSession], None]] = []

    def on_end(self, listener: Callable[[SqlSession], None]) -> None:
        """Tell a listener of every session that ends, closed or forgotten."""
        self._ended.append(listener)

    def open(
        self, caller: Caller, warehouse_id: str, *, catalog: str = "", schema: str = ""
    ) -> SqlSession:
        """A new session; its warehouse starts when it is stopped. Raises WireError 404."""
        self._services.warehouses.start(caller.workspace_id, warehouse_id)
        session = SqlSession(
            caller=caller,
            warehouse_id=warehouse_id,
            catalog=catalog or DEFAULT_CATALOG,
            schema=schema or DEFAULT_SCHEMA,
            used_at=self._clock.now(),
        )
        with self._lock:
            self._forget_idle()
            self._open[session.id] = session
        return session

    def get(self, caller: Caller, session_id: uuid.UUID) -> SqlSession:
        """A session, used now. Raises UnknownSession."""
        with self._lock:
            self._forget_idle()
            session = self._open.get(session_id)
            if session is None or session.caller != caller:
                raise UnknownSession(session_id)
            session.used_at = self._clock.now()
        return session

    def end(self, caller: Caller, session_id: uuid.UUID) -> None:
        """End a session. Raises UnknownSession."""
        session = self.get(caller, session_id)
        with self._lock:
            self._end(session)

    def _forget_idle(self) -> None:
        limit = self._clock.now() - IDLE_LIFE
        for session in [one for one in self._open.values() if one.used_at < limit]:
            self._end(session)

    def _end(self, session: SqlSession) -> None:
        if self._open.pop(session.id, None) is not None:
            for listener in self._ended:
                listener(session)


def session_id_of(text: object) -> uuid.UUID:
    """A session's id from a request. Raises WireError 400."""
    try:
        return uuid.UUID(str(text))
    except ValueError as error:
        raise WireError(
            400, "INVALID_PARAMETER_VALUE", f"{text} is not a valid session id."
        ) from error
