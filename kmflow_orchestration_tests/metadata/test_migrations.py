"""The migrations make exactly the tables that the code names, on either database."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, text

from kmflow_orchestration import metadata
from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration.metadata.engine import migrate, newest_revision, open_engine
from kmflow_orchestration.metadata.migration import check_schema
from kmflow_orchestration.metadata.schema import Base
from kmflow_orchestration.metadata.text_columns import same_types
from kmflow_orchestration_tests.control_databases import ControlDatabases
from kmflow_orchestration_tests.postgres_server import PostgresServer

FROM_OTHERS = """CREATE TABLE event_logs (id INTEGER PRIMARY KEY, word VARCHAR(255) NOT NULL)"""


@pytest.fixture
def empty(control_databases: ControlDatabases, tmp_path: Path) -> Iterator[str]:
    """Address of a database without a table."""
    with control_databases.of_a_test():
        yield control_databases.unmigrated(tmp_path / "empty.db")


@pytest.fixture
def engine(empty: str) -> Iterator[Engine]:
    engine = open_engine(empty)
    yield engine
    engine.dispose()


def all_models() -> None:
    """Import every module that may define a table."""
    for found in pkgutil.iter_modules(metadata.__path__, f"{metadata.__name__}."):
        if not found.ispkg:
            importlib.import_module(found.name)


def test_all_migrations_together_make_what_the_models_describe(engine: Engine) -> None:
    all_models()
    assert migrate(engine) == newest_revision()

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": same_types})
        assert compare_metadata(context, Base.metadata) == []
    assert len(Base.metadata.tables) > 15


def test_a_second_migration_changes_nothing(engine: Engine) -> None:
    migrate(engine)
    before = inspect(engine).get_multi_columns()

    assert migrate(engine) == newest_revision()
    assert repr(inspect(engine).get_multi_columns()) == repr(before)


def test_eight_processes_that_migrate_at_once_all_succeed(empty: str) -> None:
    def bring_up_to_date(_: int) -> str:
        engine = open_engine(empty)
        try:
            return migrate(engine)
        finally:
            engine.dispose()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(bring_up_to_date, range(8))) == {newest_revision()}


def test_a_migration_that_breaks_off_leaves_nothing_behind(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE dq_tables (id INTEGER)")

    with pytest.raises(Exception, match="dq_tables"):
        migrate(engine)
    assert inspect(engine).get_table_names() == ["dq_tables"]

    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE dq_tables")
    assert migrate(engine) == newest_revision()


def test_a_database_of_another_version_is_refused(engine: Engine) -> None:
    with pytest.raises(ConfigurationError, match="not at revision"):
        check_schema(engine)
    migrate(engine)
    check_schema(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

    for attempt in (check_schema, migrate):
        with pytest.raises(ConfigurationError, match="newer version") as refused:
            attempt(engine)
        assert refused.value.exit_code == 3


def test_text_has_any_length_and_the_order_of_its_bytes(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(FROM_OTHERS)
    migrate(engine)
    words = ["a-b", "aa", "B", "é", "Z" * 5000]

    with engine.begin() as connection:
        for word in words:
            connection.execute(
                text("INSERT INTO datasets VALUES ('g', :word, 'k', :word)"), {"word": word}
            )
        ordered = "SELECT engagement_id FROM datasets ORDER BY engagement_id"
        assert list(connection.scalars(text(ordered))) == sorted(words)


def test_every_text_column_of_ours_and_no_other_is_so(
    engine: Engine, postgres_server: PostgresServer
) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(FROM_OTHERS)
    migrate(engine)

    query = (
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND (data_type = 'character varying'"
        " OR data_type = 'text' AND collation_name IS DISTINCT FROM 'C')"
    )
    with engine.connect() as connection:
        found = {tuple(row) for row in connection.exec_driver_sql(query)}
    assert found == {("alembic_version", "version_num"), ("event_logs", "word")}
