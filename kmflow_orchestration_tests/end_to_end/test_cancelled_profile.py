"""Dagster's cancel of a run ends its statement or its job on the workspace (row G13)."""

from __future__ import annotations

import signal
import socket
import time
from contextlib import closing

import dagster as dg
import pytest

from kmflow_orchestration.partitions.keys import GROUPS, TABLE_GROUPS
from kmflow_orchestration.resources import asset_keys as keys
from kmflow_orchestration.workspace.executions import Execution
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration_tests.end_to_end.dagster_process import started
from kmflow_orchestration_tests.end_to_end.world import today_key

# One world per module: its tests stay together in one worker.
pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("end_to_end_cancelled_profile")]
ENGAGEMENTS = ("running", "unrecorded", "refused", "stated")
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def world(workspace_world):
    """A table for each test, none profiled yet."""
    files = {f"{name}/loans.csv": b"id,amount\n1,10\n2,20\n" for name in ENGAGEMENTS}
    workspace_world.drop("acme", files)
    workspace_world.daemon.tick("evidence_arrival")
    workspace_world.instance.add_dynamic_partitions(TABLE_GROUPS.name, list(ENGAGEMENTS))
    assert today_key("acme") in workspace_world.materializations(keys.BRONZE_DATASETS)
    return workspace_world


@pytest.fixture
def silent():
    """An address that takes calls and never answers: a job that reports there goes on and on."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


class Cancelled:
    """A Dagster run of `profile_run` in a process, interrupted at a moment a test waits for."""

    def __init__(self, world, folder, callback_url, table_group) -> None:
        self.world, self.folder, self.table_group = world, folder, table_group
        self.server = world.sandbox.workspace
        folder.mkdir()
        with dg.DagsterInstance.local_temp(str(folder)) as instance:
            instance.add_dynamic_partitions(GROUPS.name, ["acme"])
            instance.add_dynamic_partitions(TABLE_GROUPS.name, [table_group])
        overrides = world.sandbox.overrides | {"callback_base_url": callback_url}
        self.process = started(folder, overrides, [keys.PROFILE_RUN], f"acme|{table_group}")

    def job_runs(self):
        """The table group's job runs on the workspace."""
        (workspace_id,) = self.server.state.workspaces()
        job = self.world.context.table_groups.get("acme", self.table_group).profiling_job_id
        return self.server.services.jobs.store.runs(workspace_id, job_id=int(job)) if job else []

    def wait_for(self, reached) -> None:
        give_up_at = time.monotonic() + PATIENCE_S
        while not reached():
            assert self.process.poll() is None, self.process.stderr.read()
            assert time.monotonic() < give_up_at
            time.sleep(0.05)

    def interrupt(self) -> str:
        """Cancel the run as Dagster's launcher does; what its process said."""
        with dg.DagsterInstance.local_temp(str(self.folder)) as instance:
            instance.report_run_canceling(instance.get_runs()[0])
        self.process.send_signal(signal.SIGINT)
        _, said = self.process.communicate(timeout=PATIENCE_S)
        return said

    def dagster_status(self):
        with dg.DagsterInstance.local_temp(str(self.folder)) as instance:
            (run,) = instance.get_runs()
            return run.status

    def record(self):
        return self.world.context.profile_runs.latest("acme", table_group=self.table_group)[0]


@pytest.fixture
def cancelled(world, tmp_path, silent):
    begun: list[Cancelled] = []

    def begin(table_group: str) -> Cancelled:
        begun.append(Cancelled(world, tmp_path / "dagster", silent, table_group))
        return begun[-1]

    yield begin
    world.sandbox.workspace.faults.clear()
    for one in begun:
        one.process.kill()
        one.process.communicate()


def ends_and_makes_room(world, run) -> None:
    """Everything is over, on the workspace too, and the next request starts another run."""
    give_up_at = time.monotonic() + PATIENCE_S
    while not all(one.state.ended for one in run.job_runs()):
        assert time.monotonic() < give_up_at
        time.sleep(0.05)
    # On a machine that is busy the run's process may not have waited for it.
    world.context.profile_runs.look_at_once("acme", at=world.context.clock.now())
    world.daemon.tick("profile_completion")
    (job_run,) = run.job_runs()
    assert (job_run.state.life_cycle, job_run.state.result) == ("TERMINATED", "CANCELED")
    ended = run.record()
    assert (ended.status, ended.databricks_run_id) == ("cancelled", str(job_run.run_id))
    assert ended.failure_class == "cancelled"
    assert world.run([keys.PROFILE_RUN], partition=f"acme|{run.table_group}").success
    assert run.record().profile_run_id != ended.profile_run_id
    assert len(run.job_runs()) == 2


def test_a_run_cancelled_while_its_job_runs_cancels_the_job(world, cancelled):
    answer = Fault("delay", method="GET", path="*/jobs/runs/get", seconds=30)
    world.sandbox.workspace.faults.add(answer)
    run = cancelled("running")
    run.wait_for(lambda: any(one.state.life_cycle == "RUNNING" for one in run.job_runs()))

    run.interrupt()

    assert run.dagster_status() is dg.DagsterRunStatus.CANCELED
    ends_and_makes_room(world, run)


def test_a_run_cancelled_before_it_knows_its_jobs_id_cancels_the_job(world, cancelled):
    faults = world.sandbox.workspace.faults
    late = faults.add(Fault("delay", method="POST", path="*/jobs/run-now", seconds=2))
    run = cancelled("unrecorded")
    run.wait_for(lambda: late not in faults.pending())

    run.interrupt()

    assert run.dagster_status() is dg.DagsterRunStatus.CANCELED
    time.sleep(2)  # what was sent first arrives now, and finds the run that is there
    ends_and_makes_room(world, run)


def test_a_cancel_the_workspace_refuses_is_told_and_made_good_by_the_sensor(world, cancelled):
    faults = world.sandbox.workspace.faults
    faults.add(Fault("delay", method="GET", path="*/jobs/runs/get", seconds=30))
    refused = {"status": 403, "error_code": "PERMISSION_DENIED", "message": "not now"}
    faults.add(Fault("fail_times", method="POST", path="*/runs/cancel", **refused))
    run = cancelled("refused")
    run.wait_for(lambda: any(one.state.life_cycle == "RUNNING" for one in run.job_runs()))

    said = run.interrupt()

    assert run.dagster_status() is dg.DagsterRunStatus.CANCELED
    assert "not now" in said
    outstanding = run.record()
    assert (outstanding.status.is_terminal, "not now" in outstanding.warnings[0]) == (False, True)
    world.daemon.tick("profile_completion")  # asks again
    ends_and_makes_room(world, run)


def test_a_run_cancelled_while_its_statement_waits_cancels_the_statement(world, cancelled):
    services = world.sandbox.workspace.services
    calls = world.context.clients.get(world.group("acme").config)
    warehouse = world.group("acme").config.warehouse_id
    calls.do("POST", f"/api/2.0/sql/warehouses/{warehouse}/stop", body={})
    world.sandbox.workspace.faults.add(Fault("cold_warehouse", seconds=60))
    run = cancelled("stated")
    waiting: list[Execution] = []

    def begun() -> bool:
        # What is over is forgotten there, so it is kept here.
        waiting.extend(services.executions._by_id.values())
        return bool(waiting)

    run.wait_for(begun)

    run.interrupt()

    assert run.dagster_status() is dg.DagsterRunStatus.CANCELED
    assert {one.state for one in waiting} == {"CANCELED"}
    assert world.context.profile_runs.latest("acme", table_group="stated") == []
