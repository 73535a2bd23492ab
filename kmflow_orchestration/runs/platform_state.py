"""A platform's raw words about a run, read from the Jobs API's JSON of either version. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformState:
    """A platform's words about a run, as they came; durations in their own units."""

    life_cycle_state: str | None = None
    result_state: str | None = None
    termination_code: str | None = None
    termination_type: str | None = None
    state_message: str = ""
    user_cancelled_or_timedout: bool = False
    run_duration_ms: int = 0
    timeout_seconds: int = 0

    @property
    def text(self) -> str:
        """The words in one line, for `databricks_state`."""
        words = (self.life_cycle_state, self.result_state, self.termination_code)
        return "/".join(word for word in words if word)


def platform_state(
    run_state: Mapping[str, object] | tuple[str | None, str | None],
    *,
    run_duration_ms: int = 0,
    timeout_seconds: int = 0,
) -> PlatformState:
    """The words of a run as the Jobs API tells it, v1 before v2. Raises TypeError."""
    if isinstance(run_state, tuple) and len(run_state) == 2:
        run_state = {"life_cycle_state": run_state[0], "result_state": run_state[1]}
    if not isinstance(run_state, Mapping):
        raise TypeError("run_state must be a mapping or a pair of words")
    first = _part(run_state, "state") if isinstance(run_state.get("state"), Mapping) else run_state
    second = _part(run_state, "status") or run_state
    details = _part(second, "termination_details")
    v2_state = second.get("state")
    return PlatformState(
        life_cycle_state=_text(first, "life_cycle_state")
        or (_text(second, "state") if not isinstance(v2_state, Mapping) else None),
        result_state=_text(first, "result_state"),
        termination_code=_text(details, "code"),
        termination_type=_text(details, "type"),
        state_message=_text(first, "state_message") or _text(details, "message") or "",
        user_cancelled_or_timedout=first.get("user_cancelled_or_timedout") is True,
        run_duration_ms=run_duration_ms or _number(run_state, "run_duration"),
        timeout_seconds=timeout_seconds,
    )


def _part(whole: Mapping[str, object], name: str) -> Mapping[str, object]:
    part = whole.get(name)
    if part is None:
        return {}
    if not isinstance(part, Mapping):
        raise TypeError(f"{name} must be an object, not {type(part).__name__}")
    return part


def _text(whole: Mapping[str, object], name: str) -> str | None:
    value = whole.get(name)
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{name} must be text, not {type(value).__name__}")
    return value


def _number(whole: Mapping[str, object], name: str) -> int:
    value = whole.get(name)
    return value if isinstance(value, int) else 0
