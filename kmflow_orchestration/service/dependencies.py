"""What the service's routes need; made once by whoever starts it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kmflow_orchestration.access.caller import Caller
from kmflow_orchestration.clock import Clock
from kmflow_orchestration.context import GroupContext
from kmflow_orchestration.metadata.api_tokens import ApiTokens
from kmflow_orchestration.metadata.profile_runs import ProfileRuns
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.health import Health
from kmflow_orchestration.runs.callback_tokens import CallbackKeys

HealthOf = Callable[[GroupId, Caller], Health]
GroupOf = Callable[[GroupId], GroupContext]


@dataclass(frozen=True, slots=True)
class ServiceDependencies:
    """`keys` None means that no callback can be checked, so none is taken (row E27).

    Without `health` there is no route for the detailed health of a group, without `group` none
    for its evidence and files.
    """

    runs: ProfileRuns
    keys: CallbackKeys | None
    storage: str
    clock: Clock
    tokens: ApiTokens
    health: HealthOf | None = None
    group: GroupOf | None = None
