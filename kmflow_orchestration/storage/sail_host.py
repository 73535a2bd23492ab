"""The Sail child behind a local lakehouse: started at first use, replaced when it has grown.

Imported only where SQL runs on this machine: it brings the embedded engine with it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kmflow_orchestration.names import TableName, quoted
from kmflow_orchestration.sail.execution import SailSession
from kmflow_orchestration.sail.process import SailServer
from kmflow_orchestration.sail.tables import create_schema, register

logger = logging.getLogger(__name__)
# Sail's SQL parser leaks about 0.05 MB a statement; a restart costs 0.1 s.
RECYCLE_AT_BYTES = 1024**3
_LOOK_EVERY = 50


class SailHost:
    """One server and session for all threads of a process; its tables are registered lazily."""

    def __init__(self, catalog: str, *, recycle_at_bytes: int = RECYCLE_AT_BYTES) -> None:
        self._catalog = catalog
        self._recycle_at_bytes = recycle_at_bytes
        self._condition = threading.Condition()
        self._server: SailServer | None = None
        self._session: SailSession | None = None
        self._registered: set[TableName] = set()
        self._users = 0
        self._uses = 0

    @contextmanager
    def session(self) -> Iterator[SailSession]:
        """The session, kept alive while the block runs. Raises SailUnavailable."""
        session = self._enter()
        try:
            yield session
        finally:
            with self._condition:
                self._users -= 1
                self._condition.notify_all()

    def _enter(self) -> SailSession:
        with self._condition:
            while self._is_due():
                if self._users == 0:
                    self._stop()
                else:
                    self._condition.wait()
            if self._session is None:
                self._server = SailServer(catalogs=(self._catalog,))
                self._session = SailSession(self._server.address)
            self._users += 1
            self._uses += 1
            return self._session

    def _is_due(self) -> bool:
        if self._server is None:
            return False
        if not self._server.running:
            logger.warning("the Sail server is gone, starting another")
            return True
        return self._uses % _LOOK_EVERY == 0 and self._server.rss_bytes() > self._recycle_at_bytes

    def register(self, session: SailSession, table: TableName, directory: Path) -> None:
        """Make a Delta directory known under its table's name; a second call does nothing."""
        with self._condition:
            if table in self._registered or session is not self._session:
                return
            create_schema(session, f"{quoted(table.catalog)}.{quoted(table.schema)}")
            register(session, table.sql, directory)
            self._registered.add(table)

    def _stop(self) -> None:
        self._registered.clear()
        if self._session is not None:
            self._session.close()
            self._session = None
        if self._server is not None:
            self._server.stop()
            self._server = None

    def close(self) -> None:
        """End the child; the next use starts another."""
        with self._condition:
            self._stop()
