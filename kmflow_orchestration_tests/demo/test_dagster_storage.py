"""Where Dagster keeps its runs (row G14): SQLite by default, PostgreSQL by one variable."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.instance.ref import InstanceRef

from kmflow_orchestration.cli.main import main
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.demo.dagster_storage import VARIABLE, make_storage, prepare_storage
from kmflow_orchestration.demo.home import Home, instance_settings
from kmflow_orchestration.errors import ConfigurationError, MetadataUnavailable
from kmflow_orchestration.partitions.keys import GROUP_TAG
from kmflow_orchestration_tests.control_databases import ControlDatabases
from kmflow_orchestration_tests.postgres_server import PostgresServer

CANARY = "canary-7f3a9c51"
AWAY = f"postgresql://ann:{CANARY}@127.0.0.1:1/dagster"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    # What is prepared sets the variable for Dagster: gone after the test.
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.chdir(tmp_path)
    return Home.at(tmp_path / "home")


@pytest.fixture
def url(
    control_databases: ControlDatabases, postgres_server: PostgresServer, tmp_path: Path
) -> Iterator[str]:
    """Address of a database that is Dagster's alone, as other programs write it."""
    with control_databases.of_a_test():
        made = control_databases.unmigrated(tmp_path / "dagster.db")
        yield made.replace("postgresql+psycopg://", "postgresql://")


def prepare(home: Home, url: str, **settings: str) -> None:
    prepare_storage(home, load_settings(dagster_postgres_url=url, **settings))


def test_both_settings_files_differ_in_nothing_but_the_storage() -> None:
    sqlite = yaml.safe_load(instance_settings("dagster.yaml"))
    postgres = yaml.safe_load(instance_settings("dagster.postgres.yaml"))

    assert postgres.pop("storage")["custom"]["config"] == {"postgres_url": {"env": VARIABLE}}
    assert postgres == sqlite


def test_groups_take_turns_and_nobody_is_told_about_it() -> None:
    settings = yaml.safe_load(instance_settings("dagster.yaml"))

    assert settings["telemetry"] == {"enabled": False}
    assert settings["run_monitoring"]["enabled"] is True
    (limit,) = settings["concurrency"]["runs"]["tag_concurrency_limits"]
    assert limit == {"key": GROUP_TAG, "value": {"applyLimitPerUniqueValue": True}, "limit": 1}
    assert set(settings["retention"]) == {"sensor", "schedule"}


def test_without_the_variable_the_storage_is_sqlite(home: Home) -> None:
    prepare(home, "")

    assert (home.dagster / "dagster.yaml").read_text() == instance_settings("dagster.yaml")


def opened(home: Home) -> str:
    """What Dagster says of the home's instance."""
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(home.dagster))) as instance:
        assert instance.get_runs_count() == 0
        return instance.info_str()


def test_it_is_all_there_before_webserver_and_daemon_open_it(home: Home) -> None:
    """Both at once would make it, and Dagster lets one of them die of that."""
    prepare(home, "")
    assert not list(home.dagster.rglob("*.db"))

    make_storage(home)

    made = {file.name for file in home.dagster.rglob("*.db")}
    assert {"runs.db", "index.db", "schedules.db"} <= made
    for file in home.dagster.rglob("*.db"):
        with closing(sqlite3.connect(file)) as database:
            assert database.execute("SELECT version_num FROM alembic_version").fetchall()


def test_with_it_dagsters_tables_are_there_and_nothing_shows_the_address(
    home: Home, url: str, postgres_server: PostgresServer
) -> None:
    prepare(home, url)
    told = opened(home)

    tables = "SELECT tablename FROM pg_tables WHERE tablename IN ('runs', 'event_logs')"
    assert len(postgres_server.execute(tables, database=url.rpartition("/")[2])) == 2
    assert postgres_server.password not in told
    written = (home.dagster / "dagster.yaml").read_text()
    assert written == instance_settings("dagster.postgres.yaml")
    assert postgres_server.password not in written
    assert not list(home.dagster.glob("**/*.db"))


def test_a_server_that_is_away_is_named_and_sqlite_is_not_used_in_its_place(home: Home) -> None:
    with pytest.raises(MetadataUnavailable) as away:
        prepare(home, AWAY)

    assert "127.0.0.1:1" in away.value.message
    assert VARIABLE in away.value.hint
    assert CANARY not in f"{away.value} {away.value.__cause__}"
    assert not home.dagster.exists()


@pytest.mark.parametrize(
    ("url", "database_url", "named"),
    [
        ("mysql://ann@h/dagster", "", VARIABLE),
        ("nonsense", "", VARIABLE),
        ("postgres://ann@h/one", "postgresql+psycopg://kmflow@h:5432/one", "KMFLOW_DATABASE_URL"),
    ],
)
def test_an_address_that_cannot_be_dagsters_is_refused(
    home: Home, url: str, database_url: str, named: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        prepare(home, url, database_url=database_url)

    assert named in refused.value.fields


def test_an_instance_whose_server_went_away_says_where_it_was(
    home: Home, url: str, postgres_server: PostgresServer
) -> None:
    prepare(home, url)
    postgres_server.stop()

    with pytest.raises(MetadataUnavailable, match=f"127.0.0.1:{postgres_server.port}") as away:
        opened(home)

    assert VARIABLE in away.value.hint
    assert postgres_server.password not in f"{away.value} {away.value.__cause__}"


@pytest.mark.parametrize("command", ["demo", "dev"])
def test_the_command_ends_with_the_networks_exit_code(
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
) -> None:
    monkeypatch.setenv(VARIABLE, AWAY)

    code = main([command, "--dir", str(home.root)])

    told = capsys.readouterr()
    assert code == MetadataUnavailable.exit_code == 5
    assert "127.0.0.1:1" in told.err
    assert VARIABLE in told.err
    assert CANARY not in told.out + told.err
