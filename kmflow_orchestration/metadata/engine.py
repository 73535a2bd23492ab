"""Engine and sessions of the control database: SQLite, or PostgreSQL by URL (design AD4)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DatabaseError, DisconnectionError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection, QueuePool

from kmflow_orchestration.errors import ConfigurationError, StorageUnavailable
from kmflow_orchestration.metadata.group_guard import refuse_missing_group
from kmflow_orchestration.metadata.revision import is_up_to_date, wanted_revision
from kmflow_orchestration.redaction import register

SessionFactory = sessionmaker[Session]
_SUPPORTED = ("sqlite", "postgresql")
_PROCESS = "process"


def open_engine(url: str) -> Engine:
    """An engine for a control database.

    SQLite files are opened in WAL mode with foreign keys on and wait 30 s for a writer. A
    statement with an empty group raises MissingGroup before it is sent (row A4). Values of
    statements are shown by no error and by no `echo` (row C15).

    Raises:
        ConfigurationError: no address, or a database that is neither SQLite nor PostgreSQL.
    """
    parsed = _parsed(url)
    if parsed.get_backend_name() not in _SUPPORTED:
        raise ConfigurationError(
            f"the control database cannot be {parsed.get_backend_name()}",
            fields=("KMFLOW_DATABASE_URL",),
            hint="use sqlite:///path or postgresql://…",
        )
    if parsed.get_backend_name() == "postgresql":
        return _guarded(create_engine(parsed, pool_pre_ping=True, hide_parameters=True))
    if parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    # Kept open: a close that leaves nobody else folds the write-ahead log back and syncs the disk,
    # which costs twenty times the statement. Without a bound, threads never wait for each other.
    engine = create_engine(
        parsed,
        poolclass=QueuePool,
        max_overflow=-1,
        connect_args={"timeout": 30},
        hide_parameters=True,
    )
    event.listen(engine, "connect", _prepare_sqlite)
    return _guarded(engine)


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # Neither text nor cause is shown: the address may hold a password.
        raise ConfigurationError(
            "the control database's address cannot be read",
            fields=("KMFLOW_DATABASE_URL",),
            hint="use sqlite:///path or postgresql://…",
        ) from None
    register(parsed.password or "")
    return parsed


def _guarded(engine: Engine) -> Engine:
    refuse_missing_group(engine)
    event.listen(engine, "connect", _note_process)
    event.listen(engine, "checkout", _refuse_inherited)
    return engine


def _note_process(_connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    record.info[_PROCESS] = os.getpid()


def _refuse_inherited(
    _connection: DBAPIConnection, record: ConnectionPoolEntry, proxy: PoolProxiedConnection
) -> None:
    """Give a forked child connections of its own: those it inherits are still its parent's.

    https://docs.sqlalchemy.org/en/20/core/pooling.html#using-connection-pools-with-multiprocessing-or-os-fork
    """
    opened_by = record.info[_PROCESS]
    if opened_by != os.getpid():
        # As the pool's own documentation does it; its types do not foresee it.
        record.dbapi_connection = None  # type: ignore[misc]
        proxy.dbapi_connection = None  # type: ignore[misc]
        raise DisconnectionError(f"the connection belongs to process {opened_by}")


def _prepare_sqlite(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def open_sessions(engine: Engine) -> SessionFactory:
    """A factory of sessions; objects stay readable after commit."""
    return sessionmaker(engine, expire_on_commit=False)


@contextmanager
def transaction(sessions: SessionFactory) -> Iterator[Session]:
    """One transaction: committed at the end, rolled back on any error."""
    with sessions.begin() as session:
        yield session


def migrate(engine: Engine) -> str:
    """Bring the schema to the newest revision and return it; a second call does nothing.

    Raises:
        ConfigurationError: the database was made by a newer version of this software.
        StorageUnavailable: the database does not answer.
    """
    # A tenth of a second that most commands need not wait for.
    if is_up_to_date(engine):
        return wanted_revision()
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except CommandError as error:
        raise ConfigurationError(
            f"the control database does not fit this version: {error}",
            fields=("KMFLOW_DATABASE_URL",),
            hint="it was made by a newer version: upgrade kmflow_orchestration",
        ) from error
    except DatabaseError as error:
        raise StorageUnavailable(
            f"the control database does not answer: {error.orig}",
            hint="check KMFLOW_DATABASE_URL and KMFLOW_HOME, then try again",
        ) from error
    return newest_revision()


def newest_revision() -> str:
    """The revision this code wants."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory(str(Path(__file__).parent / "migrations")).get_current_head() or ""
