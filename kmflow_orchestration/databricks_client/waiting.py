"""Waiting for something remote: one loop for all of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from kmflow_orchestration.clock import Clock

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between two looks: the first, how it grows, and the longest."""

    first_s: float = 0.1
    factor: float = 1.6
    longest_s: float = 5.0


def wait_until(
    probe: Callable[[], T | None], *, timeout_s: float, clock: Clock, pace: Pace | None = None
) -> T:
    """First answer of `probe` that is not None.

    It is asked at once, and a last time when `timeout_s` seconds are over.

    Raises:
        TimeoutError: still None after `timeout_s` seconds.
    """
    pace = pace or Pace()
    deadline = clock.monotonic() + timeout_s
    interval_s = pace.first_s
    while True:
        answer = probe()
        if answer is not None:
            return answer
        left_s = deadline - clock.monotonic()
        if left_s <= 0:
            raise TimeoutError(f"not reached within {timeout_s:g} s")
        clock.sleep(min(interval_s, left_s))
        interval_s = min(interval_s * pace.factor, pace.longest_s)
