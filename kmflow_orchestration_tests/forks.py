"""Work in a child forked from this very process, for tests of what it inherits; else `processes`.

Keep the work small: it may inherit the lock of a thread that it lacks.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

_PATIENCE_S = 60.0


def in_forked_child(work: Callable[[], object]) -> int:
    """Do it in a child; the child's status as `os.waitpid` gives it."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    give_up_at = time.monotonic() + _PATIENCE_S
    while time.monotonic() < give_up_at:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return status
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise TimeoutError(f"a child was still at work after {_PATIENCE_S:g} s")
