"""What a platform's words about a run mean: `translate_state`, after part 6 of the specification.

Everything here is pure and reads raw words, because the SDK turns words it does not know into
None. Rule numbers in comments are those of the specification's table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from kmflow_orchestration.metadata.run_status import (
    ALLOWED,
    OUTSTANDING,
    STATE_UNKNOWN,
    SUCCESSFUL,
    TERMINAL,
    Actor,
    RunStatus,
    may_change,
)
from kmflow_orchestration.runs.platform_state import PlatformState, platform_state

__all__ = [
    "ALLOWED",
    "OUTSTANDING",
    "SUCCESSFUL",
    "TERMINAL",
    "Actor",
    "PlatformState",
    "platform_state",
    "Retry",
    "RunStatus",
    "TranslatedState",
    "may_change",
    "translate",
    "translate_state",
]


class Retry(IntEnum):
    """How many new profile runs may follow a failed one."""

    NO = 0
    ONCE = 1
    YES = 2


@dataclass(frozen=True, slots=True)
class TranslatedState:
    """A run's status, and why; `give_up_after` is the number of polls after which `unknown` fails.

    0 means that only the deadline ends it.
    """

    status: RunStatus
    failure_class: str = ""
    retry: Retry = Retry.NO
    message: str = ""
    give_up_after: int = 0

    @property
    def is_terminal(self) -> bool:
        return self.status.is_terminal

    @property
    def retryable(self) -> bool:
        return self.retry > Retry.NO


class _Verdict(NamedTuple):
    status: RunStatus
    failure_class: str = ""
    retry: Retry = Retry.NO


_UNKNOWN = _Verdict(RunStatus.UNKNOWN)
_TIMED_OUT = _Verdict(RunStatus.TIMED_OUT, "timeout")
_CANCELLED = _Verdict(RunStatus.CANCELLED, "cancelled")
_FAILED_UNKNOWN = _Verdict(RunStatus.FAILED, "unknown")
_WARNED = _Verdict(RunStatus.COMPLETED_WITH_WARNINGS, "partial")
# TERMINATED without a result, a code or a type gets two more looks (rules 21 and 22).
_POLLS_BEFORE_GIVING_UP = 2

_UNDER_WAY = {
    "QUEUED": RunStatus.QUEUED,  # 3
    "PENDING": RunStatus.QUEUED,  # 4
    "BLOCKED": RunStatus.QUEUED,  # 5
    "WAITING": RunStatus.RUNNING,  # 6
    "WAITING_FOR_RETRY": RunStatus.RUNNING,
    "RUNNING": RunStatus.RUNNING,  # 7
    "TERMINATING": RunStatus.RUNNING,  # 8
}


def _failed(failure_class: str, retry: Retry, *codes: str) -> dict[str, _Verdict]:
    return dict.fromkeys(codes, _Verdict(RunStatus.FAILED, failure_class, retry))


_CODES: dict[str, _Verdict] = {
    "SUCCESS": _Verdict(RunStatus.COMPLETED),
    "SUCCESS_WITH_FAILURES": _WARNED,
    "USER_CANCELED": _CANCELLED,
    "CANCELED": _CANCELLED,
    "SKIPPED": _Verdict(RunStatus.SKIPPED, "skipped", Retry.YES),
    "DISABLED": _Verdict(RunStatus.SKIPPED, "configuration"),
    **dict.fromkeys(
        ("MAX_CONCURRENT_RUNS_EXCEEDED", "MAX_JOB_QUEUE_SIZE_EXCEEDED"),
        _Verdict(RunStatus.SKIPPED, "capacity", Retry.YES),
    ),
    **_failed(
        "capacity",
        Retry.YES,
        "WORKSPACE_RUN_LIMIT_EXCEEDED",
        "CLUSTER_REQUEST_LIMIT_EXCEEDED",
        "MAX_SPARK_CONTEXTS_EXCEEDED",
    ),
    **_failed("cloud", Retry.YES, "CLOUD_FAILURE"),
    **_failed(
        "platform",
        Retry.ONCE,
        "CLUSTER_ERROR",
        "DRIVER_ERROR",
        "INTERNAL_ERROR",
        "BREAKING_CHANGE",
    ),
    **_failed("dependency", Retry.ONCE, "STORAGE_ACCESS_ERROR", "REPOSITORY_CHECKOUT_FAILED"),
    **_failed(
        "configuration",
        Retry.NO,
        "LIBRARY_INSTALLATION_ERROR",
        "INVALID_CLUSTER_REQUEST",
        "INVALID_RUN_CONFIGURATION",
        "FEATURE_DISABLED",
        "RESOURCE_NOT_FOUND",
        "BUDGET_POLICY_LIMIT_EXCEEDED",
    ),
    **_failed("permission", Retry.NO, "UNAUTHORIZED_ERROR"),
    **_failed("code", Retry.NO, "RUN_EXECUTION_ERROR"),
}

# Results that decide alone; SUCCESS, CANCELED and FAILED look at the code as well.
_RESULTS: dict[str, _Verdict] = {
    "SUCCESS_WITH_FAILURES": _WARNED,  # 10
    "TIMEDOUT": _TIMED_OUT,  # 12
    "MAXIMUM_CONCURRENT_RUNS_REACHED": _Verdict(RunStatus.SKIPPED, "capacity", Retry.YES),  # 17
    "EXCLUDED": _Verdict(RunStatus.SKIPPED, "configuration"),  # 18
    "DISABLED": _Verdict(RunStatus.SKIPPED, "configuration"),
    "UPSTREAM_FAILED": _Verdict(RunStatus.FAILED, "upstream"),  # 19
    "UPSTREAM_CANCELED": _CANCELLED,  # 20
    "EVICTED": _FAILED_UNKNOWN,  # clean rooms
    "UPSTREAM_EVICTED": _Verdict(RunStatus.FAILED, "upstream"),
}
_LOOKING_AT_CODE = frozenset({"SUCCESS", "CANCELED", "FAILED"})


def translate(state: PlatformState) -> TranslatedState:
    """A run's status by its platform's words; total, first match of the table wins."""
    life_cycle = _word(state.life_cycle_state)
    if life_cycle in _UNDER_WAY:
        return TranslatedState(_UNDER_WAY[life_cycle], message=state.state_message)
    if life_cycle == "SKIPPED":  # 23
        return _said(_CODES["SKIPPED"], state)
    if life_cycle == "INTERNAL_ERROR":
        return _said(_after_internal_error(state), state)
    known_result = _word(state.result_state) in _RESULTS.keys() | _LOOKING_AT_CODE
    if life_cycle != "TERMINATED" and not known_result:  # 1
        return _said(_UNKNOWN, state)
    verdict = _by_result(state)
    give_up_after = _POLLS_BEFORE_GIVING_UP if verdict.status is RunStatus.UNKNOWN else 0
    return _said(verdict, state, give_up_after=give_up_after)


def _said(verdict: _Verdict, state: PlatformState, *, give_up_after: int = 0) -> TranslatedState:
    message = state.state_message
    contradicted = _word(state.result_state) == "SUCCESS" and verdict is _WARNED
    if contradicted and not message:
        message = f"the platform says both SUCCESS and {state.termination_code}"
    return TranslatedState(*verdict, message=message, give_up_after=give_up_after)


def _by_result(state: PlatformState) -> _Verdict:
    result, code = _word(state.result_state), _word(state.termination_code)
    if result == "SUCCESS":  # 9, 10, 11
        return _CODES["SUCCESS"] if code in {"", "SUCCESS"} else _WARNED
    if result == "CANCELED":  # 13, 14, 15
        return _cancelled(state)
    if result == "FAILED":  # 16
        return _failure_by_code(code, otherwise="unknown")
    if result in _RESULTS:
        return _RESULTS[result]
    return _without_result(state)  # 21, 22


def _cancelled(state: PlatformState) -> _Verdict:
    if _word(state.termination_code) in {"", "CANCELED"} and _ran_out_of_time(state):
        return _TIMED_OUT
    return _CANCELLED


def _ran_out_of_time(state: PlatformState) -> bool:
    """`user_cancelled_or_timedout` cannot tell the two apart: duration and message can."""
    message = state.state_message.lower()
    spoken = any(word in message for word in ("timed out", "timeout", "maximum duration"))
    limit_ms = state.timeout_seconds * 1000
    return spoken or 0 < limit_ms <= state.run_duration_ms


def _failure_by_code(code: str, *, otherwise: str) -> _Verdict:
    verdict = _CODES.get(code, _FAILED_UNKNOWN)
    failure_class = verdict.failure_class if verdict.status is RunStatus.FAILED else ""
    retry = verdict.retry if failure_class else Retry.NO
    return _Verdict(RunStatus.FAILED, failure_class or otherwise, retry)


def _without_result(state: PlatformState) -> _Verdict:
    code, kind = _word(state.termination_code), _word(state.termination_type)
    if code == "CANCELED":
        return _cancelled(state)
    if code in _CODES:
        return _CODES[code]
    if _word(state.result_state) and kind:
        return _WARNED if kind == "SUCCESS" else _FAILED_UNKNOWN
    return _FAILED_UNKNOWN if code else _UNKNOWN


def _after_internal_error(state: PlatformState) -> _Verdict:
    result, code = _word(state.result_state), _word(state.termination_code)
    if result == "TIMEDOUT":  # 24
        return _TIMED_OUT
    if result == "CANCELED":  # 25
        return _cancelled(state)
    if code:
        return _failure_by_code(code, otherwise="platform")
    return _CODES["INTERNAL_ERROR"]  # 26


def _word(text: str | None) -> str:
    return (text or "").strip().upper()


def translate_state(
    run_state: Mapping[str, object] | tuple[str | None, str | None],
    *,
    run_duration_ms: int = 0,
    timeout_seconds: int = 0,
) -> TranslatedState:
    """As `translate`, of a run as the Jobs API tells it (rows E32, E51).

    `run_state` is a whole run, its `state` or its `status` object, or a pair of life cycle and
    result.

    Raises:
        TypeError: neither a mapping nor a pair; a part that is no object or no text, by its name.
    """
    state = platform_state(
        run_state, run_duration_ms=run_duration_ms, timeout_seconds=timeout_seconds
    )
    return translate(state)


def gave_up(state: TranslatedState, *, unknown_polls: int) -> bool:
    """Whether an unknown state has been looked at often enough to call it failed."""
    return 0 < state.give_up_after < unknown_polls


GIVEN_UP = TranslatedState(
    RunStatus.FAILED, STATE_UNKNOWN, message="the platform never said how the run ended"
)
