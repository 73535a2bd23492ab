"""Where profiling jobs run: one interface over Databricks and over this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from kmflow_orchestration.metadata.profile_records import TableGroup
from kmflow_orchestration.runs.run_state import RunStatus

# What a job is told (row E17); the job declares each with an empty default.
JOB_PARAMETERS = (
    "table_group_id",
    "profile_run_id",
    "group_id",
    "catalog",
    "schema_name",
    "data_quality_schema",
    "callback_url",
    "callback_token",
    "callback_behavior",
    "started_at",
)


@dataclass(frozen=True, slots=True)
class EnsuredJob:
    """The registered job of a table group, and what was remarkable on the way to it."""

    job_id: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SubmittedRun:
    """A run its platform knows; `status` is queued or running."""

    databricks_run_id: str
    run_page_url: str
    status: RunStatus = RunStatus.QUEUED


@runtime_checkable
class JobRunner(Protocol):
    """Runs the profiling jobs of one group. Faults are leaves of RemoteFault."""

    def ensure_job(self, table_group: TableGroup) -> EnsuredJob:
        """The table group's one job, made or brought up to date where needed."""
        ...

    def submit(
        self, job_id: str, *, profile_run_id: str, parameters: Mapping[str, str]
    ) -> SubmittedRun:
        """Start a run; the same `profile_run_id` again gives the same run."""
        ...

    def state(self, databricks_run_id: str) -> dict[str, Any]:
        """The run as the Jobs API tells it, for `translate_state`.

        Raises:
            RemoteNotFound: the platform has no such run.
        """
        ...

    def cancel(self, databricks_run_id: str) -> None:
        """Ask for a run's end; nothing happens to one that is over. Raises RemoteNotFound."""
        ...

    def output(self, databricks_run_id: str) -> str:
        """Why a run failed, in its own words; empty when it said nothing."""
        ...
