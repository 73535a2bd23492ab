"""Engine and sessions of the control database: SQLite, or PostgreSQL by URL (design AD4)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL, Engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import QueuePool

from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration.metadata.forks import let_go_in_forked_children
from kmflow_orchestration.metadata.group_guard import refuse_missing_group
from kmflow_orchestration.metadata.migration import migrate, newest_revision
from kmflow_orchestration.metadata.postgresql import is_postgresql, open_postgresql
from kmflow_orchestration.metadata.unavailable import VARIABLE
from kmflow_orchestration.redaction import register
from kmflow_orchestration.sqlite_engine import open_sqlite

SessionFactory = sessionmaker[Session]
_HINT = "use sqlite:///path or postgresql://user@host:5432/database"


def open_engine(url: str, *, password: Secret | None = None) -> Engine:
    """An engine for a control database; nothing is connected yet.

    SQLite files are opened in WAL mode with foreign keys on and wait 30 s for a writer. A
    statement with an empty group raises MissingGroup before it is sent (row A4). Values of
    statements are shown by no error and by no `echo` (row C15). `password` is used where the
    address has none.

    Raises:
        ConfigurationError: no address, or a database that is neither SQLite nor PostgreSQL.
        MissingDependency: PostgreSQL without its driver.
    """
    parsed = parse_url(url)
    if is_postgresql(parsed):
        if password is not None and parsed.password is None:
            parsed = parsed.set(password=password.reveal())
        return _guarded(open_postgresql(parsed))
    if parsed.get_backend_name() != "sqlite":
        raise ConfigurationError(
            f"the control database cannot be {parsed.get_backend_name()}",
            fields=(VARIABLE,),
            hint=_HINT,
        )
    # Kept open: a close that leaves nobody else folds the write-ahead log back and syncs the disk,
    # which costs twenty times the statement. Without a bound, threads never wait for each other.
    return _guarded(open_sqlite(parsed, poolclass=QueuePool, max_overflow=-1))


def parse_url(url: str, *, of: str = "control database", variable: str = VARIABLE) -> URL:
    """Reads a database's address. Raises ConfigurationError, in which nothing of it is shown."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        parsed = None
    # Behind a password with an @ in it, the rest of itself is taken for the host.
    if parsed is None or "@" in f"{parsed.host}{parsed.database}":
        # Neither text nor cause is shown: the address may hold a password.
        raise ConfigurationError(
            f"the {of}'s address cannot be read",
            fields=(variable,),
            hint=f"{_HINT}; a password's special characters are percent-encoded",
        )
    if parsed.password is not None:
        register(str(parsed.password))
    return parsed


def _guarded(engine: Engine) -> Engine:
    refuse_missing_group(engine)
    let_go_in_forked_children(engine)
    return engine


def open_sessions(engine: Engine) -> SessionFactory:
    """A factory of sessions; objects stay readable after commit."""
    return sessionmaker(engine, expire_on_commit=False)


@contextmanager
def transaction(sessions: SessionFactory) -> Iterator[Session]:
    """One transaction: committed at the end, rolled back on any error."""
    with sessions.begin() as session:
        yield session


__all__ = [
    "SessionFactory",
    "migrate",
    "newest_revision",
    "open_engine",
    "open_sessions",
    "parse_url",
    "transaction",
]
