"""Outstanding runs against their platforms: what no callback ended, polling does (E33 to E35)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.errors import KmflowError, RemoteNotFound
from kmflow_orchestration.metadata.profile_records import Completion, ProfileRun, StateChange
from kmflow_orchestration.metadata.profile_runs import ProfileRuns
from kmflow_orchestration.metadata.run_status import (
    RESULTS_MISSING,
    RUN_NOT_FOUND,
    SUBMISSION_LOST,
)
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.profiling.completion import without_secrets
from kmflow_orchestration.runs.callbacks import apply_completion
from kmflow_orchestration.runs.deadlines import expire
from kmflow_orchestration.runs.job_runner import JobRunner
from kmflow_orchestration.runs.run_state import (
    GIVEN_UP,
    SUCCESSFUL,
    Actor,
    PlatformState,
    RunStatus,
    TranslatedState,
    gave_up,
    platform_state,
    translate,
)

logger = logging.getLogger(__name__)

ResultsReader = Callable[[ProfileRun], Completion | None]
BACKOFF = tuple(timedelta(minutes=wait) for wait in (1, 2, 4, 10))
_LONGEST_MESSAGE = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class PollingOptions:
    """How one tick of polling behaves; `budget_s` stays below the sensor's own 60 s."""

    runs_per_tick: int = 500
    workers: int = 16
    budget_s: float = 45.0
    backoff: tuple[timedelta, ...] = BACKOFF
    results_grace: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class PolledGroup:
    """A group to poll for: its platform, and how to read what a run left in its lakehouse."""

    group: GroupId
    jobs: JobRunner
    read_results: ResultsReader


@dataclass(frozen=True, slots=True)
class PollOutcome:
    """What one look at a run came to; `status` is the run's afterwards."""

    group: GroupId
    profile_run_id: str
    status: RunStatus
    changed: bool
    error: str = ""


@dataclass(frozen=True, slots=True)
class _Look:
    """One run being looked at."""

    polled: PolledGroup
    run: ProfileRun
    runs: ProfileRuns
    clock: Clock
    options: PollingOptions


def poll_outstanding(
    groups: Sequence[PolledGroup],
    *,
    runs: ProfileRuns,
    clock: Clock,
    options: PollingOptions = PollingOptions(),
) -> list[PollOutcome]:
    """Look once at every run that is due, oldest first, until all are done or the time is up.

    What was not reached is due again next time. A fault of one run is its own outcome and delays
    its next look; the others go on.
    """
    looks = _due(groups, runs=runs, clock=clock, options=options)
    if not looks:
        return []
    give_up_at = clock.monotonic() + options.budget_s

    def look(one: _Look) -> PollOutcome | None:
        return None if clock.monotonic() >= give_up_at else poll_run(one)

    pool = ThreadPoolExecutor(options.workers, thread_name_prefix="kmflow-poll")
    try:
        futures = [pool.submit(look, one) for one in looks]
        wait(futures, timeout=options.budget_s)
    finally:
        # A platform that hangs must not hold the tick: what is under way ends by itself, and its
        # compare-and-set does no harm then.
        pool.shutdown(wait=False, cancel_futures=True)
    ended = (future.result() for future in futures if future.done() and not future.cancelled())
    return [outcome for outcome in ended if outcome is not None]


def look_at(
    polled: PolledGroup, run: ProfileRun, *, runs: ProfileRuns, clock: Clock
) -> PollOutcome:
    """Look at one run now, whether or not it is due."""
    return poll_run(_Look(polled, run, runs, clock, PollingOptions()))


def _due(
    groups: Sequence[PolledGroup], *, runs: ProfileRuns, clock: Clock, options: PollingOptions
) -> list[_Look]:
    looks = [
        _Look(polled, run, runs, clock, options)
        for polled in groups
        for run in runs.due(polled.group, clock.now(), limit=options.runs_per_tick)
    ]
    looks.sort(key=lambda one: one.run.next_poll_at or one.run.deadline_at)
    return looks[: options.runs_per_tick]


def poll_run(look: _Look) -> PollOutcome:
    """Look at one run; never raises for what its platform or the database does."""
    try:
        changed = _poll(look)
        now = look.runs.get(look.polled.group, look.run.profile_run_id)
    except KmflowError as error:
        logger.warning("polling of run %s: %s", look.run.profile_run_id, error)
        return PollOutcome(
            look.polled.group,
            look.run.profile_run_id,
            look.run.status,
            changed=False,
            error=error.message,
        )
    return PollOutcome(now.group_id, now.profile_run_id, now.status, changed)


