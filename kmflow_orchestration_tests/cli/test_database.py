"""`kmflow db` (row C23) on either database, and what a database that is away looks like (G14)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kmflow_orchestration.metadata.engine import newest_revision
from kmflow_orchestration_tests.cli.conftest import TOKEN, Kmflow
from kmflow_orchestration_tests.postgres_server import PostgresServer

CONFIGURATION, ACCESS, REMOTE = 3, 4, 5


@pytest.mark.parametrize("command", ["init", "migrate"])
def test_tables_are_made_once(kmflow: Kmflow, command: str) -> None:
    made = [kmflow("db", command, "--json") for _ in range(2)]

    assert [one.code for one in made] == [0, 0]
    assert [one.json for one in made] == [{"revision": newest_revision()}] * 2
    assert kmflow("group", "list", "--json").json == {"groups": []}


def test_a_database_without_tables_knows_no_groups_yet(
    kmflow: Kmflow, groups_file: Callable[..., str]
) -> None:
    """A check makes none, neither in an empty database of a server nor where there is no file."""
    for _ in range(2):
        told = kmflow("group", "import", groups_file(), "--dry-run", "--json")
        assert (told.code, "acme" in told.out) == (0, True)


def test_init_makes_the_database_itself(
    kmflow: Kmflow, monkeypatch: pytest.MonkeyPatch, postgres_server: PostgresServer
) -> None:
    monkeypatch.setenv("KMFLOW_DATABASE_URL", postgres_server.url("brand_new"))

    refused = kmflow("db", "migrate")
    assert (refused.code, "brand_new" in refused.err) == (REMOTE, True)
    assert kmflow("db", "init").code == kmflow("db", "init").code == 0
    assert kmflow("db", "migrate").code == 0
    postgres_server.execute("DROP DATABASE brand_new")


def test_the_password_is_taken_from_its_reference(
    kmflow: Kmflow, monkeypatch: pytest.MonkeyPatch, postgres_server: PostgresServer
) -> None:
    without = postgres_server.url().replace(f":{postgres_server.password}@", "@")
    monkeypatch.setenv("KMFLOW_DATABASE_URL", without)
    assert kmflow("db", "migrate").code == REMOTE

    monkeypatch.setenv("KMFLOW_DATABASE_PASSWORD", "env:THE_PASSWORD")
    refused = kmflow("db", "migrate")
    assert (refused.code, "env:THE_PASSWORD is not set" in refused.err) == (CONFIGURATION, True)

    monkeypatch.setenv("THE_PASSWORD", postgres_server.password)
    assert kmflow("db", "migrate").code == 0


def test_a_password_in_place_of_its_reference_is_refused_unseen(
    kmflow: Kmflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KMFLOW_DATABASE_PASSWORD", TOKEN)

    refused = kmflow("db", "migrate")

    assert refused.code == CONFIGURATION
    assert "KMFLOW_DATABASE_PASSWORD" in refused.err
    assert TOKEN not in refused.out + refused.err


@pytest.mark.parametrize("command", [("db", "init"), ("db", "migrate"), ("group", "list")])
def test_a_server_that_is_away_is_named_and_nothing_else_is_used(
    kmflow: Kmflow, monkeypatch: pytest.MonkeyPatch, home, command: tuple[str, ...]
) -> None:
    url = f"postgresql://ann:{TOKEN}@127.0.0.1:1/kmflow"
    monkeypatch.setenv("KMFLOW_DATABASE_URL", url)

    away = kmflow(*command)

    assert away.code == REMOTE
    assert "127.0.0.1:1" in away.err
    assert "KMFLOW_DATABASE_URL" in away.err
    assert TOKEN not in away.out + away.err
    assert not (home / "control.db").exists()
