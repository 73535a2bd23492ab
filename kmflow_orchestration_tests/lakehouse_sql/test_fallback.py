"""SQLite in place of a workspace that is away: only when asked for, and always to be seen."""

from __future__ import annotations

import logging
import socket
import sqlite3

import pytest
from sqlalchemy import select

from kmflow_orchestration.config.secret_refs import SecretRef
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.databricks_client.reachability import HostUnreachable
from kmflow_orchestration.errors import (
    AccessRefused,
    ConfigurationError,
    CredentialError,
    RemoteNotFound,
)
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration_tests.lakehouse_sql.world import Base, Person


@pytest.fixture
def nobody() -> str:
    """An address at which nobody answers."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def test_a_workspace_that_is_away_is_replaced_visibly(world, nobody, caplog):
    engines = world.engines(fallback="on_unreachable")
    config = world.config("acme", workspace_url=nobody)
    with caplog.at_level(logging.INFO):
        opened = engines.get(config, Base.metadata)
    with opened.engine.connect() as connection:
        assert connection.execute(select(Person)).all() == []
    told = opened.choice.metadata()
    assert (told["db/backend"], told["db/fallback"]) == ("sqlite", True)
    assert "cannot be reached" in told["db/fallback_reason"]
    [warning] = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert warning.getMessage().startswith("SQL of group acme goes to sqlite: ")
    assert engines.get(config).engine is opened.engine


def test_a_workspace_that_gives_no_token_because_it_is_away_is_replaced_too(world, nobody):
    world.groups.environment["SECRET_acme"] = "of-a-service-principal"
    config = world.config(
        "acme",
        workspace_url=nobody,
        token=None,
        client_id="6f1d2a34",
        client_secret=SecretRef("env", "SECRET_acme"),
    )
    opened = world.engines(fallback="on_unreachable").get(config, Base.metadata)
    assert opened.choice.fallback


def test_a_warehouse_that_is_away_is_replaced_too(world):
    world.room.server.faults.add(Fault("unavailable", path="/sql/1.0/*", times=99))
    opened = world.open("acme", fallback="on_unreachable")
    assert opened.choice.fallback
    world.room.server.faults.clear()


def test_a_workspace_that_does_not_answer_in_time_is_replaced_too(world):
    with socket.create_server(("127.0.0.1", 0), backlog=16) as silent:
        config = world.config("acme", workspace_url=f"http://127.0.0.1:{silent.getsockname()[1]}")
        engines = world.engines(fallback="on_unreachable", request_timeout_s=0.1)
        opened = engines.get(config, Base.metadata)
    assert opened.choice.fallback
    assert "Timeout" in opened.choice.reason


def test_a_stopped_warehouse_that_does_not_start_is_replaced_too(timed_world):
    world = timed_world
    world.room.server.faults.add(Fault("cold_warehouse", seconds=3600))
    config = world.config("acme", warehouse_start_timeout_s=60)
    opened = world.engines(fallback="on_unreachable").get(config, Base.metadata)
    assert opened.choice.fallback
    assert "did not run in 60 s" in opened.choice.reason


def test_a_fallback_is_a_file_with_its_tables_made_before_it_is_handed_out(world, nobody):
    engines = world.engines(fallback="on_unreachable")
    engine = engines.get(world.config("acme", workspace_url=nobody), Base.metadata).engine
    assert engine.url.database == str(world.folder / "models.acme.db")
    made = sqlite3.connect(engine.url.database)
    names = {name for (name,) in made.execute("SELECT name FROM sqlite_master")}
    made.close()
    assert {"people", "evidence_metadata"} <= names


def test_a_workspace_that_answers_is_used(world):
    opened = world.open("acme", fallback="on_unreachable")
    assert opened.engine.dialect.name == "databricks"
    assert not opened.choice.fallback


def test_never_means_never(world, nobody):
    engine = world.engines().get(world.config("acme", workspace_url=nobody)).engine
    assert engine.dialect.name == "databricks"
    with pytest.raises(HostUnreachable):
        engine.connect()
    assert list(world.folder.iterdir()) == []


def wrong_token(world):
    world.config("acme")
    world.groups.environment["TOKEN_acme"] = "wrong"
    return world.config("acme")


def no_token(world):
    world.config("acme")
    del world.groups.environment["TOKEN_acme"]
    return world.config("acme")


FAULTS_OF_OURS = {
    "no path": (lambda world: world.config("acme", http_path=""), ConfigurationError),
    "no secret": (no_token, CredentialError),
    "wrong token": (wrong_token, AccessRefused),
    "no such warehouse": (
        lambda world: world.config("acme", http_path="/sql/1.0/warehouses/abc"),
        RemoteNotFound,
    ),
}


@pytest.mark.parametrize(("spoil", "error"), FAULTS_OF_OURS.values(), ids=FAULTS_OF_OURS)
def test_a_fault_of_our_own_never_falls_back(world, spoil, error):
    config = spoil(world)
    with pytest.raises(error):
        world.engines(fallback="on_unreachable").get(config, Base.metadata)
    assert list(world.folder.iterdir()) == []


def test_production_takes_no_fallback(monkeypatch):
    monkeypatch.setenv("DATABRICKS_FALLBACK", "on_unreachable")
    assert load_settings().databricks_fallback == "on_unreachable"
    monkeypatch.setenv("KMFLOW_ENV", "production")
    with pytest.raises(ConfigurationError, match="must be never in production") as refused:
        load_settings()
    assert (refused.value.fields, refused.value.exit_code) == (("DATABRICKS_FALLBACK",), 3)


@pytest.mark.parametrize("environment", [None, "dev", "production"])
def test_nobody_falls_back_who_did_not_say_so(monkeypatch, environment):
    if environment:
        monkeypatch.setenv("KMFLOW_ENV", environment)
    assert load_settings().databricks_fallback == "never"


def test_other_words_are_refused(monkeypatch):
    monkeypatch.setenv("DATABRICKS_FALLBACK", "sometimes")
    with pytest.raises(ConfigurationError, match="DATABRICKS_FALLBACK"):
        load_settings()
