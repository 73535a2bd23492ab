"""Dagster's storage and the control database both on PostgreSQL, and evidence through them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kmflow_orchestration.demo.dagster_storage import VARIABLE
from kmflow_orchestration.demo.home import Home
from kmflow_orchestration.demo.run_demo import open_instance
from kmflow_orchestration.demo.sandbox import Sandbox
from kmflow_orchestration.resources.asset_keys import INTAKE
from kmflow_orchestration_tests.control_databases import ControlDatabases
from kmflow_orchestration_tests.end_to_end.world import World, failure_of, today_key
from kmflow_orchestration_tests.postgres_server import PostgresServer

FILES = {
    "e1/loans.csv": b"id,rate\n1,0.5\n2,0.25\n",
    "e1/notes.md": b"# Interview\n\nTwo people keep the list.\n",
    "e1/empty.csv": b"",
}
RUNS = "SELECT run_id, status FROM runs ORDER BY id"


@pytest.fixture
def dagster_url(
    control_databases: ControlDatabases, postgres_server: PostgresServer, tmp_path: Path
) -> Iterator[str]:
    with control_databases.of_a_test():
        yield control_databases.unmigrated(tmp_path / "dagster.db")


@pytest.fixture
def world(
    tmp_path: Path,
    dagster_url: str,
    control_databases: ControlDatabases,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    monkeypatch.setenv(VARIABLE, dagster_url)
    home = Home.at(tmp_path)
    sandbox = Sandbox(home, "local")
    url = control_databases.unmigrated(tmp_path / "control.db")
    sandbox.overrides |= control_databases.settings(url)
    sandbox.overrides |= {"quiet_period_s": "0", "conversion_workers": "1"}
    with sandbox, open_instance(home) as instance:
        sandbox.provision()
        yield World(sandbox, instance)


@pytest.mark.slow
def test_evidence_becomes_bronze_and_the_runs_are_in_postgresql(
    world: World, dagster_url: str, postgres_server: PostgresServer
) -> None:
    world.drop("acme", FILES)
    world.seen_on(datetime.now(UTC).date(), "acme")

    result = world.run(INTAKE, partition=today_key("acme"))

    assert result.success, failure_of(result)
    found = postgres_server.execute(RUNS, database=dagster_url.rpartition("/")[2])
    assert found == [(result.run_id, "SUCCESS")]
    assert not list(world.sandbox.home.root.glob("**/*.db"))
    with open_instance(world.sandbox.home) as another:
        assert another.get_run_by_id(result.run_id) is not None
        for key in INTAKE:
            assert today_key("acme") in another.get_materialized_partitions(key)
    rows = world.query("acme", "SELECT id, rate FROM {base}_bronze.e1__loans ORDER BY id")
    assert [tuple(row.values()) for row in rows] == [(1, 0.5), (2, 0.25)]
