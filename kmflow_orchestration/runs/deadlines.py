"""What becomes of a run that is past its deadline (row E35)."""

from __future__ import annotations

from kmflow_orchestration.errors import KmflowError
from kmflow_orchestration.metadata.profile_records import ProfileRun, StateChange
from kmflow_orchestration.runs.job_runner import JobRunner
from kmflow_orchestration.runs.run_state import RunStatus


def expire(run: ProfileRun, jobs: JobRunner) -> StateChange:
    """Ask the platform to end the run, and say that it timed out, whatever the platform answers."""
    warnings: tuple[str, ...] = ()
    if run.databricks_run_id is not None:
        try:
            jobs.cancel(run.databricks_run_id)
        except KmflowError as error:
            warnings = (f"cancel_failed: {error.message}",)
    return StateChange(
        status=RunStatus.TIMED_OUT,
        reason="deadline",
        failure_class="timeout",
        error_message=f"not over by {run.deadline_at.isoformat()}",
        warnings=warnings,
    )
