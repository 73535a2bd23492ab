"""Starting a profile run so that no fault leaves a run dangling (row E15)."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from uuid import uuid4

from kmflow_orchestration.clock import Clock, iso
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.errors import (
    GroupMismatch,
    KmflowError,
    ParametersTooLarge,
    RemoteFault,
    RunOutstanding,
    TableGroupEmpty,
    TableGroupInactive,
)
from kmflow_orchestration.metadata.profile_records import ProfileRun, StateChange, TableGroup
from kmflow_orchestration.metadata.profile_runs import ProfileRuns
from kmflow_orchestration.metadata.run_status import SUBMISSION_LOST
from kmflow_orchestration.metadata.table_groups import TableGroups
from kmflow_orchestration.names import GroupId, TableGroupId
from kmflow_orchestration.runs.callbacks import CallbackSettings
from kmflow_orchestration.runs.cancellation import cancel_run
from kmflow_orchestration.runs.catalog_copies import copy_catalog
from kmflow_orchestration.runs.deadlines import expire
from kmflow_orchestration.runs.job_runner import EnsuredJob, JobRunner, SubmittedRun
from kmflow_orchestration.runs.reconciliation import PolledGroup, look_at
from kmflow_orchestration.runs.run_state import Actor, RunStatus
from kmflow_orchestration.runs.stored_results import stored_completion
from kmflow_orchestration.storage.interfaces import Lakehouse

logger = logging.getLogger(__name__)

MAX_PARAMETER_BYTES = 10_000
# A run without a platform id is taken for lost after this.
SUBMISSION_GRACE = timedelta(minutes=10)
_LONGEST_MESSAGE = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchOptions:
    """How long a run may take, and when it is first polled for.

    A run is given up `deadline_grace` after its own timeout, but never after more than `longest`.
    The first poll waits so that the callback normally wins; without callbacks it does not.
    """

    timeout_seconds: int = 7200
    deadline_grace: timedelta = timedelta(minutes=30)
    longest: timedelta = timedelta(hours=24)
    first_poll: timedelta = timedelta(minutes=5)
    first_poll_without_callback: timedelta = timedelta(minutes=1)

    @property
    def deadline(self) -> timedelta:
        """From the start of a run to the moment it is given up."""
        return min(timedelta(seconds=self.timeout_seconds) + self.deadline_grace, self.longest)


@dataclass(frozen=True, slots=True)
class ProfilingLaunchResult:
    """A started run (row E18); warnings are `code: text`."""

    table_group_id: TableGroupId
    profile_run_id: str
    job_id: str
    databricks_run_id: str
    run_page_url: str
    status: RunStatus
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trigger:
    """Why a run is started; `partition_key` is Dagster's, when it asked."""

    source: str = "manual"
    partition_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Launcher:
    """What starting a run of one group takes; made once per group."""

    runs: ProfileRuns
    table_groups: TableGroups
    jobs: JobRunner
    lakehouse: Lakehouse
    config: GroupConfig
    callback: CallbackSettings
    clock: Clock
    options: LaunchOptions = field(default_factory=LaunchOptions)

    @property
    def polled(self) -> PolledGroup:
        """The group as polling knows it, for a look at a run in between."""
        read = partial(stored_completion, lakehouse=self.lakehouse, namespace=self.config.namespace)
        return PolledGroup(self.config.group_id, self.jobs, read)


def start_profile(
    group: GroupId,
    table_group_id: TableGroupId,
    *,
    runs: ProfileRuns,
    table_groups: TableGroups,
    jobs: JobRunner,
    lakehouse: Lakehouse,
    config: GroupConfig,
    callback: CallbackSettings,
    clock: Clock,
    trigger: Trigger = Trigger(),
    options: LaunchOptions = LaunchOptions(),
) -> ProfilingLaunchResult:
    """Start profiling a table group; returns when the platform has the run, not when it is over.

    Raises:
        RunOutstanding: a run of the table group is not over; names it.
        UnknownTableGroup, TableGroupInactive, TableGroupEmpty: nothing was recorded or sent.
        GroupMismatch: the configuration is another group's.
        RemoteFault, AccessRefused: the workspace failed or refused; a run that was recorded is then
            recorded as failed. Every error says which table group it is about, and which run if
            there is one.

    Who is interrupted meanwhile leaves no job behind: see `runs.cancellation`.
    """
    launcher = Launcher(
        runs=runs,
        table_groups=table_groups,
        jobs=jobs,
        lakehouse=lakehouse,
        config=config,
        callback=callback,
        clock=clock,
        options=options,
    )
    if config.group_id != group:
        raise GroupMismatch(f"the configuration is group {config.group_id}'s, not {group}'s")
    try:
        return _start(group, _target(group, table_group_id, launcher), launcher, trigger)
    except KmflowError as error:
        error.about(table_group_id=table_group_id)
        raise


