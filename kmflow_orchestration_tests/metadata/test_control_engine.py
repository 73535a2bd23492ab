"""Connections of the control database."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import Engine

from kmflow_orchestration.metadata.engine import open_engine


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
