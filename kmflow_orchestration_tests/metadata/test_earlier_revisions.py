"""From every earlier revision on: the newest schema, and all rows as they were."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    Engine,
    Float,
    MetaData,
    Select,
    Table,
    select,
)
from sqlalchemy.orm import Session
from sqlalchemy.types import Integer

from kmflow_orchestration.metadata import migrations
from kmflow_orchestration.metadata.engine import migrate, newest_revision, open_engine
from kmflow_orchestration.metadata.intake_tables import EngagementRow
from kmflow_orchestration.metadata.revision import known_revisions, wanted_revision
from kmflow_orchestration.metadata.schema import Base, UtcDateTime
from kmflow_orchestration.metadata.text_columns import same_types
from kmflow_orchestration_tests.control_databases import ControlDatabases
from kmflow_orchestration_tests.metadata.test_migrations import all_models
from kmflow_orchestration_tests.postgres_server import PostgresServer

EARLIER = sorted(known_revisions() - {wanted_revision()})
SCRIPTS = str(Path(str(migrations.__file__)).parent)
MOMENT = datetime(2026, 11, 20, 23, 30, 15, 123456, tzinfo=UTC)
WORD = "a-Ü'\U0001f600"
# One value a type, so that every foreign key of a row finds the row it means.
VALUES: Mapping[type[Any], Any] = {
    Boolean: True,
    Date: date(2026, 11, 20),
    DateTime: MOMENT,
    Integer: 1,
    JSON: {"b": [1, None, WORD]},
    Float: 0.25,
}
# What a later revision took away because nobody read it.
DROPPED = {("dataset_parts", "stored_path")}


@pytest.fixture
def engine(control_databases: ControlDatabases, tmp_path: Path) -> Iterator[Engine]:
    """A database without a table; on a server whose clock is not on UTC."""
    with control_databases.of_a_test():
        made = open_engine(control_databases.unmigrated(tmp_path / "control.db"))
        server = control_databases.server
        if server is not None:
            server.execute(f"ALTER DATABASE {made.url.database} SET timezone = 'Asia/Kolkata'")
        yield made
        made.dispose()


def upgrade(engine: Engine, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", SCRIPTS)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def tables_of(connection: Connection) -> list[Table]:
    """Our tables, as they are in the database; those that others refer to come first."""
    found = MetaData()
    found.reflect(connection)
    return [table for table in found.sorted_tables if table.name != "alembic_version"]


def value_for(column: Column[Any]) -> Any:
    return next((made for kind, made in VALUES.items() if isinstance(column.type, kind)), WORD)


def rows_of(connection: Connection, tables: Iterable[Table]) -> dict[str, list[Any]]:
    """The rows of these tables, in the columns they had when they were looked at."""
    return {
        table.name: [[in_utc(value) for value in row] for row in connection.execute(kept(table))]
        for table in tables
    }


def kept(table: Table) -> Select[Any]:
    return select(*(one for one in table.columns if (table.name, one.name) not in DROPPED))


def in_utc(value: Any) -> Any:
    """SQLite keeps moments without their zone."""
    if not isinstance(value, datetime):
        return value
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


@pytest.mark.parametrize("revision", EARLIER)
def test_every_row_is_kept_and_the_schema_becomes_what_the_models_describe(
    engine: Engine, revision: str
) -> None:
    all_models()
    upgrade(engine, revision)
    with engine.begin() as connection:
        tables = tables_of(connection)
        for table in tables:
            row = {column.name: value_for(column) for column in table.columns}
            connection.execute(table.insert(), row)
        before = rows_of(connection, tables)
    assert all(len(rows) == 1 for rows in before.values())

    assert migrate(engine) == newest_revision()

    with engine.connect() as connection:
        assert rows_of(connection, tables) == before
        context = MigrationContext.configure(connection, opts={"compare_type": same_types})
        assert compare_metadata(context, Base.metadata) == []


def test_moments_have_a_zone_and_json_is_json(
    engine: Engine, postgres_server: PostgresServer
) -> None:
    all_models()
    migrate(engine)

    wanted = {
        (table.name, column.name): "json" if isinstance(column.type, JSON) else "timestamptz"
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, JSON | UtcDateTime)
    }
    query = (
        "SELECT table_name, column_name, udt_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND (udt_name LIKE 'json%' OR udt_name LIKE 'timestamp%')"
    )
    found = {
        (table, column): kind
        for table, column, kind in postgres_server.execute(query, database=str(engine.url.database))
    }
    assert found == wanted
    assert {"json", "timestamptz"} == set(found.values())


def test_a_moment_is_read_in_utc_whatever_zone_server_and_writer_are_in(engine: Engine) -> None:
    migrate(engine)
    from_kolkata = datetime.fromisoformat("2026-11-21T05:00:15.123456+05:30")
    row = EngagementRow(group_id="acme", engagement_id="e1", registered_at=from_kolkata)
    with Session(engine) as session:
        session.add(row)
        session.commit()
        (found,) = session.scalars(select(EngagementRow.registered_at))

    assert found.isoformat() == MOMENT.isoformat()
