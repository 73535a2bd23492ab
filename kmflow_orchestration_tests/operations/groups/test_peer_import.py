"""Row AB-S2: groups are taken over from the former system's table, whichever its name."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kmflow_orchestration.config.group_input import InputRules
from kmflow_orchestration.errors import ConfigurationError, CredentialError
from kmflow_orchestration.operations.group_configuration import import_inputs
from kmflow_orchestration.operations.peer_import import find_peer_groups
from kmflow_orchestration_tests.control_databases import ControlDatabases
from kmflow_orchestration_tests.operations.groups.conftest import ANN
from kmflow_orchestration_tests.postgres_server import PostgresServer

COLUMNS = """
id INTEGER PRIMARY KEY, workspace_url VARCHAR, warehouse_id VARCHAR, catalog VARCHAR,
schema VARCHAR, is_active BOOLEAN, is_enabled BOOLEAN, encrypted_personal_access_token VARCHAR,
group_id VARCHAR(100), created_by_email VARCHAR(255), mlflow_enabled BOOLEAN,
mlflow_experiment_name VARCHAR, evaluation_enabled BOOLEAN, evaluation_judge_model VARCHAR,
ai_gateway_enabled BOOLEAN, volume_enabled BOOLEAN, volume_path VARCHAR,
volume_file_format VARCHAR, volume_create_date_dirs BOOLEAN, knowledge_volume_enabled BOOLEAN,
knowledge_volume_path VARCHAR, knowledge_chunk_size INTEGER, knowledge_chunk_overlap INTEGER,
created_at DATETIME, updated_at DATETIME
"""
SOUND: dict[str, Any] = {
    "workspace_url": "https://adb-1.7.azuredatabricks.net/", "warehouse_id": "w1",
    "catalog": "main", "schema": "acme", "is_active": 1, "is_enabled": 1, "group_id": "acme",
    "encrypted_personal_access_token": "gAAAA-canary", "volume_enabled": 1,
    "volume_path": "main.acme.outputs", "volume_file_format": "csv",
    "volume_create_date_dirs": 0, "knowledge_chunk_size": 500, "created_at": "2025-01-01",
}  # fmt: skip

Peer = Callable[..., str]


@pytest.fixture
def peer(tmp_path: Path) -> Peer:
    """A database of the former system with these rows; its address."""

    def made(*rows: dict[str, Any], table: str = "databricksconfig") -> str:
        path = tmp_path / "peer.db"
        with sqlite3.connect(path) as connection:
            connection.execute(f"CREATE TABLE {table} ({COLUMNS})")
            for row in rows:
                names, marks = ", ".join(row), ", ".join("?" * len(row))
                connection.execute(
                    f"INSERT INTO {table} ({names}) VALUES ({marks})",
                    list(row.values()),
                )
        connection.close()
        return f"sqlite:///{path}"

    return made


def find(place: str) -> Any:
    return find_peer_groups(place, rules=InputRules())


@pytest.mark.parametrize("table", ["databricksconfig", "databricks_configs"])
def test_a_group_comes_with_its_settings_and_without_its_token(peer, configs, table):
    found = find(peer(SOUND, table=table))
    import_inputs(found.inputs, configs=configs, author=ANN)

    config = configs.active("acme")
    assert (config.host, config.catalog, config.schema) == (
        "adb-1.7.azuredatabricks.net", "main", "acme",
    )  # fmt: skip
    assert (config.volume_path, config.volume_file_format) == ("/Volumes/main/acme/outputs", "csv")
    assert (config.volume_create_date_dirs, config.knowledge_chunk_size) == (False, 500)
    assert config.token is None
    assert configs.history("acme")[0].created_by_email == ANN


def test_the_newest_active_row_counts_though_all_have_one_time(peer):
    found = find(
        peer(
            {**SOUND, "catalog": "old"},
            {**SOUND, "catalog": "new"},
            {**SOUND, "catalog": "gone", "is_active": 0},
        )
    )
    assert [one.catalog for one in found.inputs] == ["new"]


def test_rows_of_no_group_are_counted_and_left_out(peer):
    """There they answered for every tenant."""
    found = find(peer(SOUND, {**SOUND, "group_id": None}, {**SOUND, "group_id": " "}))
    assert ([one.group_id for one in found.inputs], found.without_group) == (["acme"], 2)


def test_everything_that_is_wrong_is_told_at_once(peer):
    rows = (
        {**SOUND, "workspace_url": "http://evil.test", "volume_path": "a.b"},
        {**SOUND, "group_id": "Not An Id"},
    )
    with pytest.raises(ConfigurationError) as caught:
        find(peer(*rows))
    message = caught.value.message
    assert "group 'acme': workspace_url: must" in message
    assert "volume_path: must" in message
    assert "group 'Not An Id'" in message


def test_the_former_system_is_only_read(peer, tmp_path):
    place = peer(SOUND)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    find(place)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_second_import_changes_nothing(peer, configs):
    inputs = find(peer(SOUND)).inputs
    assert [one.changed for one in import_inputs(inputs, configs=configs, author=ANN)] == [True]
    assert [one.changed for one in import_inputs(inputs, configs=configs, author=ANN)] == [False]


def test_a_place_that_is_none_is_refused_without_being_shown(peer, tmp_path, monkeypatch):
    (tmp_path / "no.db").write_text("not a database, and longer than its header would be")
    monkeypatch.setenv("PEER", "postgresql://u:canary@127.0.0.1:1/db?connect_timeout=1")
    places = (
        f"sqlite:///{tmp_path}/missing.db", f"sqlite:///{tmp_path}/no.db", "sqlite:///",
        "postgresql://u:canary@h/db", "nonsense canary", "env:PEER",
        peer(SOUND, table="other_table"),
    )  # fmt: skip
    for place in places:
        with pytest.raises(ConfigurationError) as caught:
            find(place)
        assert "canary" not in str(caught.value)
        assert caught.value.__cause__ is None
    with pytest.raises(CredentialError):
        find("env:NOT_THERE")


def test_an_address_is_found_by_its_reference(peer, monkeypatch):
    monkeypatch.setenv("PEER", peer(SOUND))
    assert len(find("env:PEER").inputs) == 1


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+asyncpg"])
def test_it_may_be_on_postgresql_whatever_driver_that_system_had(
    control_databases: ControlDatabases,
    postgres_server: PostgresServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
) -> None:
    with control_databases.of_a_test():
        address = control_databases.unmigrated(tmp_path / "peer.db")
        flags = ("is_active", "is_enabled", "volume_enabled", "volume_create_date_dirs")
        row = SOUND | {name: bool(SOUND[name]) for name in flags}
        postgres_server.execute(
            f"CREATE TABLE databricksconfig ({COLUMNS.replace('DATETIME', 'TIMESTAMP')})",
            f"INSERT INTO databricksconfig (id, {', '.join(row)})"
            f" VALUES (1, {', '.join(repr(value) for value in row.values())})",
            database=address.rpartition("/")[2],
        )
        monkeypatch.setenv("PEER", address.replace("postgresql+psycopg", scheme))

        (found,) = find("env:PEER").inputs

    assert (found.group_id, found.catalog, found.volume_file_format) == ("acme", "main", "csv")
