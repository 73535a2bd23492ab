"""Repeating a lakehouse write that lost a race for the table's log (design AD3)."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from typing import TypeVar

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.errors import KmflowError

logger = logging.getLogger(__name__)
T = TypeVar("T")
ATTEMPTS = 5
_FIRST_WAIT_S = 0.05


def with_retries(
    write: Callable[[], T], *, may_repeat: Callable[[KmflowError], bool], clock: Clock
) -> T:
    """Result of the first attempt that succeeds; the last fault after five of them.

    Waits are random, so that two writers that collided do not collide again.
    """
    for attempt in range(1, ATTEMPTS):
        try:
            return write()
        except KmflowError as error:
            if not may_repeat(error):
                raise
            logger.info("write attempt %d of %d failed: %s", attempt, ATTEMPTS, error.message)
            wait_s = _FIRST_WAIT_S * 2**attempt * (0.5 + random.random())  # noqa: S311 - no secret
            clock.sleep(wait_s)
    return write()