def _poll(look: _Look) -> bool:
    run, now = look.run, look.clock.now()
    if run.deadline_at <= now:
        return _end(look, expire(run, look.polled.jobs))
    if run.databricks_run_id is None:
        return _end(look, _failed(SUBMISSION_LOST, "the submission was lost"))
    _postpone(look)  # before the platform is asked: a fault, too, delays the next look
    try:
        told = look.polled.jobs.state(run.databricks_run_id)
    except RemoteNotFound as error:
        return _end(look, _failed(RUN_NOT_FOUND, error.message))
    state = platform_state(told, timeout_seconds=run.timeout_seconds)
    translated = translate(state)
    if translated.status in SUCCESSFUL:
        return _take_results(look, told, state, translated)
    if not translated.is_terminal:
        return _note_progress(look, state, translated)
    return _end(look, _change(state, translated, error_message=_why(look, translated)))


def _postpone(look: _Look) -> None:
    waits, now = look.options.backoff, look.clock.now()
    look.runs.polled(
        look.polled.group,
        look.run.profile_run_id,
        at=now,
        next_poll_at=now + waits[min(look.run.poll_count, len(waits) - 1)],
    )


def _end(look: _Look, change: StateChange) -> bool:
    """Change the run as it was read; a callback that was quicker has won."""
    return look.runs.change(
        look.polled.group, look.run, change, by=Actor.POLLER, at=look.clock.now()
    )


def _failed(failure_class: str, message: str) -> StateChange:
    return StateChange(
        status=RunStatus.FAILED,
        reason=failure_class,
        failure_class=failure_class,
        error_message=message,
    )


def _change(
    state: PlatformState, translated: TranslatedState, *, error_message: str | None = None
) -> StateChange:
    return StateChange(
        status=translated.status,
        reason=state.text or "no state",
        error_message=error_message,
        failure_class=translated.failure_class or None,
        databricks_state=state.text,
        termination_code=state.termination_code,
    )


def _note_progress(look: _Look, state: PlatformState, translated: TranslatedState) -> bool:
    if translated.status is not RunStatus.UNKNOWN:
        changed = _end(look, _change(state, translated))
        if look.run.cancel_requested_at is not None and look.run.databricks_run_id is not None:
            # The first request may have failed; a run that is ending already ignores another.
            look.polled.jobs.cancel(look.run.databricks_run_id)
        return changed
    unknown_polls = look.run.unknown_polls + 1
    if gave_up(translated, unknown_polls=unknown_polls):
        return _end(look, _change(state, GIVEN_UP, error_message=GIVEN_UP.message))
    look.runs.note(look.polled.group, look.run.profile_run_id, unknown_polls=unknown_polls)
    return _end(look, _change(state, translated))


def _take_results(
    look: _Look, told: dict[str, Any], state: PlatformState, translated: TranslatedState
) -> bool:
    completion = look.polled.read_results(look.run)
    if completion is None:
        return _wait_for_results(look, told)
    worse = translated.status is RunStatus.COMPLETED_WITH_WARNINGS
    completion = replace(
        completion,
        status=translated.status if worse else completion.status,
        databricks_state=state.text,
        termination_code=state.termination_code,
    )
    applied = apply_completion(
        look.polled.group,
        look.run.profile_run_id,
        completion,
        runs=look.runs,
        by=Actor.POLLER,
        clock=look.clock,
    )
    return applied.applied


def _wait_for_results(look: _Look, told: dict[str, Any]) -> bool:
    now = look.clock.now()
    ended_at = _end_of(told) or look.run.ended_at or now
    if now - ended_at > look.options.results_grace:
        return _end(look, _failed(RESULTS_MISSING, "the run succeeded, its results are missing"))
    look.runs.note(look.polled.group, look.run.profile_run_id, ended_at=ended_at)
    return False


def _end_of(told: dict[str, Any]) -> datetime | None:
    milliseconds = told.get("end_time")
    if not isinstance(milliseconds, int) or milliseconds <= 0:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _why(look: _Look, translated: TranslatedState) -> str:
    """The job's own words where there are some, else the platform's."""
    said = ""
    if look.run.databricks_run_id is not None:
        try:
            said = look.polled.jobs.output(look.run.databricks_run_id)
        except KmflowError as error:
            logger.info("no output of run %s: %s", look.run.profile_run_id, error)
    text = said or translated.message or str(translated.status)
    return without_secrets(text)[:_LONGEST_MESSAGE]
