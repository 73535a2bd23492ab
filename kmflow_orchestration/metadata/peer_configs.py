"""Group settings of the system ours takes over from, read from its own table (row AB-S2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, Table, create_engine, inspect, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError
from sqlalchemy.pool import NullPool

from kmflow_orchestration.config.group_input import FIELD_NAMES
from kmflow_orchestration.errors import ConfigurationError, MissingDependency
from kmflow_orchestration.metadata.postgresql import DRIVER, is_postgresql

TABLES = ("databricks_configs", "databricksconfig")
# Named otherwise there. Its tokens lie in another table, encrypted with a key of its own.
_NAMED_OTHERWISE = {"enabled": "is_enabled"}


@dataclass(frozen=True, slots=True)
class PeerGroups:
    """What was found: settings by the group's id as it stands there, and rows of no group."""

    settings: Mapping[str, Mapping[str, Any]]
    without_group: int


def read_peer_groups(url: str) -> PeerGroups:
    """The newest active settings of each group; nothing is written or locked.

    Raises:
        ConfigurationError: the database cannot be read, or has no such table. The address is not
            shown, because it may hold a password.
        MissingDependency: its driver is not installed.
    """
    try:
        with _read_only(url) as connection:
            return _groups(connection)
    except ImportError as error:
        raise MissingDependency(
            f"{error.name} is not installed", hint="install the driver of that database"
        ) from None
    except (ArgumentError, DatabaseError, ValueError) as error:
        problem = type(error).__name__
    # Outside the handler: the driver's error may hold the address.
    raise ConfigurationError(
        f"the other system's database cannot be read: {problem}",
        hint="sqlite:///path, or a reference to a postgresql:// address",
    )


@contextmanager
def _read_only(url: str) -> Iterator[Connection]:
    engine = _engine(url)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    if is_postgresql(parsed):
        return create_engine(
            parsed.set(drivername=DRIVER),
            poolclass=NullPool,
            execution_options={"postgresql_readonly": True},
            hide_parameters=True,
        )
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        raise ConfigurationError("only SQLite and PostgreSQL can be read from")
    read_only = parsed.set(database=f"file:{parsed.database}", query={"mode": "ro", "uri": "true"})
    return create_engine(read_only, poolclass=NullPool, hide_parameters=True)


def _groups(connection: Connection) -> PeerGroups:
    table = _table(connection)
    active = table.c.is_active.is_(True)
    # Newest by id: all rows of one process of that system share one creation time.
    rows = connection.execute(select(table).where(active).order_by(table.c.id)).mappings().all()
    named = [row for row in rows if str(row["group_id"] or "").strip()]
    return PeerGroups(
        settings={str(row["group_id"]): _settings(dict(row)) for row in named},
        without_group=len(rows) - len(named),
    )


def _table(connection: Connection) -> Table:
    names = set(inspect(connection).get_table_names())
    found = next((name for name in TABLES if name in names), None)
    if found is None:
        raise ConfigurationError(f"the database has none of the tables {', '.join(TABLES)}")
    table = Table(found, MetaData(), autoload_with=connection)
    missing = {"id", "group_id", "is_active"} - set(table.c.keys())
    if missing:
        raise ConfigurationError(f"table {found} lacks {', '.join(sorted(missing))}")
    return table


def _settings(row: Mapping[str, Any]) -> dict[str, Any]:
    values = {name: row.get(_NAMED_OTHERWISE.get(name, name)) for name in FIELD_NAMES}
    return {name: _typed(name, value) for name, value in values.items() if value is not None}


def _typed(name: str, value: Any) -> Any:
    """SQLite hands out 0 and 1 for columns that were not declared as truth values."""
    is_flag = name.endswith("enabled") or name == "volume_create_date_dirs"
    return bool(value) if is_flag and value in {0, 1} else value
