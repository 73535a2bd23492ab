from __future__ import annotations

from typing import Any

import pytest

from kmflow_orchestration.clock import SystemClock
from kmflow_orchestration.databricks_client.calls import WorkspaceCalls, required_int
from kmflow_orchestration.databricks_client.jobs import JobsClient
from kmflow_orchestration.databricks_client.waiting import Pace, wait_until
from kmflow_orchestration.errors import ProtocolError, RemoteFault, RequestRejected
from kmflow_orchestration.workspace.faults import Fault, RunEnd
from kmflow_orchestration_tests.embedded import Room
from kmflow_orchestration_tests.fakes import FakeClock

ENDED = {"TERMINATED", "SKIPPED", "INTERNAL_ERROR"}


@pytest.fixture
def jobs(calls: WorkspaceCalls) -> JobsClient:
    return JobsClient(calls)


def settings(name: str = "profile", **more: Any) -> dict[str, Any]:
    task = {
        "task_key": "main",
        "python_wheel_task": {"package_name": "tiny", "entry_point": "main"},
        "environment_key": "default",
    }
    environment = {"environment_key": "default", "spec": {"environment_version": "4"}}
    parameters = [{"name": "day", "default": ""}]
    job = {"tasks": [task], "environments": [environment], "parameters": parameters}
    return {"name": name, **job, **more}


def ended(jobs: JobsClient, run_id: int) -> dict[str, Any]:
    def over() -> dict[str, Any] | None:
        run = jobs.run(run_id)
        return run if run and run["state"]["life_cycle_state"] in ENDED else None

    pace = Pace(first_s=0.02, longest_s=0.05)
    return wait_until(over, timeout_s=20, clock=SystemClock(), pace=pace)


def test_a_job_is_found_by_its_exact_name(jobs: JobsClient) -> None:
    job_id = jobs.create(settings())
    jobs.create(settings("profile-2"))

    assert jobs.find_by_name("profile") == [job_id]
    assert jobs.find_by_name("none") == []


def test_a_reset_replaces_all_settings(jobs: JobsClient) -> None:
    job_id = jobs.create(settings(tags={"a": "1"}))

    jobs.reset(job_id, settings("renamed"))

    job = jobs.get(job_id)
    assert job is not None
    assert job["settings"]["name"] == "renamed"
    assert not job["settings"].get("tags")


def test_one_token_starts_one_run(room: Room, jobs: JobsClient, clock: FakeClock) -> None:
    job_id = jobs.create(settings())
    room.server.faults.add(Fault("run_ends", run_end=RunEnd(result_state="SUCCESS")))
    room.server.faults.add(Fault("execute_then_drop", path="/api/2.2/jobs/run-now"))

    first = jobs.run_now(job_id, parameters={"day": "x"}, idempotency_token="t1")
    again = jobs.run_now(job_id, parameters={"day": "x"}, idempotency_token="t1")

    assert first == again
    ended(jobs, first)


def test_a_word_nobody_knows_arrives_as_it_is(room: Room, jobs: JobsClient) -> None:
    strange = RunEnd(result_state="SUCCESS_WITH_SPARKLES", termination_code="TELEPORTED")
    room.server.faults.add(Fault("run_ends", run_end=strange))
    run_id = jobs.run_now(jobs.create(settings()), parameters={}, idempotency_token="t2")

    run = ended(jobs, run_id)

    assert run["state"]["result_state"] == "SUCCESS_WITH_SPARKLES"
    assert run["status"]["termination_details"]["code"] == "TELEPORTED"


def test_a_failed_task_says_why(jobs: JobsClient) -> None:
    run_id = jobs.run_now(jobs.create(settings()), parameters={}, idempotency_token="t3")

    run = ended(jobs, run_id)

    assert run["state"]["result_state"] != "SUCCESS"
    assert jobs.output(run["tasks"][0]["run_id"]).get("error")


def test_what_does_not_exist_is_none_or_not_found(jobs: JobsClient) -> None:
    assert jobs.get(4711) is None
    assert jobs.run(4711) is None
    with pytest.raises(RequestRejected):
        jobs.run_now(4711, parameters={}, idempotency_token="t4")


def test_a_lost_create_is_looked_up_not_repeated(room: Room, jobs: JobsClient) -> None:
    room.server.faults.add(Fault("execute_then_drop", path="/api/2.2/jobs/create"))

    with pytest.raises(RemoteFault):
        jobs.create(settings())

    assert len(jobs.find_by_name("profile")) == 1


@pytest.mark.parametrize("answer", [{}, {"job_id": "7"}, {"job_id": True}, {"job_id": None}])
def test_an_answer_without_its_id_names_the_endpoint(answer: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError, match="POST /create"):
        required_int(answer, "job_id", "POST /create")
