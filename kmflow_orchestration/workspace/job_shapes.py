"""Jobs and runs as the Jobs API shows them, with the old `state` and the new `status`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kmflow_orchestration.workspace.job_records import Job, Run, RunState, TaskRun
from kmflow_orchestration.workspace.job_settings import job_parameters

_TASK_FIELDS = (
    "description",
    "depends_on",
    "python_wheel_task",
    "environment_key",
    "existing_cluster_id",
    "new_cluster",
    "libraries",
    "timeout_seconds",
)


def job_shape(job: Job, *, tasks: bool = True) -> dict[str, Any]:
    """A job as `jobs/get` and, without its tasks, `jobs/list` show it."""
    heavy = set() if tasks else {"tasks", "environments", "parameters"}
    return {
        "job_id": job.job_id,
        "creator_user_name": job.owner.principal,
        "run_as_user_name": job.owner.principal,
        "created_time": job.created_ms,
        "settings": {key: value for key, value in job.settings.items() if key not in heavy},
    }


def run_shape(run: Run, task_runs: Iterable[TaskRun], *, host: str) -> dict[str, Any]:
    """A run as `runs/get` shows it; the newest attempt of each task."""
    overrides = run.overrides.get("job_parameters", {})
    values = job_parameters(run.settings, overrides)
    defaults = {entry["name"]: entry.get("default") for entry in run.settings.get("parameters", [])}
    shape = {
        "job_id": run.job_id,
        "run_id": run.run_id,
        "number_in_job": run.number_in_job,
        "original_attempt_run_id": run.run_id,
        "creator_user_name": run.creator.principal,
        "run_as_user_name": run.run_as.principal,
        "run_name": run.settings["name"],
        "run_type": "JOB_RUN",
        "trigger": "ONE_TIME",
        "format": "MULTI_TASK",
        "run_page_url": _page(host, run),
        "job_parameters": [
            {"name": name, "default": defaults.get(name) or "", "value": value}
            for name, value in values.items()
        ],
        **_times(run.started_ms or run.created_ms, run.ended_ms),
        **_standing(run.state),
    }
    if run.started_ms is not None:
        shape["queue_duration"] = run.started_ms - run.created_ms
    newest = {task_run.task_key: task_run for task_run in task_runs}
    shape["tasks"] = [
        task_shape(run, newest[task["task_key"]], host=host)
        for task in run.settings["tasks"]
        if task["task_key"] in newest
    ]
    return shape


def task_shape(run: Run, task_run: TaskRun, *, host: str) -> dict[str, Any]:
    """One attempt of a task, inside a run or by itself."""
    settings = next(task for task in run.settings["tasks"] if task["task_key"] == task_run.task_key)
    return {
        "run_id": task_run.run_id,
        "task_key": task_run.task_key,
        "attempt_number": task_run.attempt,
        "run_page_url": f"{_page(host, run)}?taskRunId={task_run.run_id}",
        **{key: settings[key] for key in _TASK_FIELDS if key in settings},
        **_times(task_run.started_ms, task_run.ended_ms),
        **_standing(task_run.state),
    }


def output_shape(run: Run, task_run: TaskRun, *, host: str) -> dict[str, Any]:
    """A task's output as `runs/get-output` shows it; error fields only after a failure."""
    output = task_run.output
    shape: dict[str, Any] = {
        "metadata": {
            "job_id": run.job_id,
            "parent_run_id": run.run_id,
            "creator_user_name": run.creator.principal,
            **task_shape(run, task_run, host=host),
        },
        "logs": output.logs,
        "logs_truncated": output.logs_truncated,
    }
    if output.error:
        shape |= {"error": output.error, "error_trace": output.error_trace}
    return shape


def _standing(state: RunState) -> Mapping[str, Any]:
    old: dict[str, Any] = {
        "life_cycle_state": state.life_cycle,
        "state_message": state.message,
        "user_cancelled_or_timedout": state.result in {"CANCELED", "TIMEDOUT"},
    }
    if state.result:
        old["result_state"] = state.result
    new: dict[str, Any] = {"state": "TERMINATED" if state.ended else state.life_cycle}
    if state.ended:
        details = {"code": state.code, "type": state.type, "message": state.message}
        new["termination_details"] = details
    return {"state": old, "status": new}


def _times(started_ms: int | None, ended_ms: int | None) -> dict[str, int]:
    times = {"setup_duration": 0, "execution_duration": 0, "cleanup_duration": 0}
    if started_ms is not None:
        times["start_time"] = started_ms
        if ended_ms is not None:
            times |= {"end_time": ended_ms, "run_duration": ended_ms - started_ms}
            times["execution_duration"] = ended_ms - started_ms
    return times


def _page(host: str, run: Run) -> str:
    return f"{host}/jobs/{run.job_id}/runs/{run.run_id}"
