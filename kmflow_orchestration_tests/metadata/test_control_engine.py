"""Connections of the control database."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration.metadata.engine import open_engine
from kmflow_orchestration.redaction import redact
from kmflow_orchestration_tests.control_databases import NewDatabase, engine_of
from kmflow_orchestration_tests.forks import in_forked_child
from kmflow_orchestration_tests.postgres_server import PostgresServer
from kmflow_orchestration_tests.processes import in_child

LAST_HEARD = "SELECT pid, backend_start, state_change FROM pg_stat_activity WHERE datname = '{}'"


@pytest.fixture
def engine(tmp_path: Path, control_database: NewDatabase) -> Engine:
    return engine_of(control_database(tmp_path / "control.db"))


def lent_connection(engine: Engine) -> object:
    with engine.connect() as connection:
        return connection.connection.dbapi_connection


def test_a_connection_is_kept_and_lent_again(engine: Engine) -> None:
    assert lent_connection(engine) is lent_connection(engine)


@pytest.mark.sqlite
def test_a_new_file_is_opened_when_its_first_writer_is_done(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    writer = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    writer.executescript("BEGIN IMMEDIATE; CREATE TABLE seen (who INTEGER)")
    engine = open_engine(f"sqlite:///{path}")

    with ThreadPoolExecutor(1) as pool:
        opened = pool.submit(lent_connection, engine)
        with pytest.raises(TimeoutError):
            opened.result(timeout=0.2)
        writer.close()
        assert opened.result(timeout=20)
    engine.dispose()


def test_a_forked_child_works_on_a_connection_of_its_own(
    tmp_path: Path, control_database: NewDatabase
) -> None:
    assert in_child(parent_of_one_that_writes, control_database(tmp_path / "control.db")) == 0


def parent_of_one_that_writes(url: str) -> None:
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE heard (who INTEGER)")
    inherited = lent_connection(engine)

    def tell() -> None:
        with engine.begin() as connection:
            own = connection.connection.dbapi_connection is not inherited
            connection.exec_driver_sql(f"INSERT INTO heard VALUES ({int(own)})")

    in_forked_child(tell)

    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT who FROM heard").all() == [(1,)]
    assert lent_connection(engine) is inherited


def test_a_child_that_forks_while_its_parent_is_in_a_transaction_disturbs_nothing(
    tmp_path: Path, control_database: NewDatabase
) -> None:
    url = control_database(tmp_path / "control.db")
    assert in_child(parent_in_a_transaction, url) == 0


def parent_in_a_transaction(url: str) -> None:
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE heard (who INTEGER)")
    with engine.begin() as connection:
        connection.exec_driver_sql("SELECT who FROM heard").all()
        in_forked_child(lambda: lent_connection(engine))
        connection.exec_driver_sql("INSERT INTO heard VALUES (1)")

    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM heard")) == 1


def test_the_server_hears_nothing_of_a_child_on_its_parents_connections(
    engine: Engine, postgres_server: PostgresServer
) -> None:
    name = str(engine.url.database)
    lent_connection(engine)
    before = postgres_server.execute(LAST_HEARD.format(name))

    in_forked_child(lambda: lent_connection(engine))

    # Not even the question whether it is still there, which the pool asks before it lends one.
    assert len(before) == 1
    assert set(before) <= set(postgres_server.execute(LAST_HEARD.format(name)))
    assert lent_connection(engine) is not None


@pytest.mark.sqlite  # PostgreSQL itself names the value of a key that is there already
def test_neither_an_error_nor_an_echo_shows_values(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    engine.echo = True
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE kept (value VARCHAR(64) NOT NULL UNIQUE)")
        row = text("INSERT INTO kept VALUES (:value)")
        connection.execute(row, {"value": "a-value-of-somebody"})
    with pytest.raises(IntegrityError) as refusal, engine.begin() as connection:
        connection.execute(row, {"value": "a-value-of-somebody"})

    assert "INSERT INTO kept" in caplog.text
    assert "a-value-of-somebody" not in f"{caplog.text} {refusal.value} {refusal.value!r}"


def test_the_password_of_its_address_is_a_secret_from_then_on() -> None:
    # Of a kind that is refused, so that no driver is needed.
    with pytest.raises(ConfigurationError):
        open_engine("oracle://kmflow:a-long/password@127.0.0.1:1/kmflow")
    assert redact("signed in with a-long/password") == "signed in with ***"
