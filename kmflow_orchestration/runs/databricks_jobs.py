"""Profiling jobs on Databricks, or on the embedded workspace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kmflow_orchestration.databricks_client.jobs import JobsClient
from kmflow_orchestration.errors import RemoteNotFound
from kmflow_orchestration.metadata.profile_records import TableGroup
from kmflow_orchestration.runs.job_registry import JobRegistry
from kmflow_orchestration.runs.job_runner import EnsuredJob, SubmittedRun


@dataclass(frozen=True, slots=True)
class DatabricksJobRunner:
    """The job runner of one group's workspace; `jobs` and `registry` use the same client."""

    jobs: JobsClient
    registry: JobRegistry

    def ensure_job(self, table_group: TableGroup) -> EnsuredJob:
        return self.registry.ensure(table_group)

    def submit(
        self, job_id: str, *, profile_run_id: str, parameters: Mapping[str, str]
    ) -> SubmittedRun:
        run_id = self.jobs.run_now(
            int(job_id), parameters=parameters, idempotency_token=profile_run_id
        )
        run = self.jobs.run(run_id) or {}
        return SubmittedRun(str(run_id), str(run.get("run_page_url") or ""))

    def state(self, databricks_run_id: str) -> dict[str, Any]:
        run = self.jobs.run(int(databricks_run_id))
        if run is None:
            raise RemoteNotFound(f"the workspace has no run {databricks_run_id}")
        return run

    def cancel(self, databricks_run_id: str) -> None:
        self.jobs.cancel(int(databricks_run_id))

    def output(self, databricks_run_id: str) -> str:
        for task in reversed(self.state(databricks_run_id).get("tasks") or []):
            if task.get("run_id"):
                return str(self.jobs.output(int(task["run_id"])).get("error") or "")
        return ""
