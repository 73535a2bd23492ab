"""The SQLite file of a group: where its own models live while Databricks is off or away."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL, Engine, NullPool, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from kmflow_orchestration.names import GroupId


def group_file(path: Path, group: GroupId) -> Path:
    """A group's own file beside the configured one: `sql.db` becomes `sql.acme.db`."""
    return path.with_name(f"{path.stem}.{group}{path.suffix}")


def open_sqlite(path: Path) -> Engine:
    """An engine on a file: WAL, foreign keys on, waiting 30 s for another writer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    url = URL.create("sqlite", database=str(path))
    engine = create_engine(
        url, poolclass=NullPool, connect_args={"timeout": 30}, hide_parameters=True
    )
    event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()
