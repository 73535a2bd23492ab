"""Work in a forked child, for tests of what a child inherits and of what dies half-way."""

from __future__ import annotations

import os
from collections.abc import Callable


def in_forked_child(work: Callable[[], object]) -> int:
    """Do it in a child; the child's status as `os.waitpid` gives it."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    return status
