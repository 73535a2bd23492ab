"""A job runner whose platform says what a test tells it to: states, faults, calls in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kmflow_orchestration.errors import RemoteFault, RemoteNotFound
from kmflow_orchestration.metadata.profile_records import TableGroup
from kmflow_orchestration.runs.job_runner import EnsuredJob, SubmittedRun
from kmflow_orchestration.runs.run_state import RunStatus

RUNNING = {"state": {"life_cycle_state": "RUNNING"}}
SUCCESS = {"state": {"life_cycle_state": "TERMINATED", "result_state": "SUCCESS"}}


@dataclass
class ScriptedJobs:
    """Remembers what it was asked; `faults` are raised by the method they are named after."""

    states: dict[str, dict[str, Any]] = field(default_factory=dict)
    faults: dict[str, BaseException] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    submitted: dict[str, Mapping[str, str]] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    starts_at_once: bool = False
    warnings: tuple[str, ...] = ()

    def ensure_job(self, table_group: TableGroup) -> EnsuredJob:
        self._raise("ensure_job")
        return EnsuredJob("9", self.warnings)

    def submit(
        self, job_id: str, *, profile_run_id: str, parameters: Mapping[str, str]
    ) -> SubmittedRun:
        self._raise("submit")
        self.submitted[profile_run_id] = dict(parameters)
        status = RunStatus.RUNNING if self.starts_at_once else RunStatus.QUEUED
        return SubmittedRun(f"7{len(self.submitted)}", "https://workspace/run", status)

    def state(self, databricks_run_id: str) -> dict[str, Any]:
        self.asked.append(databricks_run_id)
        self._raise("state")
        if databricks_run_id not in self.states:
            raise RemoteNotFound(f"no run {databricks_run_id}")
        return self.states[databricks_run_id]

    def cancel(self, databricks_run_id: str) -> None:
        self._raise("cancel")
        self.cancelled.append(databricks_run_id)

    def output(self, databricks_run_id: str) -> str:
        self._raise("output")
        return self.outputs.get(databricks_run_id, "")

    def _raise(self, method: str) -> None:
        if method in self.faults:
            raise self.faults[method]


def unreachable() -> RemoteFault:
    return RemoteFault("the workspace does not answer")
