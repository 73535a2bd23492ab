"""Our retry policy, the only one in force: the SDK's own is switched off (design AD5, row E4)."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.databricks_client.interrupts import pause
from kmflow_orchestration.errors import RateLimited, RemoteFault

logger = logging.getLogger(__name__)
T = TypeVar("T")


class TransientFault(RemoteFault):
    """One failed attempt that may be repeated.

    `retry_after_s` is what the platform asked for; `was_refused` says that the request certainly
    had no effect, so that even a request that must not be sent twice may be sent again.
    `is_internal` marks the platform's own error (500), which only a patient policy repeats.
    Once nobody repeats it any more it is `becomes`.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        error_code: str = "",
        retry_after_s: float | None = None,
        was_refused: bool = False,
        is_internal: bool = False,
        becomes: type[RemoteFault] = RemoteFault,
    ) -> None:
        super().__init__(message, hint=hint, error_code=error_code, retry_after_s=retry_after_s)
        self.was_refused = was_refused
        self.is_internal = is_internal
        self._becomes = becomes

    def given_up(self, how: str, *, next_wait_s: float | None = None) -> RemoteFault:
        """The lasting error; `next_wait_s` is how long we would have waited before another try."""
        wait_s = self.retry_after_s
        if wait_s is None and self._becomes is RateLimited:
            wait_s = next_wait_s
        return self._becomes(
            f"{self.message}; gave up {how}",
            error_code=self.error_code,
            hint=self.hint or self._advice,
            retry_after_s=wait_s,
        )

    @property
    def _advice(self) -> str:
        if self._becomes is not RateLimited:
            return "the workspace or the network is unavailable; try again later"
        asked = self.retry_after_s
        when = "later" if asked is None else f"in {asked:g} s, as it asks"
        return f"the workspace has too much to do; try again {when}, with fewer side by side"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long; all times in seconds."""

    attempts: int = 5
    first_wait_s: float = 1.0
    """Doubles with every attempt: 1, 2, 4, 8."""
    jitter: float = 0.2
    longest_retry_after_s: float = 60.0
    budget_s: float = 300.0
    repeats_internal_errors: bool = False

    def wait_s(self, attempt: int, fault: TransientFault, chance: float) -> float:
        """Seconds to wait after attempt `attempt` (from 1); `chance` is from 0 to 1."""
        if fault.retry_after_s is not None:
            return min(max(fault.retry_after_s, 0.0), self.longest_retry_after_s)
        spread = 1.0 + self.jitter * (2.0 * chance - 1.0)
        return float(self.first_wait_s * 2.0 ** (attempt - 1) * spread)


@dataclass(frozen=True, slots=True)
class Retrier:
    """Repeats an action while it fails with a TransientFault and the policy allows it.

    `begun_at` is a moment of the monotonic clock at which the budget of all actions together
    began; without it each has a budget of its own. `tell` hears of each attempt that failed.
    """

    clock: Clock
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    chance: Callable[[], float] = random.random
    begun_at: float | None = None
    tell: Callable[[str], object] = logger.info

    def call(self, action: Callable[[], T], *, repeatable: bool = True) -> T:
        """Result of the first attempt that succeeds.

        `repeatable=False` is for requests that must not take effect twice: they are repeated only
        after an answer that proves they had none.

        Raises:
            RemoteFault: the last fault, once attempts or budget are spent; RateLimited or
                RemoteTimeout where it was one of these.
        """
        started = self.clock.monotonic() if self.begun_at is None else self.begun_at
        attempt = 1
        while True:
            try:
                return action()
            except TransientFault as fault:
                wait_s = self.policy.wait_s(attempt, fault, self.chance())
                spent_s = self.clock.monotonic() - started
                if (
                    attempt >= self.policy.attempts
                    or spent_s + wait_s > self.policy.budget_s
                    or not (repeatable or fault.was_refused)
                    or (fault.is_internal and not self.policy.repeats_internal_errors)
                ):
                    times = "1 attempt" if attempt == 1 else f"{attempt} attempts"
                    raise fault.given_up(f"after {times}", next_wait_s=wait_s) from fault
                self.tell(
                    f"attempt {attempt} of {self.policy.attempts} failed, "
                    f"next in {wait_s:.1f} s: {fault.message}"
                )
                pause(self.clock, wait_s)
                attempt += 1
