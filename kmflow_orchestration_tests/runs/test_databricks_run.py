"""A profile from submission to scores on the embedded workspace: the real wheel, the real job."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pyarrow as pa
import pytest

from kmflow_orchestration.clock import SystemClock
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.operations.provision import provision
from kmflow_orchestration.runs.callbacks import CallbackSettings
from kmflow_orchestration.runs.choose import open_jobs
from kmflow_orchestration.runs.reconciliation import PolledGroup, poll_outstanding
from kmflow_orchestration.runs.run_state import translate_state
from kmflow_orchestration.runs.stored_results import stored_completion
from kmflow_orchestration.runs.submission import start_profile
from kmflow_orchestration.service.app import create_app
from kmflow_orchestration.service.dependencies import ServiceDependencies
from kmflow_orchestration.service.server import ServiceServer
from kmflow_orchestration.storage.choose import open_lakehouse
from kmflow_orchestration.tables.definition import Column
from kmflow_orchestration.tables.profiling import DQ_DATA_COLUMN_CHARS, PROFILING_TABLES
from kmflow_orchestration.workspace.faults import Fault, RunEnd
from kmflow_orchestration_tests.embedded_groups import GroupsInRoom
from kmflow_orchestration_tests.runs.profile_world import ACME, E1

WAIT_S = 60.0
POLLED_ONLY = CallbackSettings()


@dataclass
class OnDatabricks:
    """Group acme in a workspace of its own, with one small table."""

    world: object
    lakehouse: object
    jobs: object
    config: object

    def start(self, callback=POLLED_ONLY):
        return start_profile(
            ACME,
            E1,
            runs=self.world.runs,
            table_groups=self.world.table_groups,
            jobs=self.jobs,
            lakehouse=self.lakehouse,
            config=self.config,
            callback=callback,
            clock=self.world.clock,
        )

    def wait(self, launched):
        give_up = time.monotonic() + WAIT_S
        while not translate_state(self.jobs.state(launched.databricks_run_id)).is_terminal:
            assert time.monotonic() < give_up
            time.sleep(0.05)

    def poll(self, launched):
        now = self.world.clock.now()
        self.world.runs.polled(ACME, launched.profile_run_id, at=now, next_poll_at=now)
        polled = PolledGroup(ACME, self.jobs, self.read)
        return poll_outstanding([polled], runs=self.world.runs, clock=self.world.clock)

    def read(self, run):
        return stored_completion(run, lakehouse=self.lakehouse, namespace=self.config.namespace)


@pytest.fixture
def acme(world, room):
    world.clock = SystemClock()
    groups = GroupsInRoom(room, world.clock)
    config = groups.config(ACME)
    settings = load_settings(storage_backend="databricks", profile_retry_pause_s="0")
    lakehouse = open_lakehouse(settings, config, clients=groups.clients, clock=world.clock)
    jobs = open_jobs(
        settings,
        config,
        clients=groups.clients,
        table_groups=world.table_groups,
        clock=world.clock,
    )
    provision(config, lakehouse, groups.calls(ACME), PROFILING_TABLES)
    loans = config.namespace.bronze("e1__loans")
    rows = pa.table({"id": [1, 2, 3, 4], "city": ["Bern", "N/A", " Basel", None]})
    lakehouse.rebuild(loans, (Column("id", "BIGINT"), Column("city", "STRING")), rows)
    world.loans_changed(loans.schema, loans.name)
    yield OnDatabricks(world, lakehouse, jobs, config)
    lakehouse.close()
    groups.close()


@pytest.mark.slow
def test_a_job_profiles_reports_and_is_scored(world, acme):
    dependencies = ServiceDependencies(
        world.runs, world.keys, "databricks", world.clock, world.tokens
    )
    with ServiceServer(create_app(dependencies)) as service:
        launched = acme.start(CallbackSettings(service.url, world.keys))
        acme.wait(launched)

    run = world.runs.get(ACME, launched.profile_run_id)
    assert (run.status, run.completed_by, run.row_count) == ("completed", "callback", 4)
    assert run.dq_score_profiling < 1
    told = acme.read(run)
    assert len(told.anomalies) == run.anomaly_count > 0
    assert (told.dq_score_profiling, told.column_count) == (
        run.dq_score_profiling,
        run.column_count,
    )


@pytest.mark.slow
def test_without_a_callback_polling_ends_the_run_from_its_tables(world, acme):
    launched = acme.start()
    acme.wait(launched)

    (outcome,) = acme.poll(launched)

    assert (outcome.status, outcome.changed) == ("completed", True)
    assert world.runs.get(ACME, launched.profile_run_id).completed_by == "poller"


@pytest.mark.journey
@pytest.mark.parametrize("reports", [True, False], ids=["callback", "poller"])
def test_a_job_that_fails_keeps_its_measures_and_never_counts_as_completed(world, acme, reports):
    acme.lakehouse.execute(f"DROP TABLE {acme.config.namespace.dq(DQ_DATA_COLUMN_CHARS.name).sql}")
    dependencies = ServiceDependencies(
        world.runs, world.keys, "databricks", world.clock, world.tokens
    )
    with ServiceServer(create_app(dependencies)) as service:
        address = CallbackSettings(service.url, world.keys)
        launched = acme.start(address if reports else POLLED_ONLY)
        acme.wait(launched)
    outcomes = acme.poll(launched)

    run = world.runs.get(ACME, launched.profile_run_id)
    assert (run.status, run.completed_by) == ("failed", "callback" if reports else "poller")
    assert DQ_DATA_COLUMN_CHARS.name in run.error_message
    if reports:
        assert (run.row_count, run.table_count, run.column_count) == (4, 1, 2)
        assert not any(one.changed for one in outcomes)
    assert acme.read(run).column_count == 2
    assert world.findings.anomalies(ACME, run.profile_run_id) == []
    assert world.runs.latest_completed(ACME, E1) is None
    assert [one.table_group_id for one in world.table_groups.stale(ACME)] == [E1]


def test_a_run_the_workspace_skips_is_recorded_with_its_words(world, room, acme):
    ending = RunEnd("SKIPPED", None, "SKIPPED", message="queue is full")
    room.server.faults.add(Fault("run_ends", run_end=ending))
    launched = acme.start()
    acme.wait(launched)

    (outcome,) = acme.poll(launched)

    run = world.runs.get(ACME, launched.profile_run_id)
    assert (outcome.status, run.failure_class) == ("skipped", "skipped")
    assert "queue is full" in run.error_message