def _target(group: GroupId, table_group_id: TableGroupId, launcher: Launcher) -> TableGroup:
    target = launcher.table_groups.get(group, table_group_id)
    if not target.is_active:
        raise TableGroupInactive(f"table group {table_group_id} is not active")
    outstanding = launcher.runs.outstanding(group, table_group_id)
    if outstanding is not None:
        _end_if_due(group, outstanding, launcher)
    return target


def _end_if_due(group: GroupId, run: ProfileRun, launcher: Launcher) -> None:
    """Raises RunOutstanding unless the run's deadline is past; then it is over (row E19).

    Of a run that shall end the platform is asked: it may be over already.
    """
    now = launcher.clock.now()
    if run.cancel_requested_at is not None:
        seen = look_at(launcher.polled, run, runs=launcher.runs, clock=launcher.clock)
        if seen.status.is_terminal:
            return
    if run.deadline_at > now:
        raise RunOutstanding(
            f"table group {run.table_group_id} has run {run.profile_run_id} outstanding",
            profile_run_id=run.profile_run_id,
        )
    # Its job takes one run at a time: left alone, it would hold up the next one.
    expired = expire(run, launcher.jobs)
    launcher.runs.change(group, run, expired, by=Actor.ORCHESTRATOR, at=now)


def _start(
    group: GroupId, target: TableGroup, launcher: Launcher, trigger: Trigger
) -> ProfilingLaunchResult:
    # A table that changes after this moment may be missing from what the job reads: the run counts
    # from here, so that such a table is profiled again.
    begun = launcher.clock.now()
    tables = launcher.table_groups.tables(group, target.table_group_id)
    if not tables:
        raise TableGroupEmpty(f"table group {target.table_group_id} has no tables yet")
    copy_catalog(
        target,
        tables,
        lakehouse=launcher.lakehouse,
        namespace=launcher.config.namespace,
        at=launcher.clock.now(),
    )
    job = launcher.jobs.ensure_job(target)
    run = _queued_run(target, job, launcher, trigger, begun=begun)
    parameters = job_parameters(run, target, launcher)
    with _cancelled_if_interrupted(group, run, launcher):
        launcher.runs.insert_queued(group, run)
        with (
            _failing(group, run, launcher),
            _cancelled_if_interrupted(group, run, launcher, parameters),
        ):
            return _submitted(group, run, parameters, launcher)


def _queued_run(
    target: TableGroup, job: EnsuredJob, launcher: Launcher, trigger: Trigger, *, begun: datetime
) -> ProfileRun:
    now, options = launcher.clock.now(), launcher.options
    return ProfileRun(
        profile_run_id=str(uuid4()),
        group_id=target.group_id,
        table_group_id=target.table_group_id,
        status=RunStatus.QUEUED,
        created_at=begun,
        updated_at=now,
        deadline_at=now + options.deadline,
        timeout_seconds=options.timeout_seconds,
        next_poll_at=now + SUBMISSION_GRACE,
        databricks_job_id=job.job_id,
        trigger_source=trigger.source,
        partition_key=trigger.partition_key,
        warnings=job.warnings,
    )


def job_parameters(run: ProfileRun, target: TableGroup, launcher: Launcher) -> dict[str, str]:
    """What the job is told: all text, at most 10,000 bytes of JSON (row E17).

    Raises:
        ParametersTooLarge: it would be more; says how much.
    """
    callback, namespace = launcher.callback, launcher.config.namespace
    parameters = {
        "table_group_id": target.table_group_id,
        "profile_run_id": run.profile_run_id,
        "group_id": target.group_id,
        "catalog": namespace.catalog,
        "schema_name": target.schema_name,
        "data_quality_schema": namespace.dq("").schema,
        "callback_url": callback.url(run),
        "callback_token": callback.token(run).reveal(),
        "callback_behavior": "post" if callback.is_on else "skip",
        "started_at": iso(run.created_at),
    }
    size = len(json.dumps(parameters).encode())
    if size > MAX_PARAMETER_BYTES:
        raise ParametersTooLarge(f"job parameters of {size} bytes, at most {MAX_PARAMETER_BYTES}")
    return parameters


