"""Engines and sessions out of the context: the same for every skin, closed with it."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from sqlalchemy import select

from kmflow_orchestration.config.group_input import parse_group
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context
from kmflow_orchestration.errors import UnknownGroup
from kmflow_orchestration.names import GroupId
from kmflow_orchestration_tests.lakehouse_sql.world import Base, Person

ACME = GroupId("acme")


@pytest.fixture
def opened(world, monkeypatch, tmp_path):
    """A context that knows group acme of the world's room; `USE_DATABRICKS` is on."""
    config = world.config("acme")
    monkeypatch.setenv("TOKEN_acme", world.groups.environment["TOKEN_acme"])
    settings = load_settings(home=str(tmp_path / "home"), use_databricks="true")
    with Context(settings, clock=world.clock) as context:
        context.migrate()
        given = {
            "workspace_url": config.workspace_url,
            "allow_insecure_loopback": True,
            "warehouse_id": config.http_path.rpartition("/")[2],
            "landing_path": str(tmp_path),
            "token": "env:TOKEN_acme",
            "catalog": config.catalog,
            "schema": config.schema,
        }
        context.group_configs.save(ACME, parse_group(ACME, given), "a person")
        yield context


def test_a_session_of_the_context_writes_to_the_groups_workspace(world, opened):
    Base.metadata.create_all(opened.get_engine(ACME))
    with opened.session_scope(ACME) as session:
        session.add(Person(id=1, name="O'Brien"))
    with opened.session_scope(ACME) as session:
        assert session.scalars(select(Person.name)).all() == ["O'Brien"]
    assert world.rows("acme", "SELECT name FROM people") == [{"name": "O'Brien"}]


def test_an_unknown_group_gets_no_engine(opened):
    with pytest.raises(UnknownGroup):
        opened.get_engine(GroupId("nobody"))


def test_connections_end_with_the_context_also_after_an_error(world, opened):
    def fail() -> None:
        with opened:
            opened.get_engine(ACME).connect().close()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert world.room.server.services.sql_sessions._open == {}
    opened.close()


def test_off_means_sqlite_below_the_home_with_the_tables_made(world, tmp_path):
    settings = load_settings(home=str(tmp_path / "home"))
    with Context(settings) as context:
        context.migrate()
        context.group_configs.save(ACME, parse_group(ACME, {}), "a person")
        engine = context.get_engine(ACME, Base.metadata)
        assert engine.dialect.name == "sqlite"
        assert (tmp_path / "home" / "models.acme.db").exists()
        with context.session_scope(ACME) as session:
            assert session.scalars(select(Person)).all() == []


def test_the_readme_shows_what_works(tmp_path, monkeypatch, capsys):
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    section = readme.partition("## Query the lakehouse with SQLAlchemy")[2]
    code = section.partition("```python\n")[2].partition("```")[0]
    monkeypatch.setenv("KMFLOW_HOME", str(tmp_path))
    with Context(load_settings()) as context:
        context.migrate()
        context.group_configs.save(ACME, parse_group(ACME, {}), "a person")
    script = tmp_path / "readme.py"
    script.write_text(code, encoding="utf-8")
    runpy.run_path(str(script))
    assert capsys.readouterr().out == "[]\n"
