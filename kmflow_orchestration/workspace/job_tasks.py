"""What a task needs around its process: wheels from Volumes, a Spark engine, its environment."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kmflow_orchestration.sail.faults import SailError, SailUnavailable
from kmflow_orchestration.sail.spark_child import SparkForChild
from kmflow_orchestration.workspace.catalog_services import CatalogServices
from kmflow_orchestration.workspace.job_records import Run, RunState
from kmflow_orchestration.workspace.job_settings import (
    job_parameters,
    task_arguments,
    wheel_paths,
)
from kmflow_orchestration.workspace.state import WorkspaceState
from kmflow_orchestration.workspace.task_process import (
    TaskCommand,
    TaskEnd,
    UnusableWheel,
    run_task,
)
from kmflow_orchestration.workspace.volume_paths import READ, volume_place
from kmflow_orchestration.workspace.wire import Caller, WireError

_RUNTIME = "client.4"
"""What a serverless environment of version 4 has in DATABRICKS_RUNTIME_VERSION."""
Interrupted = Callable[[], bool]
_TABLE_PRIVILEGES = ("SELECT", "MODIFY")


class LibraryFault(Exception):
    """A task that could not begin; `end` is how its run ends."""

    def __init__(self, message: str, *, code: str = "LIBRARY_INSTALLATION_ERROR") -> None:
        super().__init__(message)
        self.end = RunState("INTERNAL_ERROR", "FAILED", message, code, "CLIENT_ERROR")


@dataclass(frozen=True, slots=True)
class TaskAttempt:
    """One execution of a task; `execution_count` is 1 on the first try."""

    task_run_id: int
    execution_count: int


class TaskRunner:
    """Runs wheel tasks as their job's creator."""

    def __init__(self, services: CatalogServices) -> None:
        self._services = services
        for workspace_id in services.state.workspaces():  # what a killed server left behind
            shutil.rmtree(_runs(services.state, workspace_id), ignore_errors=True)

    def run(
        self, run: Run, task: Mapping[str, Any], attempt: TaskAttempt, interrupted: Interrupted
    ) -> TaskEnd:
        """One attempt, to its end.

        Raises:
            LibraryFault: a wheel is missing, may not be read, or is none; no engine.
        """
        wheels = [self._wheel(run.run_as, path) for path in wheel_paths(run.settings, task)]
        try:
            with self._spark(run.run_as) as spark:
                command = self._command(run, task, attempt, wheels, spark.environment)
                return run_task(command, interrupted)
        except UnusableWheel as error:
            raise LibraryFault(f"Library installation failed: {error}") from error
        except (SailError, SailUnavailable) as error:
            raise LibraryFault(f"No Spark engine: {error}", code="DRIVER_ERROR") from error

    def _wheel(self, run_as: Caller, path: str) -> Path:
        if not path.startswith("/Volumes/") or not path.endswith(".whl"):
            raise LibraryFault(
                f"Library installation failed: '{path}': the embedded workspace installs nothing;"
                " it takes wheels in Volumes."
            )
        try:
            wheel = volume_place(self._services, run_as, path, READ).disk
        except WireError as error:
            raise LibraryFault(f"Library installation failed: {error.message}") from error
        if not wheel.is_file():
            raise LibraryFault(f"Library installation failed: '{path}' does not exist.")
        return wheel

    def _spark(self, run_as: Caller) -> SparkForChild:
        """An engine of the task's own, with exactly the tables its principal may use."""
        usable = [
            table
            for privilege in _TABLE_PRIVILEGES
            for table in self._services.catalog.tables_usable_by(run_as, (privilege,))
        ]
        return SparkForChild(dict(usable))

    def _command(
        self,
        run: Run,
        task: Mapping[str, Any],
        attempt: TaskAttempt,
        wheels: list[Path],
        spark: Mapping[str, str],
    ) -> TaskCommand:
        state = self._services.state
        workspace_id = run.run_as.workspace_id
        parameters = job_parameters(run.settings, run.overrides.get("job_parameters", {}))
        references = {
            "job.id": str(run.job_id),
            "job.name": str(run.settings["name"]),
            "job.run_id": str(run.run_id),
            "task.name": str(task["task_key"]),
            "task.run_id": str(attempt.task_run_id),
            "task.execution_count": str(attempt.execution_count),
        }
        wheel_task = task["python_wheel_task"]
        return TaskCommand(
            wheels=wheels,
            package_name=wheel_task["package_name"],
            entry_point=wheel_task["entry_point"],
            arguments=task_arguments(task, run.overrides, references, parameters),
            environment={
                **spark,
                "KMFLOW_VOLUMES_ROOT": str(state.volumes_root(workspace_id)),
                "DATABRICKS_RUNTIME_VERSION": _RUNTIME,
            },
            folder=_runs(state, workspace_id) / str(attempt.task_run_id),
        )


def _runs(state: WorkspaceState, workspace_id: str) -> Path:
    return state.workspace_directory(workspace_id) / "runs"
