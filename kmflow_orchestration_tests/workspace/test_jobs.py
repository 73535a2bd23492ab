from __future__ import annotations

import pytest
from databricks.sdk.errors import (
    DatabricksError,
    InvalidParameterValue,
    NotFound,
    PermissionDenied,
    ResourceDoesNotExist,
)
from databricks.sdk.service import compute, jobs

from kmflow_orchestration_tests.embedded import GroupInRoom, Room
from kmflow_orchestration_tests.workspace.wheel_jobs import create_job, finished, wheel_task

NOTHING = "def main(): pass"


def test_a_job_comes_back_as_it_was_created(acme: GroupInRoom) -> None:
    job_id = create_job(acme, NOTHING, name="profile acme", timeout_seconds=60)
    job = acme.client().jobs.get(job_id)
    assert job.settings.name == "profile acme"
    assert job.settings.tasks[0].python_wheel_task.entry_point == "main"
    assert job.settings.max_concurrent_runs == 1
    assert job.creator_user_name == job.run_as_user_name == "acme-service"


@pytest.mark.parametrize("version", ["2.0", "2.1", "2.2"])
def test_all_three_versions_answer(acme: GroupInRoom, version: str) -> None:
    job_id = create_job(acme, NOTHING)
    api = acme.client().api_client
    assert api.do("GET", f"/api/{version}/jobs/get", query={"job_id": job_id})["job_id"] == job_id
    assert api.do("GET", f"/api/{version}/jobs/runs/list", query={"job_id": job_id})["runs"] == []


def test_jobs_are_listed_by_name_and_in_pages(acme: GroupInRoom) -> None:
    created = [create_job(acme, NOTHING, name=f"job-{number}") for number in range(5)]
    listed = acme.client().jobs
    assert [job.job_id for job in listed.list(limit=2)] == created[::-1]
    assert [job.job_id for job in listed.list(name="JOB-3")] == [created[3]]
    assert not next(iter(listed.list(name="job-1"))).settings.tasks
    assert next(iter(listed.list(name="job-1", expand_tasks=True))).settings.tasks


def test_reset_replaces_the_settings(acme: GroupInRoom) -> None:
    job_id = create_job(acme, NOTHING, name="before", timeout_seconds=60)
    before = acme.client().jobs.get(job_id).settings
    settings = jobs.JobSettings(name="after", tasks=before.tasks, environments=before.environments)
    acme.client().jobs.reset(job_id, settings)
    after = acme.client().jobs.get(job_id).settings
    assert (after.name, after.timeout_seconds) == ("after", 0)


def test_a_deleted_job_does_not_exist(acme: GroupInRoom) -> None:
    job_id = create_job(acme, NOTHING)
    run = finished(acme, job_id)
    acme.client().jobs.delete(job_id)
    with pytest.raises(ResourceDoesNotExist, match=f"Job {job_id} does not exist"):
        acme.client().jobs.get(job_id)
    with pytest.raises(InvalidParameterValue):
        acme.client().jobs.run_now(job_id)
    assert acme.client().jobs.get_run(run.run_id).run_id == run.run_id


def test_unknown_runs_and_jobs_are_named(acme: GroupInRoom) -> None:
    client = acme.client().jobs
    with pytest.raises(ResourceDoesNotExist, match="Run 12 does not exist"):
        client.get_run(12)
    with pytest.raises(DatabricksError, match="Run 12 does not exist"):
        client.get_run_output(12)
    with pytest.raises(DatabricksError, match="Job 12 does not exist"):
        client.run_now(12)
    with pytest.raises(DatabricksError, match="Run 12 does not exist"):
        client.cancel_run(12)


def test_another_principals_job_is_out_of_reach(room: Room, acme: GroupInRoom) -> None:
    job_id = create_job(acme, NOTHING)
    run = finished(acme, job_id)
    beta = room.group("beta").client().jobs
    for ask in (beta.get, beta.delete, beta.run_now):
        with pytest.raises(PermissionDenied, match=f"permissions on job {job_id}"):
            ask(job_id)
    for ask in (beta.get_run, beta.cancel_run):
        with pytest.raises(PermissionDenied):
            ask(run.run_id)
    with pytest.raises(PermissionDenied):
        beta.get_run_output(run.tasks[0].run_id)
    assert list(beta.list()) == []
    assert list(beta.list_runs()) == []
    assert room.admin_client().jobs.get(job_id).job_id == job_id


def test_a_job_cannot_run_as_somebody_else(acme: GroupInRoom) -> None:
    with pytest.raises(PermissionDenied, match="run_as"):
        create_job(acme, NOTHING, run_as=jobs.JobRunAs(service_principal_name="beta-service"))


_ENV = [jobs.JobEnvironment("default", compute.Environment(environment_version="4"))]


@pytest.mark.parametrize(
    ("tasks", "sentence"),
    [
        ([], "at least one task"),
        ([wheel_task("a b")], "Task key 'a b'"),
        ([wheel_task("a"), wheel_task("a")], "more than once"),
        ([wheel_task(environment_key="other")], "environment_key 'other' is not defined"),
        ([wheel_task(parameters=["1"], named_parameters={"a": "1"})], "exclude each other"),
        ([jobs.Task("n", notebook_task=jobs.NotebookTask("/x"))], "python_wheel_task only"),
        ([wheel_task("a", depends_on=[jobs.TaskDependency("z")])], "unknown task 'z'"),
        ([wheel_task("a", depends_on=[jobs.TaskDependency("a")])], "form a cycle"),
        ([wheel_task(run_if=jobs.RunIf.ALL_DONE)], "run_if"),
        ([wheel_task(entry_point="")], "entry_point"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_settings_that_cannot_run_are_refused(
    acme: GroupInRoom, tasks: list[jobs.Task], sentence: str
) -> None:
    with pytest.raises(InvalidParameterValue, match=sentence):
        acme.client().jobs.create(name="x", tasks=tasks, environments=_ENV)


def test_a_schedule_is_refused_rather_than_ignored(acme: GroupInRoom) -> None:
    cron = jobs.CronSchedule("0 0 * * * ?", "UTC")
    with pytest.raises(InvalidParameterValue, match="schedule"):
        acme.client().jobs.create(name="x", tasks=[wheel_task()], environments=_ENV, schedule=cron)


def test_a_body_that_is_no_json_is_malformed(acme: GroupInRoom) -> None:
    with pytest.raises(DatabricksError) as refused:
        acme.client().api_client.do("POST", "/api/2.2/jobs/create", data="{not json")
    assert refused.value.error_code == "MALFORMED_REQUEST"


@pytest.mark.parametrize("field", ["job_id=abc", "job_id=", "job_id=99999999999999999999", ""])
def test_an_id_that_is_none_is_refused(acme: GroupInRoom, field: str) -> None:
    with pytest.raises((InvalidParameterValue, NotFound)):
        acme.client().api_client.do("GET", f"/api/2.2/jobs/get?{field}")
