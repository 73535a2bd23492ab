"""Jobs of one wheel task, made and watched through the real SDK."""

from __future__ import annotations

import time
from typing import Any

from databricks.sdk.service import compute, jobs

from kmflow_orchestration_tests.embedded import GroupInRoom, tiny_wheel

ENDED = {"TERMINATED", "SKIPPED", "INTERNAL_ERROR"}


def wheel_task(key: str = "main", **task: Any) -> jobs.Task:
    """A task that runs `tiny:main` from the job's environment."""
    wheel = {"package_name": "tiny", "entry_point": "main"}
    wheel |= {name: task.pop(name) for name in ("parameters", "named_parameters") if name in task}
    wheel["entry_point"] = task.pop("entry_point", "main")
    task.setdefault("environment_key", "default")
    return jobs.Task(task_key=key, python_wheel_task=jobs.PythonWheelTask(**wheel), **task)


def create_job(group: GroupInRoom, source: str, *tasks: jobs.Task, **settings: Any) -> int:
    """Upload a wheel of this source and make a job of the tasks (one plain task when none)."""
    wheel = group.upload("wheels/tiny-1.0-py3-none-any.whl", tiny_wheel(source))
    environment = compute.Environment(environment_version="4", dependencies=[wheel])
    created = group.client().jobs.create(
        name=settings.pop("name", "tiny"),
        tasks=list(tasks) or [wheel_task()],
        environments=[jobs.JobEnvironment("default", environment)],
        **settings,
    )
    assert created.job_id is not None
    return created.job_id


def ended(group: GroupInRoom, run_id: int, *, within_s: float = 20) -> jobs.Run:
    """The run once it is over."""
    return reaching(group, run_id, *ENDED, within_s=within_s)


def reaching(group: GroupInRoom, run_id: int, *states: str, within_s: float = 20) -> jobs.Run:
    """The run once it is in one of these life-cycle states."""
    client, deadline = group.client(), time.monotonic() + within_s
    while time.monotonic() < deadline:
        run = client.jobs.get_run(run_id)
        if run.state.life_cycle_state.value in states:
            return run
        time.sleep(0.02)
    raise AssertionError(f"run {run_id} is {run.state}, not {states}")


def finished(group: GroupInRoom, job_id: int, **run_now: Any) -> jobs.Run:
    """A new run of the job, at its end."""
    return ended(group, group.client().jobs.run_now(job_id, **run_now).run_id)


def output(group: GroupInRoom, run: jobs.Run) -> jobs.RunOutput:
    """Output of the run's last task."""
    return group.client().jobs.get_run_output(run.tasks[-1].run_id)
