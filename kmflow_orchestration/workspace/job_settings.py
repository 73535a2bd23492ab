"""What a job is: its settings checked, its parameters put in place. Pure.

What Databricks can and this server cannot is refused with a sentence, never silently ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from kmflow_orchestration.workspace.wire import WireError

Settings = Mapping[str, Any]

_TASK_KEY = re.compile(r"[A-Za-z0-9_-]{1,100}")
_REFERENCE = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")
_NOT_HERE = ("schedule", "continuous", "trigger", "git_source")
_TRIGGERS = "starts runs by run-now only; schedules and triggers are not part of it"


def checked_settings(body: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a job, with the defaults Databricks shows. Raises WireError 400."""
    settings = {key: value for key, value in body.items() if key != "access_control_list"}
    for key in _NOT_HERE:
        if settings.get(key):
            raise invalid(f"{key}: the embedded workspace {_TRIGGERS}.")
    tasks = settings.get("tasks") or []
    if not tasks:
        raise invalid("Job settings must specify at least one task.")
    _check_keys(tasks)
    environments = {entry.get("environment_key") for entry in settings.get("environments") or []}
    for task in tasks:
        _check_task(task, environments)
    if list(ordered_waves(tasks))[-1:] == [[]]:
        raise invalid("The task dependencies form a cycle.")
    defaults = {"name": "Untitled", "max_concurrent_runs": 1, "timeout_seconds": 0}
    return {**defaults, "email_notifications": {}, "format": "MULTI_TASK", **settings}


def _check_keys(tasks: list[Mapping[str, Any]]) -> None:
    keys = [task.get("task_key", "") for task in tasks]
    for key in keys:
        if not _TASK_KEY.fullmatch(key):
            raise invalid(f"Task key '{key}' must be 1 to 100 letters, digits, '-' and '_'.")
        if keys.count(key) > 1:
            raise invalid(f"Task key '{key}' is used more than once.")
    known = set(keys)
    for task in tasks:
        for needed in dependencies(task):
            if needed not in known:
                raise invalid(f"Task '{task['task_key']}' depends on unknown task '{needed}'.")


def _check_task(task: Mapping[str, Any], environments: set[str | None]) -> None:
    key, wheel = task["task_key"], task.get("python_wheel_task")
    if wheel is None:
        raise invalid(f"Task '{key}': the embedded workspace runs python_wheel_task only.")
    if not wheel.get("package_name") or not wheel.get("entry_point"):
        raise invalid(f"Task '{key}': python_wheel_task needs package_name and entry_point.")
    if wheel.get("parameters") and wheel.get("named_parameters"):
        raise invalid(f"Task '{key}': parameters and named_parameters exclude each other.")
    if task.get("run_if", "ALL_SUCCESS") != "ALL_SUCCESS":
        raise invalid(f"Task '{key}': run_if is ALL_SUCCESS only in the embedded workspace.")
    environment = task.get("environment_key")
    if environment is not None and environment not in environments:
        raise invalid(f"Task '{key}': environment_key '{environment}' is not defined in the job.")


def dependencies(task: Mapping[str, Any]) -> list[str]:
    """Keys of the tasks that must succeed before."""
    return [entry["task_key"] for entry in task.get("depends_on") or []]


def ordered_waves(tasks: list[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """Tasks that can run together, wave by wave; an empty last wave tells of a cycle."""
    done: set[str] = set()
    left = list(tasks)
    while left:
        wave = [task for task in left if done.issuperset(dependencies(task))]
        yield wave
        if not wave:
            return
        done |= {task["task_key"] for task in wave}
        left = [task for task in left if task["task_key"] not in done]


def wheel_paths(settings: Settings, task: Mapping[str, Any]) -> list[str]:
    """What a task asks to have installed: environment dependencies, then task libraries."""
    wanted: list[str] = []
    for environment in settings.get("environments") or []:
        if environment.get("environment_key") == task.get("environment_key"):
            wanted += environment.get("spec", {}).get("dependencies") or []
    for library in task.get("libraries") or []:
        if "whl" in library:
            wanted.append(library["whl"])
        else:
            wanted += [f"{kind}: {value}" for kind, value in library.items()]
    return wanted


def job_parameters(settings: Settings, overrides: Mapping[str, Any]) -> dict[str, str]:
    """Declared defaults with this run's values over them."""
    declared = {entry["name"]: entry.get("default", "") for entry in settings.get("parameters", [])}
    return {key: str(value) for key, value in {**declared, **overrides}.items()}


def task_arguments(
    task: Mapping[str, Any],
    overrides: Mapping[str, Any],
    references: Mapping[str, str],
    parameters: Mapping[str, str],
) -> list[str]:
    """What the entry point finds in `sys.argv[1:]`.

    Named parameters arrive as `--name=value`; job parameters are pushed down among them, as
    Databricks does. `python_params` of the run replace those of the task, `python_named_params`
    go over them. References such as `{{job.parameters.x}}` are replaced; unknown ones stay.
    """
    wheel = task["python_wheel_task"]
    over = overrides.get("python_named_params") or {}
    if "named_parameters" in wheel or over:
        named = {**wheel.get("named_parameters", {}), **parameters, **over}
        arguments = [f"--{name}={value}" for name, value in named.items()]
    else:
        plain = overrides.get("python_params") or wheel.get("parameters") or []
        arguments = [str(value) for value in plain]
    known = {**references, **{f"job.parameters.{key}": value for key, value in parameters.items()}}
    return [
        _REFERENCE.sub(lambda found: known.get(found[1], found[0]), argument)
        for argument in arguments
    ]


def invalid(message: str) -> WireError:
    """A 400 in the words of the Jobs API."""
    return WireError(400, "INVALID_PARAMETER_VALUE", message)