def _submitted(
    group: GroupId, run: ProfileRun, parameters: dict[str, str], launcher: Launcher
) -> ProfilingLaunchResult:
    told = _asked(run, parameters, launcher)
    now = launcher.clock.now()
    stored = launcher.runs.submitted(
        group,
        run.profile_run_id,
        databricks_run_id=told.databricks_run_id,
        run_page_url=told.run_page_url,
        at=now,
        next_poll_at=_first_poll(now, launcher),
    )
    if told.status is RunStatus.RUNNING and stored.status is RunStatus.QUEUED:
        change = StateChange(status=RunStatus.RUNNING, reason="started")
        launcher.runs.change(group, stored, change, by=Actor.ORCHESTRATOR, at=now)
    return ProfilingLaunchResult(
        table_group_id=run.table_group_id,
        profile_run_id=run.profile_run_id,
        job_id=run.databricks_job_id or "",
        databricks_run_id=told.databricks_run_id,
        run_page_url=told.run_page_url,
        status=launcher.runs.get(group, run.profile_run_id).status,
        warnings=run.warnings,
    )


def _asked(run: ProfileRun, parameters: dict[str, str], launcher: Launcher) -> SubmittedRun:
    """The platform's run; asking for it a second time finds the first (row E16)."""
    return launcher.jobs.submit(
        run.databricks_job_id or "", profile_run_id=run.profile_run_id, parameters=parameters
    )


def _first_poll(now: datetime, launcher: Launcher) -> datetime:
    options = launcher.options
    wait = options.first_poll if launcher.callback.is_on else options.first_poll_without_callback
    return now + wait


@contextmanager
def _failing(group: GroupId, run: ProfileRun, launcher: Launcher) -> Iterator[None]:
    """A run whose block fails is over, whatever failed."""
    try:
        yield
    except Exception as error:
        if isinstance(error, KmflowError):
            error.about(profile_run_id=run.profile_run_id)
        _mark_failed(group, run, launcher, error)
        raise


@contextmanager
def _cancelled_if_interrupted(
    group: GroupId,
    run: ProfileRun,
    launcher: Launcher,
    parameters: dict[str, str] | None = None,
) -> Iterator[None]:
    """An interrupt, Dagster's cancel of a run among them, ends the run on its platform too.

    With `parameters` the platform may have the run; without, it was never asked.
    """
    try:
        yield
    except Exception:
        raise
    except BaseException:
        try:
            _cancel(group, run, launcher, parameters)
        except KmflowError as error:
            # The interrupt goes on; polling ends the run by its deadline at the latest.
            logger.warning("profile run %s may still be under way: %s", run.profile_run_id, error)
        raise


def _cancel(
    group: GroupId, run: ProfileRun, launcher: Launcher, parameters: dict[str, str] | None
) -> None:
    runs, clock = launcher.runs, launcher.clock
    present = runs.find(group, run.profile_run_id)
    if present is None or present.cancel_requested_at is not None:
        return
    if parameters is None:
        never_asked = StateChange(
            status=RunStatus.CANCELLED,
            reason="interrupted",
            error_message="interrupted before its job was asked for",
            failure_class="cancelled",
        )
        runs.change(group, present, never_asked, by=Actor.ORCHESTRATOR, at=clock.now())
        return
    find = partial(_asked, run, parameters, launcher)
    cancel_run(launcher.polled, present, runs=runs, clock=clock, find=find)


def _mark_failed(group: GroupId, run: ProfileRun, launcher: Launcher, fault: Exception) -> None:
    # The platform may have taken a run whose answer was lost: its callback may correct us then.
    lost = isinstance(fault, RemoteFault) and fault.retryable
    message = fault.message if isinstance(fault, KmflowError) else type(fault).__name__
    change = StateChange(
        status=RunStatus.FAILED,
        reason="submission",
        error_message=message[:_LONGEST_MESSAGE],
        failure_class=SUBMISSION_LOST if lost else "submission_refused",
    )
    present = launcher.runs.get(group, run.profile_run_id)
    if present.databricks_run_id is None:
        launcher.runs.change(group, present, change, by=Actor.ORCHESTRATOR, at=launcher.clock.now())
    logger.warning("profile run %s was not submitted: %s", run.profile_run_id, message)
