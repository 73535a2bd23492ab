"""One Databricks job per table group, against the embedded workspace."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from kmflow_orchestration.databricks_client.files import VolumeFiles
from kmflow_orchestration.databricks_client.jobs import JobsClient
from kmflow_orchestration.errors import ConfigurationError, RemoteFault, RemoteNotFound
from kmflow_orchestration.names import TableGroupId, VolumePath
from kmflow_orchestration.redaction import register
from kmflow_orchestration.runs.databricks_jobs import DatabricksJobRunner
from kmflow_orchestration.runs.job_registry import JobRegistry, WheelUpload
from kmflow_orchestration.runs.job_runner import EnsuredJob
from kmflow_orchestration.runs.job_settings import (
    JobOptions,
    job_name,
    job_settings,
    job_tags,
    settings_hash,
)
from kmflow_orchestration.workspace.faults import Fault, RunEnd
from kmflow_orchestration_tests.embedded import tiny_wheel
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.runs.profile_world import ACME, E1

WRITES = ("create", "reset")


class PatientClock(FakeClock):
    """Lets other threads run while it sleeps; no lease runs out meanwhile."""

    def sleep(self, seconds):
        time.sleep(0.005)


def small_wheel(folder):
    wheel = folder / "kmflow_orchestration-0-py3-none-any.whl"
    wheel.write_bytes(tiny_wheel("def main(): pass"))
    return wheel


@pytest.fixture
def calls(groups):
    return groups.calls(ACME)


@pytest.fixture
def jobs(calls) -> JobsClient:
    return JobsClient(calls)


@pytest.fixture
def registry(world, groups, calls, jobs) -> JobRegistry:
    wheel = WheelUpload(VolumeFiles(calls), groups.config(ACME).volume, build=small_wheel)
    return JobRegistry(
        jobs=jobs,
        wheel=wheel,
        table_groups=world.table_groups,
        clock=world.clock,
        options=JobOptions(),
    )


def writes(room):
    return {
        name: room.server.requests("POST", f"/api/2.2/jobs/{name}").count(status=200)
        for name in WRITES
    }


def test_the_first_start_creates_the_job_and_the_second_writes_nothing(world, room, registry, jobs):
    first = registry.ensure(world.table_group)
    second = registry.ensure(world.table_group)

    assert first == second
    assert writes(room) == {"create": 1, "reset": 0}
    assert room.server.requests("PUT", "/api/2.0/fs/files/*").count() == 1
    settings = jobs.get(int(first.job_id))["settings"]
    assert (settings["name"], settings["max_concurrent_runs"]) == ("kmflow-profile-acme-e1", 1)
    assert settings["tags"] == job_tags(world.table_group)


def test_changed_settings_are_one_reset_of_the_same_job(world, room, registry):
    first = registry.ensure(world.table_group)
    changed = replace(registry, options=JobOptions(timeout_seconds=60))

    assert changed.ensure(world.table_group) == first
    assert changed.ensure(world.table_group) == first
    assert writes(room) == {"create": 1, "reset": 1}


def test_another_wheel_is_one_reset_and_the_job_runs_that_wheel(world, room, registry, jobs):
    def newer_wheel(folder):
        wheel = small_wheel(folder)
        wheel.write_bytes(tiny_wheel("def main(): print('newer')"))
        return wheel

    first = registry.ensure(world.table_group)
    upgraded = replace(registry, wheel=replace(registry.wheel, build=newer_wheel))

    assert upgraded.ensure(world.table_group) == first
    assert upgraded.ensure(world.table_group) == first
    assert writes(room) == {"create": 1, "reset": 1}
    (environment,) = jobs.get(int(first.job_id))["settings"]["environments"]
    (dependency,) = environment["spec"]["dependencies"]
    assert dependency == upgraded.wheel.ensure().text != registry.wheel.ensure().text


def test_a_job_registered_with_other_tags_gets_ours_by_one_reset(world, room, registry, jobs):
    """As an earlier version of this package, which tagged its jobs otherwise, has left it."""
    known, options = world.table_group, JobOptions()
    ours = job_settings(
        known, options, name=job_name(known, options), wheel=registry.wheel.ensure()
    )
    earlier = {**ours, "tags": {**ours["tags"], "component": "profiling"}}
    job_id = str(jobs.create(earlier))
    world.table_groups.record_job(
        ACME, E1, job_id=job_id, settings_hash=settings_hash(earlier), now=world.clock.now()
    )

    for _ in range(2):
        assert registry.ensure(known) == EnsuredJob(job_id)

    assert writes(room) == {"create": 1, "reset": 1}
    assert jobs.get(int(job_id))["settings"]["tags"] == job_tags(known)


def test_a_refused_reset_keeps_the_old_hash_and_starts_nothing(world, room, registry):
    registry.ensure(world.table_group)
    before = world.table_groups.get(ACME, E1)
    room.server.faults.add(Fault("fail_times", path="*/jobs/reset", status=403, times=99))
    changed = replace(registry, options=JobOptions(timeout_seconds=60))

    with pytest.raises(Exception, match="Injected fault"):
        changed.ensure(world.table_group)

    assert world.table_groups.get(ACME, E1) == before


def test_a_job_that_vanished_is_made_again_with_a_warning(world, room, registry, groups):
    first = registry.ensure(world.table_group)
    room.admin_client().jobs.delete(int(first.job_id))

    again = registry.ensure(world.table_group)

    assert again.job_id != first.job_id
    assert [warning.partition(":")[0] for warning in again.warnings] == ["job_recreated"]
    assert world.table_groups.get(ACME, E1).profiling_job_id == again.job_id


def test_a_job_whose_creation_was_answered_to_nobody_is_adopted(world, room, registry):
    room.server.faults.add(Fault("execute_then_drop", path="*/jobs/create"))
    with pytest.raises(RemoteFault):
        registry.ensure(world.table_group)

    adopted = registry.ensure(world.table_group)

    assert adopted.warnings == ("job_adopted",)
    assert room.server.requests("POST", "/api/2.2/jobs/create").count() == 1
    assert registry.ensure(world.table_group).warnings == ()


def test_of_several_orphans_the_oldest_is_adopted_and_the_others_named(world, registry, jobs):
    wheel = VolumePath.parse("/Volumes/c/s/v/x.whl")
    name = job_name(world.table_group, JobOptions())
    orphans = [
        jobs.create(job_settings(world.table_group, JobOptions(), name=name, wheel=wheel))
        for _ in range(3)
    ]

    adopted = registry.ensure(world.table_group)

    assert adopted.job_id == str(min(orphans))
    assert all(str(orphan) in adopted.warnings[1] for orphan in sorted(orphans)[1:])


def test_somebody_elses_job_of_our_name_is_left_alone(world, room, registry, jobs):
    wheel = VolumePath.parse("/Volumes/c/s/v/x.whl")
    name = job_name(world.table_group, JobOptions())
    foreign = job_settings(world.table_group, JobOptions(), name=name, wheel=wheel)
    theirs = jobs.create({**foreign, "tags": {"app": "another"}})

    ours = registry.ensure(world.table_group)
    changed = replace(registry, options=JobOptions(timeout_seconds=60)).ensure(world.table_group)

    assert ours.job_id == changed.job_id != str(theirs)
    assert jobs.get(theirs)["settings"]["tags"] == {"app": "another"}
    own_name = jobs.get(int(ours.job_id))["settings"]["name"]
    assert own_name.startswith(f"{name}-")
    assert own_name != name


def test_first_starts_at_once_make_one_job(world, room, registry):
    registry = replace(registry, clock=PatientClock())
    with ThreadPoolExecutor(4) as pool:
        ensured = list(pool.map(registry.ensure, [world.table_group] * 4))

    assert len({one.job_id for one in ensured}) == 1
    assert writes(room)["create"] == 1


def test_table_groups_have_jobs_of_their_own(world, registry):
    other = world.add_table_group(ACME, "e2")

    assert registry.ensure(world.table_group).job_id != registry.ensure(other).job_id


def test_a_wheel_that_was_cut_short_is_uploaded_again(world, registry, calls):
    path = registry.wheel.ensure()
    whole = registry.wheel.files.size(path)
    registry.wheel.files.delete(path)

    assert registry.wheel.ensure() == path
    assert registry.wheel.files.size(path) == whole


def test_settings_hold_no_secret_and_declare_every_parameter(world):
    settings = job_settings(
        world.table_group,
        JobOptions(),
        name="n",
        wheel=VolumePath.parse("/Volumes/c/s/v/x.whl"),
    )

    assert {parameter["default"] for parameter in settings["parameters"]} == {""}
    (task,) = settings["tasks"]
    assert (
        "--callback_token={{job.parameters.callback_token}}"
        in (task["python_wheel_task"]["parameters"])
    )
    assert settings["environments"][0]["spec"]["dependencies"] == ["/Volumes/c/s/v/x.whl"]
    assert (task["max_retries"], task["min_retry_interval_millis"]) == (1, 60_000)
    json.dumps(settings)


@pytest.mark.parametrize("token", ["dapi0123456789abcdef0123456789abcdef", "marked-secret-71"])
def test_a_token_in_the_place_of_an_id_becomes_no_job(world, token):
    register("marked-secret-71")
    pasted = replace(world.table_group, table_group_id=TableGroupId(token))
    wheel = VolumePath.parse("/Volumes/c/s/v/x.whl")

    with pytest.raises(ConfigurationError, match="would show a secret") as refused:
        job_settings(pasted, JobOptions(), name="n", wheel=wheel)

    assert refused.value.fields == ("table_group_id",)
    assert token not in str(refused.value)


def test_a_submission_told_twice_is_one_run_and_its_end_is_told(world, room, registry, jobs):
    runner = DatabricksJobRunner(jobs, registry)
    job = runner.ensure_job(world.table_group)
    ending = RunEnd("SKIPPED", None, "SKIPPED", message="queue is full")
    room.server.faults.add(Fault("run_ends", run_end=ending))

    told = [
        runner.submit(job.job_id, profile_run_id="r1", parameters={"group_id": ACME})
        for _ in range(2)
    ]

    assert told[0].databricks_run_id == told[1].databricks_run_id
    assert told[0].run_page_url.startswith("http")
    assert "state" in runner.state(told[0].databricks_run_id)
    runner.cancel(told[0].databricks_run_id)


def test_a_run_the_workspace_never_had_is_not_found(jobs, registry):
    runner = DatabricksJobRunner(jobs, registry)

    with pytest.raises(RemoteNotFound):
        runner.state("424242")
