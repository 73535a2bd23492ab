"""The one place where a profile run ends well or badly: callback and poller meet here (row E29)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from urllib.parse import urlencode

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.errors import CompletionRefused, CompletionTooLarge, StateConflict
from kmflow_orchestration.metadata.profile_records import (
    Applied,
    Completion,
    ProfileRun,
    StateChange,
)
from kmflow_orchestration.metadata.profile_runs import ProfileRuns
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.runs.callback_tokens import CallbackKeys
from kmflow_orchestration.runs.run_state import SUCCESSFUL, Actor, RunStatus, may_change

MAX_ANOMALIES = 50_000
_REPLAY_WINDOW = timedelta(hours=24)
# Each loss of the compare-and-set means that somebody else moved the run, at most once per status.
_TRIES = 5
COMPLETION_PATH = "/api/v1/data-quality/testgen/profile-runs/{profile_run_id}/complete"


@dataclass(frozen=True, slots=True)
class CallbackSettings:
    """Where and with which keys runs report back; without either they are only polled for."""

    base_url: str = ""
    keys: CallbackKeys | None = None

    @property
    def is_on(self) -> bool:
        return bool(self.base_url) and self.keys is not None

    def url(self, run: ProfileRun) -> str:
        """Address of a run's completion, empty when callbacks are off.

        Group and table group stand in it so that the token can be checked, and the run looked up
        within its group, from the request alone.
        """
        if not self.is_on:
            return ""
        query = urlencode({"group_id": run.group_id, "table_group_id": run.table_group_id})
        path = COMPLETION_PATH.format(profile_run_id=run.profile_run_id)
        return f"{self.base_url.rstrip('/')}{path}?{query}"

    def token(self, run: ProfileRun) -> Secret:
        """The run's token, empty when callbacks are off."""
        if self.keys is None or not self.is_on:
            return Secret("")
        return self.keys.mint(run.profile_run_id, run.table_group_id, deadline=run.deadline_at)


def apply_completion(
    group: GroupId,
    profile_run_id: str,
    completion: Completion,
    *,
    runs: ProfileRuns,
    by: Actor,
    clock: Clock,
) -> Applied:
    """End a run with everything it found, in one transaction; any number of calls count once.

    Raises:
        UnknownRun: the group has no such run.
        CompletionRefused: the run's status or platform run forbids it (callbacks only: the poller
            finds its work done and does nothing).
        CompletionTooLarge: more than 50,000 anomalies.
        StorageUnavailable: the control database failed; nothing was changed.
    """
    if len(completion.anomalies) > MAX_ANOMALIES:
        raise CompletionTooLarge(
            f"{len(completion.anomalies)} anomalies, at most {MAX_ANOMALIES} are taken"
        )
    if not completion.status.is_terminal:
        return _report_progress(group, profile_run_id, completion, runs=runs, by=by, clock=clock)
    completion = completion.distinct()
    for _ in range(_TRIES):
        run = runs.get(group, profile_run_id)
        verdict = judge(run, completion, by=by, now=clock.now())
        if verdict is Verdict.NOTHING:
            return Applied(applied=False, status=run.status)
        ends = verdict is Verdict.END
        kept = completion if ends else replace(completion, status=run.status)
        try:
            runs.complete(group, run, kept, ends=ends, by=by, clock=clock)
        except StateConflict:
            continue
        return Applied(applied=ends, status=kept.status)
    raise StateConflict(f"run {profile_run_id} keeps changing", hint="send the completion again")


def _report_progress(
    group: GroupId,
    profile_run_id: str,
    completion: Completion,
    *,
    runs: ProfileRuns,
    by: Actor,
    clock: Clock,
) -> Applied:
    run = runs.get(group, profile_run_id)
    if run.status is completion.status:
        return Applied(applied=False, status=run.status)
    if not may_change(run.end, completion.status, by=by):
        raise _refused(run, f"a run that is {run.status} cannot become {completion.status}")
    change = StateChange(status=completion.status, reason=f"reported by {by}")
    moved = runs.change(group, run, change, by=by, at=clock.now())
    return Applied(applied=moved, status=completion.status if moved else run.status)


class Verdict(Enum):
    """What a completion does to a run."""

    END = auto()
    REPLACE = auto()
    NOTHING = auto()


def judge(run: ProfileRun, completion: Completion, *, by: Actor, now: datetime) -> Verdict:
    """Whether a completion ends a run, replaces what it found, or changes nothing.

    Raises:
        CompletionRefused: a callback that the run does not allow.
    """
    if may_change(run.end, completion.status, by=by) or _is_retry(run, completion, by=by):
        _check_platform_run(run, completion)
        return Verdict.END
    if by is not Actor.CALLBACK or completion.sha256 == run.completion_sha256:
        return Verdict.NOTHING
    _check_platform_run(run, completion)
    same_end = completion.status is run.status or {completion.status, run.status} <= SUCCESSFUL
    if not same_end:
        raise _refused(run, f"a run that is {run.status} cannot become {completion.status}")
    if run.completed_at is None or now - run.completed_at > _REPLAY_WINDOW:
        raise _refused(run, "the run ended more than 24 hours ago")
    if completion.attempt < run.attempt:
        raise _refused(run, f"the run was ended by attempt {run.attempt} already")
    return Verdict.REPLACE


def _is_retry(run: ProfileRun, completion: Completion, *, by: Actor) -> bool:
    """Whether the platform tried again after an execution whose failure it let us know."""
    later = completion.attempt > run.attempt
    return by is Actor.CALLBACK and run.status is RunStatus.FAILED and later


def _check_platform_run(run: ProfileRun, completion: Completion) -> None:
    told, known = completion.databricks_run_id, run.databricks_run_id
    if told and known and told != known:
        raise _refused(run, f"the run is platform run {known}, not {told}")


def _refused(run: ProfileRun, message: str) -> CompletionRefused:
    return CompletionRefused(message, current_status=run.status).about(
        table_group_id=run.table_group_id, profile_run_id=run.profile_run_id
    )
