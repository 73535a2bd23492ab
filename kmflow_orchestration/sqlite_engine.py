"""Engines on files of SQLite, and what each of their connections is set to."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from sqlalchemy import URL, Engine, Pool, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.pool import ConnectionPoolEntry

_WAIT_SECONDS = 30.0
_PAUSE_SECONDS = 0.02


def open_sqlite(url: URL, *, poolclass: type[Pool], **pool: int) -> Engine:
    """An engine on a file, whose folder is made; nothing is connected yet.

    Write-ahead log, foreign keys on, 30 s of patience with another writer. No error shows the
    values of a statement.
    """
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        poolclass=poolclass,
        connect_args={"timeout": _WAIT_SECONDS},
        hide_parameters=True,
        **pool,
    )
    event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    _write_ahead(cursor)
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _write_ahead(cursor: DBAPICursor) -> None:
    """Switch a new file to the write-ahead log, whoever else writes it at the same moment.

    SQLite refuses that at once, without its own patience: this connection reads already, and the
    writer may be waiting for readers to end.
    """
    until = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return
