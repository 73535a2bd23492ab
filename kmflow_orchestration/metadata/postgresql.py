"""PostgreSQL as control database: how to connect, and what it takes otherwise than SQLite."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError

from kmflow_orchestration.errors import AccessRefused, ConfigurationError, MissingDependency

DRIVER = "postgresql+psycopg"
# Who waits longer for a lock than SQLite lets anybody wait is told that the database is busy.
_LOCK_TIMEOUT = "-c lock_timeout=30s"
_CONNECTING: dict[str, Any] = {
    "application_name": "kmflow",
    "client_encoding": "utf8",
    "connect_timeout": 10,
    "options": _LOCK_TIMEOUT,
    # A server that vanished without a word is noticed within a minute, not after two hours.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
_POOL: dict[str, Any] = {
    "isolation_level": "READ COMMITTED",
    "pool_pre_ping": True,
    "pool_recycle": 1800,
    "max_overflow": 15,
    "hide_parameters": True,
}
_MAINTENANCE = "postgres"
# Two that create it at the same moment meet in the catalog's own index.
_EXISTS = frozenset({"42P04", "23505"})
_NOT_PERMITTED = "42501"


def is_postgresql(url: URL) -> bool:
    """Whether an address is PostgreSQL's, in whatever spelling and with whatever driver."""
    return url.get_backend_name() in {"postgresql", "postgres"}


def open_postgresql(url: URL, **options: Any) -> Engine:
    """An engine over psycopg 3; what the address itself sets wins over our own settings.

    Statements see what was committed before each of them, as on SQLite: compare-and-set and the
    ledger's group lock rely on it, whatever a server's default may be.

    Raises:
        MissingDependency: the driver is not installed.
    """
    if find_spec("psycopg") is None:
        raise MissingDependency(
            "the control database is PostgreSQL, and its driver is not installed",
            hint='pip install "kmflow_orchestration[postgres]"',
        )
    engine = create_engine(
        url.set(drivername=DRIVER),
        connect_args={key: value for key, value in _CONNECTING.items() if key not in url.query},
        **_POOL | options,
    )
    event.listen(engine, "before_cursor_execute", _replace_nul, retval=True)
    return engine


def _replace_nul(
    _connection: Connection,
    _cursor: Any,
    statement: str,
    parameters: Any,
    _context: Any,
    many: bool,
) -> tuple[str, Any]:
    """PostgreSQL's text holds every character but NUL; a client's data may hold that too."""
    rows = parameters if many else [parameters]
    if not any(_has_nul(value) for row in rows if row for value in row.values()):
        return statement, parameters
    clean = [{name: _without_nul(value) for name, value in row.items()} for row in rows]
    return statement, clean if many else clean[0]


def _has_nul(value: object) -> bool:
    return isinstance(value, str) and "\x00" in value


def _without_nul(value: Any) -> Any:
    return value.replace("\x00", "\ufffd") if _has_nul(value) else value


def create_database(url: URL) -> bool:
    """Make the database an address names, unless it is there; whether it was made.

    Raises:
        AccessRefused: the user may not create databases.
    """
    server = open_postgresql(url.set(database=_MAINTENANCE), isolation_level="AUTOCOMMIT")
    name = server.dialect.identifier_preparer.quote(url.database or "")
    known = text("SELECT 1 FROM pg_database WHERE datname = :name")
    try:
        with server.connect() as connection:
            if connection.scalar(known, {"name": url.database}):
                return False
            connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
            return True
    except DBAPIError as error:
        sqlstate = getattr(error.orig, "sqlstate", None)
        if sqlstate in _EXISTS:  # another process was first
            return False
        if sqlstate == _NOT_PERMITTED:
            raise AccessRefused(
                f"user {url.username} may not create database {url.database}",
                hint="let an administrator create it, or grant CREATEDB",
            ) from error
        raise
    finally:
        server.dispose()


def check_encoding(connection: Connection) -> None:
    """Raises ConfigurationError for a database whose text is not UTF-8."""
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
    if encoding != "UTF8":
        raise ConfigurationError(
            f"the control database's text is {encoding}, not UTF8",
            fields=("KMFLOW_DATABASE_URL",),
            hint="create a database with ENCODING 'UTF8', or let `kmflow db init` do it",
        )
