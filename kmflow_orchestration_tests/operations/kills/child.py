"""Runs of a day in processes of their own, which may be killed."""

from __future__ import annotations

import signal
from datetime import datetime

from kmflow_orchestration_tests.operations.kills.group_home import GroupHome
from kmflow_orchestration_tests.operations.kills.watching import Hear, Watch
from kmflow_orchestration_tests.processes import in_child


def is_killed(home: GroupHome, now: datetime, part: str, hear: Hear) -> bool:
    """Do a part of the day's work, a method of `DayOfWork`, in a child; whether it was killed."""
    ended_with = in_child(_run, home, now, part, hear)
    assert ended_with in {0, -signal.SIGKILL}, "the child failed by itself"
    return ended_with != 0


def _run(home: GroupHome, now: datetime, part: str, hear: Hear) -> None:
    with home.opened(now) as day:
        getattr(day, part)(Watch(hear))
