"""Statuses of a profile run and the changes between them (row E31)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class RunStatus(StrEnum):
    """Where a profile run is. `unknown` is not an end: it is polled again until the deadline."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    COMPLETED_WITH_WARNINGS = "completed_with_warnings"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"

    @property
    def is_terminal(self) -> bool:
        return self in TERMINAL


OUTSTANDING = frozenset({RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.UNKNOWN})
TERMINAL = frozenset(RunStatus) - OUTSTANDING
SUCCESSFUL = frozenset({RunStatus.COMPLETED, RunStatus.COMPLETED_WITH_WARNINGS})

ALLOWED: dict[RunStatus, frozenset[RunStatus]] = {
    RunStatus.QUEUED: TERMINAL | {RunStatus.RUNNING, RunStatus.UNKNOWN},
    RunStatus.RUNNING: TERMINAL | {RunStatus.UNKNOWN},
    RunStatus.UNKNOWN: TERMINAL | {RunStatus.QUEUED, RunStatus.RUNNING},
    **dict.fromkeys(TERMINAL, frozenset[RunStatus]()),
}


class Actor(StrEnum):
    """Who changes a run."""

    ORCHESTRATOR = "orchestrator"
    CALLBACK = "callback"
    POLLER = "poller"
    RECONCILE = "reconcile"


SUBMISSION_LOST = "submission_lost"
RESULTS_MISSING = "results_missing"
RUN_NOT_FOUND = "run_not_found"
STATE_UNKNOWN = "state_unknown"

# We gave these runs up without the platform's word for it, so a real completion may correct us.
CORRECTABLE_CLASSES = frozenset({SUBMISSION_LOST, RESULTS_MISSING, STATE_UNKNOWN})


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended, as far as it decides whether the end may be corrected."""

    status: RunStatus
    failure_class: str = ""
    completed_by: str = ""

    @property
    def is_correctable(self) -> bool:
        """Whether an authenticated callback may still replace this end (row E31)."""
        if self.completed_by == Actor.CALLBACK:
            return False
        given_up = self.status is RunStatus.FAILED and self.failure_class in CORRECTABLE_CLASSES
        return given_up or self.status is RunStatus.TIMED_OUT


def may_change(current: RunEnd, wanted: RunStatus, *, by: Actor) -> bool:
    """Whether a run may go from where it is to another status."""
    if wanted in ALLOWED[current.status]:
        return True
    return by is Actor.CALLBACK and wanted.is_terminal and current.is_correctable
