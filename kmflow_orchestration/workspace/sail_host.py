"""The Sail server of one workspace: started on first use, recycled by memory, renewed if lost.

Tables are registered when a statement first needs them; the catalog store stays the truth.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kmflow_orchestration.names import quoted
from kmflow_orchestration.sail.execution import SailSession
from kmflow_orchestration.sail.faults import SailCancelled
from kmflow_orchestration.sail.process import DEFAULT_ALLOWED_RSS_BYTES, SailServer
from kmflow_orchestration.sail.tables import create_schema, register, sail_name, unregister
from kmflow_orchestration.workspace.securables import Securable

# Half of what the server may take: the other half is for the statement that comes next.
_RECYCLE_SHARE = 2


class SailHost:
    """Hands out the session of the running server; safe for many threads."""

    def __init__(
        self,
        directory_of: Callable[[Securable], Path],
        *,
        allowed_rss_bytes: int = DEFAULT_ALLOWED_RSS_BYTES,
    ) -> None:
        self._directory_of = directory_of
        self._allowed_rss_bytes = allowed_rss_bytes
        self._lock = threading.RLock()
        self._server: SailServer | None = None
        self._session: SailSession | None = None
        self._registered: dict[str, str] = {}
        self._users = 0
        self._worn_out = False

    @property
    def server(self) -> SailServer | None:
        """The running server, if any."""
        return self._server

    @contextmanager
    def session(self, tables: Iterable[Securable]) -> Iterator[SailSession]:
        """A session in which these tables have their names; the server lives as long as the block.

        Raises:
            SailUnavailable: no server could be started.
            SailError: a table could not be registered.
        """
        with self._lock:
            session = self._started()
            self._users += 1
        try:
            with self._lock:
                for table in tables:
                    self._register(session, table)
            yield session
        except SailCancelled:
            # The engine may compute on: it is ended as soon as nobody else uses it.
            self._worn_out = True
            raise
        finally:
            with self._lock:
                self._users -= 1
                self._recycle()

    def stop(self) -> None:
        """End the server at once; the next session starts a new one."""
        with self._lock:
            if self._session is not None:
                self._session.close()
            if self._server is not None:
                self._server.stop()
            self._session, self._server = None, None
            self._worn_out = False
            self._registered.clear()

    def cancel(self, operation_id: str) -> None:
        """Release the caller of a statement by its operation id; another id does nothing."""
        session = self._session
        if session is not None:
            session.cancel(operation_id)

    def forget(self, table: Securable) -> None:
        """Take a dropped table's name back."""
        with self._lock:
            if self._registered.pop(table.full_name, None) and self._alive():
                assert self._session is not None  # noqa: S101 - a live server has one
                unregister(self._session, sail_name(*table.parts))

    def _alive(self) -> bool:
        return self._server is not None and self._server.running

    def _started(self) -> SailSession:
        if not self._alive():
            self.stop()
            self._server = SailServer(allowed_rss_bytes=self._allowed_rss_bytes)
            self._session = SailSession(self._server.address)
        assert self._session is not None  # noqa: S101 - set with the server
        return self._session

    def _register(self, session: SailSession, table: Securable) -> None:
        if self._registered.get(table.full_name) == table.id:
            return
        catalog, schema, _ = table.parts
        name = sail_name(*table.parts)
        create_schema(session, quoted(f"{catalog}.{schema}"))
        unregister(session, name)
        register(session, name, self._directory_of(table))
        self._registered[table.full_name] = table.id

    def _recycle(self) -> None:
        # Sail's SQL parser leaks; only a restart gives memory back, and it costs 0.1 s.
        limit = self._allowed_rss_bytes // _RECYCLE_SHARE
        if self._users == 0 and self._server is not None:
            self._worn_out = self._worn_out or self._server.rss_bytes() > limit
            if self._worn_out:
                self.stop()
