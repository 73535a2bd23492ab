"""Faults of a database, told apart by their types and codes: away, or a mistake of ours."""

from __future__ import annotations

import sqlite3

from sqlalchemy import URL
from sqlalchemy.exc import (
    DatabaseError,
    DBAPIError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from kmflow_orchestration.errors import MetadataUnavailable

VARIABLE = "KMFLOW_DATABASE_URL"
_MIGRATE = "; `kmflow db migrate` makes missing tables"
# A missing table or column (not migrated yet), and a server that only reads after a fail-over.
# SQLite reports the former as operational errors, which they are to whoever runs this.
_SQLSTATES = frozenset({"42P01", "42703", "25006"})
_OF_THE_DISK = frozenset(
    {
        *(sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR),
        *(sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN),
    }
)
DATABASE_FAULTS = (DBAPIError, NoConnectionFree)


def place_of(url: URL) -> str:
    """Where a database is, without user, password or options."""
    if url.get_backend_name() == "sqlite":
        return url.database or "memory"
    socket = url.query.get("host", "localhost")
    return f"{url.host}:{url.port or 5432}" if url.host else str(socket)


def unavailable(
    error: SQLAlchemyError, url: URL, *, variable: str = VARIABLE
) -> MetadataUnavailable | None:
    """The error for a database that is locked, gone or not migrated; None for any other fault."""
    if isinstance(error, NoConnectionFree):
        reason = "all of this process's connections are in use"
    elif isinstance(error, DBAPIError) and _is_away(error):
        reason = " ".join(str(error.orig).split())
    else:
        return None
    what = f"{variable}, disk space and permissions" if _is_the_disk(error) else variable
    return MetadataUnavailable(
        f"the database at {place_of(url)} does not answer: {reason}",
        hint=f"check {what}, then try again{_MIGRATE if variable == VARIABLE else ''}",
    )


def _is_the_disk(error: SQLAlchemyError) -> bool:
    code = getattr(getattr(error, "orig", None), "sqlite_errorcode", None)
    # The extended codes keep the kind of fault in their last byte.
    return code is not None and code & 0xFF in _OF_THE_DISK


def _is_away(error: DBAPIError) -> bool:
    # Exactly a DatabaseError: a file that is none of SQLite's, a conversation that broke off.
    if isinstance(error, OperationalError | InterfaceError) or type(error) is DatabaseError:
        return True
    return error.connection_invalidated or getattr(error.orig, "sqlstate", None) in _SQLSTATES
