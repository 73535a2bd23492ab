"""The SQLite file of a group: where its own models live while Databricks is off or away."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL, Engine, NullPool

from kmflow_orchestration.names import GroupId
from kmflow_orchestration.sqlite_engine import open_sqlite


def group_file(path: Path, group: GroupId) -> Path:
    """A group's own file beside the configured one: `sql.db` becomes `sql.acme.db`."""
    return path.with_name(f"{path.stem}.{group}{path.suffix}")


def open_group_file(path: Path) -> Engine:
    """An engine on a group's file; nothing is connected yet."""
    return open_sqlite(URL.create("sqlite", database=str(path)), poolclass=NullPool)
