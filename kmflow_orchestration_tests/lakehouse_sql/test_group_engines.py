"""Which engine a group gets, how it is held, and what it cannot reach."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
from sqlalchemy import NullPool, select, text
from sqlalchemy.exc import DatabaseError

from kmflow_orchestration.errors import ConfigurationError, PoolExhausted
from kmflow_orchestration.lakehouse_sql.models import LakehouseTable
from kmflow_orchestration.lakehouse_sql.pool import GroupPool
from kmflow_orchestration.lakehouse_sql.sessions import group_session
from kmflow_orchestration.names import GroupId
from kmflow_orchestration_tests.lakehouse_sql.world import Base, Person

ACME = GroupId("acme")


def test_a_healthy_workspace_gets_the_rows_that_a_session_writes(world, caplog):
    with caplog.at_level(logging.INFO):
        opened = world.open("acme")
    Base.metadata.create_all(opened.engine)
    assert opened.engine.dialect.name == "databricks"
    with group_session(opened.engine, ACME) as session:
        session.add(Person(id=1, name="O'Brien"))
    assert world.rows("acme", "SELECT * FROM people") == [{"id": "1", "name": "O'Brien"}]
    assert opened.choice.metadata() == {
        "db/backend": "databricks",
        "db/fallback": False,
        "db/fallback_reason": "",
    }
    said = [record.getMessage() for record in caplog.records if "SQL of group" in record.msg]
    host = world.config("acme").host
    assert said == [f"SQL of group acme goes to databricks at {host}: Databricks is switched on"]


def test_off_means_a_sqlite_file_and_no_databricks_variable(world, monkeypatch, caplog):
    for name in ("HOST", "TOKEN", "HTTP_PATH", "CONFIG_PROFILE"):
        monkeypatch.setenv(f"DATABRICKS_{name}", "trap")
    with caplog.at_level(logging.INFO):
        opened = world.open("acme", use_databricks=False)
    with opened.engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
        assert connection.execute(select(Person)).all() == []
    assert isinstance(opened.engine.pool, NullPool)
    assert (opened.choice.backend, opened.choice.host) == ("sqlite", "")
    assert (world.folder / "models.acme.db").exists()
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert world.calls() == 0


def test_groups_have_files_of_their_own(world):
    engines = world.engines(use_databricks=False)
    for group, name in (("acme", "mine"), ("globex", "theirs")):
        engine = engines.get(world.config(group), Base.metadata).engine
        with group_session(engine, GroupId(group)) as session:
            session.add(Person(id=1, name=name))
    acme = engines.get(world.config("acme")).engine
    with acme.connect() as connection:
        assert connection.execute(select(Person.name)).scalars().all() == ["mine"]


def test_an_engine_is_made_once_and_anew_when_the_settings_change(world):
    engines = world.engines()
    config = world.config("acme")
    first = engines.get(config).engine
    assert engines.get(config).engine is first
    assert engines.get(world.config("globex")).engine is not first
    assert engines.get(replace(config, version=2)).engine is not first


def test_the_pool_is_as_the_group_says(world):
    engines = world.engines()
    config = world.config("acme", sql_pool_size=2, sql_max_overflow=1, sql_pool_recycle_s=60)
    pool = engines.get(config).engine.pool
    assert isinstance(pool, GroupPool)
    assert (pool.size(), pool._max_overflow, pool._recycle, pool._pre_ping) == (2, 1, 60, True)
    assert pool.timeout() == 30


def test_a_pool_of_which_nothing_is_said_has_five_connections_and_ten_more_for_half_an_hour(world):
    pool = world.engines().get(world.config("acme")).engine.pool
    assert (pool.size(), pool._max_overflow, pool._recycle, pool.timeout()) == (5, 10, 1800, 30)


def test_an_exhausted_pool_names_the_setting(world):
    settings = {"sql_pool_size": 1, "sql_max_overflow": 0, "sql_pool_timeout_s": 1}
    engine = world.engines().get(world.config("acme", **settings)).engine
    with engine.connect(), pytest.raises(PoolExhausted, match=r"pool_timeout \(1 s\)") as none:
        engine.connect()
    assert none.value.exit_code == 5
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1


def test_closing_ends_every_session_also_after_an_error_and_twice(world):
    engines = world.engines()
    engine = engines.get(world.config("acme")).engine
    with pytest.raises(DatabaseError), engine.connect() as connection:
        connection.execute(text("SELECT * FROM nowhere"))
    assert engine.pool.checkedin() == 1
    engines.close()
    engines.close()
    assert engine.pool.checkedin() == 0
    assert world.room.server.services.sql_sessions._open == {}
    assert engines.get(world.config("acme")).engine is not engine


@pytest.mark.parametrize(
    ("settings", "fields"),
    [
        ({"http_path": ""}, ("http_path", "warehouse_id")),
        ({"token": None}, ("token",)),
        ({"workspace_url": ""}, ("workspace_url",)),
        ({"catalog": "", "schema": ""}, ("catalog", "schema")),
        ({"allow_insecure_loopback": False}, ("workspace_url", "allow_insecure_loopback")),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_missing_settings_are_named_before_any_request(world, settings, fields):
    with pytest.raises(ConfigurationError) as missing:
        world.engines().get(world.config("acme", **settings))
    assert missing.value.fields == fields
    assert missing.value.exit_code == 3
    assert world.calls() == 0


def test_the_old_metastore_is_warned_of(world, caplog):
    world.engines().get(world.config("acme", catalog="hive_metastore"))
    assert "hive_metastore is untested by the dialect" in caplog.text


def test_one_group_cannot_read_what_another_wrote(world):
    acme, globex = world.engine("acme"), world.engine("globex")
    with group_session(acme, ACME) as session:
        session.add(Person(id=1, name="secret"))
    with globex.connect() as connection:
        assert connection.execute(select(Person)).all() == []
        for statement in (
            "SELECT * FROM acme_evidence.people",
            "SELECT * FROM kmflow.acme_evidence.people",
            "DESCRIBE TABLE EXTENDED kmflow.acme_evidence.people",
            "USE SCHEMA acme_evidence",
            "INSERT INTO acme_evidence.people VALUES (2, 'x')",
        ):
            with pytest.raises(DatabaseError, match="INSUFFICIENT_PERMISSIONS"):
                connection.execute(text(statement))
    assert len(world.rows("acme", "SELECT * FROM people")) == 1


def test_our_tables_lie_in_the_schemas_of_the_engines_group(world):
    opened = world.open("acme")
    translated = opened.engine.get_execution_options()["schema_translate_map"]
    models = LakehouseTable.metadata.tables.values()
    assert {translated[table.schema] for table in models} == {
        *("acme_evidence", "acme_evidence_bronze", "acme_evidence_silver"),
        *("acme_evidence_gold", "acme_evidence_dq"),
    }
