"""A run that its caller gives up is ended on its platform as well (rows G13, E37)."""

from __future__ import annotations

import logging
from collections.abc import Callable

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.databricks_client.waiting import wait_until
from kmflow_orchestration.errors import KmflowError
from kmflow_orchestration.metadata.profile_records import ProfileRun, StateChange
from kmflow_orchestration.metadata.profile_runs import ProfileRuns
from kmflow_orchestration.runs.job_runner import SubmittedRun
from kmflow_orchestration.runs.reconciliation import PolledGroup, look_at
from kmflow_orchestration.runs.run_state import Actor, translate_state

logger = logging.getLogger(__name__)

# Who interrupts waits for us; a platform that takes longer is polled for.
PATIENCE_S = 10.0


def cancel_run(
    polled: PolledGroup,
    run: ProfileRun,
    *,
    runs: ProfileRuns,
    clock: Clock,
    find: Callable[[], SubmittedRun],
    patience_s: float = PATIENCE_S,
) -> None:
    """Ask a run's platform for its end, and record what the platform makes of it.

    `find` asks the platform for the run where its id was not recorded yet. The wish is recorded
    first: what fails or takes longer is gone on with by polling, which asks again. A run that was
    done before keeps its real end.

    Raises:
        MetadataUnavailable: the wish could not be recorded.
    """
    wanted = runs.cancel_requested(polled.group, run.profile_run_id, at=clock.now())
    if wanted.status.is_terminal:
        return
    try:
        known = _known(polled, wanted, runs=runs, clock=clock, find=find)
        databricks_run_id = known.databricks_run_id or ""
        polled.jobs.cancel(databricks_run_id)
        wait_until(
            lambda: translate_state(polled.jobs.state(databricks_run_id)).is_terminal or None,
            timeout_s=patience_s,
            clock=clock,
        )
    except TimeoutError:
        logger.info("profile run %s is being cancelled; polling goes on", run.profile_run_id)
        return
    except KmflowError as error:
        _tell(polled, run, error, runs=runs, clock=clock)
        return
    look_at(polled, known, runs=runs, clock=clock)


def _known(
    polled: PolledGroup,
    run: ProfileRun,
    *,
    runs: ProfileRuns,
    clock: Clock,
    find: Callable[[], SubmittedRun],
) -> ProfileRun:
    """The run with its platform's id, recorded before anything else can go wrong."""
    if run.databricks_run_id is not None:
        return run
    told, now = find(), clock.now()
    return runs.submitted(
        polled.group,
        run.profile_run_id,
        databricks_run_id=told.databricks_run_id,
        run_page_url=told.run_page_url,
        at=now,
        next_poll_at=now,
    )


def _tell(
    polled: PolledGroup, run: ProfileRun, error: KmflowError, *, runs: ProfileRuns, clock: Clock
) -> None:
    logger.warning(
        "profile run %s is not cancelled yet, polling asks again: %s", run.profile_run_id, error
    )
    present = runs.get(polled.group, run.profile_run_id)
    warned = StateChange(
        status=present.status,
        reason="cancel failed",
        warnings=(f"cancel_failed: {error.message}",),
    )
    runs.change(polled.group, present, warned, by=Actor.ORCHESTRATOR, at=clock.now())
