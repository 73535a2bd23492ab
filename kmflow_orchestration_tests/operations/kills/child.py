"""Runs of a day in processes of their own, which may be killed."""

from __future__ import annotations

import signal
from datetime import datetime
from multiprocessing import get_context

from kmflow_orchestration_tests.operations.kills.group_home import GroupHome
from kmflow_orchestration_tests.operations.kills.watching import Hear, Watch

# What a run would import on its way; a child that starts with it dies the sooner.
_IMPORTED_LATER = (
    "databricks.sdk",
    "duckdb",
    "kmflow_orchestration.converters.delimited",
    "kmflow_orchestration.converters.plain_text",
    "kmflow_orchestration.converters.spreadsheet",
    "kmflow_orchestration.storage.local_lakehouse",
    "psutil",
    "puremagic",
    "python_calamine",
)

# Children are forked from a server that has imported everything and runs no threads: forked from
# this process they would inherit the locks of threads they lack.
PROCESSES = get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__, *_IMPORTED_LATER])


def is_killed(home: GroupHome, now: datetime, part: str, hear: Hear) -> bool:
    """Do a part of the day's work, a method of `DayOfWork`, in a child; whether it was killed."""
    child = PROCESSES.Process(target=_run, args=(home, now, part, hear))
    child.start()
    child.join()
    assert child.exitcode in {0, -signal.SIGKILL}, "the child failed by itself"
    return child.exitcode != 0


def _run(home: GroupHome, now: datetime, part: str, hear: Hear) -> None:
    with home.opened(now) as day:
        getattr(day, part)(Watch(hear))
