"""What the service's routes need; made once by whoever starts it."""

from __future__ import annotations

from dataclasses import dataclass

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.metadata.api_tokens import ApiTokens
from kmflow_orchestration.metadata.profile_runs import ProfileRuns
from kmflow_orchestration.runs.callback_tokens import CallbackKeys


@dataclass(frozen=True, slots=True)
class ServiceDependencies:
    """`keys` None means that no callback can be checked, so none is taken (row E27)."""

    runs: ProfileRuns
    keys: CallbackKeys | None
    storage: str
    clock: Clock
    tokens: ApiTokens
