"""Connections of the control database."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration.metadata.engine import open_engine
from kmflow_orchestration.redaction import redact


def lent_connection(engine: Engine) -> object:
    with engine.connect() as connection:
        return connection.connection.dbapi_connection


def test_a_connection_is_kept_and_lent_again(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'control.db'}")
    assert lent_connection(engine) is lent_connection(engine)
    engine.dispose()


def test_a_forked_child_works_on_a_connection_of_its_own(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'control.db'}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE heard (who)")
    inherited = lent_connection(engine)

    pid = os.fork()
    if pid == 0:
        try:
            with engine.begin() as connection:
                own = connection.connection.dbapi_connection is not inherited
                connection.exec_driver_sql(f"INSERT INTO heard VALUES ({int(own)})")
        finally:
            os._exit(0)
    os.waitpid(pid, 0)

    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT who FROM heard").all() == [(1,)]
    assert lent_connection(engine) is inherited
    engine.dispose()


def test_neither_an_error_nor_an_echo_shows_values(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'control.db'}")
    engine.echo = True
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE kept (value TEXT NOT NULL UNIQUE)")
        row = text("INSERT INTO kept VALUES (:value)")
        connection.execute(row, {"value": "a-value-of-somebody"})
    with pytest.raises(IntegrityError) as refusal, engine.begin() as connection:
        connection.execute(row, {"value": "a-value-of-somebody"})
    engine.dispose()

    assert "INSERT INTO kept" in caplog.text
    assert "a-value-of-somebody" not in f"{caplog.text} {refusal.value} {refusal.value!r}"


def test_the_password_of_its_address_is_a_secret_from_then_on() -> None:
    # Of a kind that is refused, so that no driver is needed.
    with pytest.raises(ConfigurationError):
        open_engine("oracle://kmflow:a-long/password@127.0.0.1:1/kmflow")
    assert redact("signed in with a-long/password") == "signed in with ***"
