"""Children that run what this process's threads must not disturb, and that may be killed."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.process import BaseProcess

# What children would import on their way; those that start with it are the sooner at their work.
_IMPORTED_LATER = (
    "databricks.sdk",
    "duckdb",
    "kmflow_orchestration.converters.delimited",
    "kmflow_orchestration.converters.plain_text",
    "kmflow_orchestration.converters.spreadsheet",
    "kmflow_orchestration.storage.local_lakehouse",
    "kmflow_orchestration_tests.intake.landing_place",
    "kmflow_orchestration_tests.operations.kills.child",
    "psutil",
    "puremagic",
    "python_calamine",
)
_PATIENCE_S = 120.0

# Children are forked from a server that has imported everything and runs no threads: forked from
# this process they would inherit the locks of threads they lack, and now and then wait for ever.
PROCESSES = get_context("forkserver")
PROCESSES.set_forkserver_preload(list(_IMPORTED_LATER))


def import_what_comes_later() -> None:
    """For a child that is about to lose the right to read modules; others have used the server
    for theirs, perhaps, and it imported nothing of ours."""
    for name in _IMPORTED_LATER:
        import_module(name)


def begun(work: Callable[..., object], *args: object) -> BaseProcess:
    """A child at this work; function and arguments are pickled."""
    child = PROCESSES.Process(target=work, args=args)
    child.start()
    return child


def ended(child: BaseProcess) -> int:
    """A child's exit code, once it has ended by itself."""
    child.join(_PATIENCE_S)
    if child.exitcode is None:
        child.kill()
        child.join(_PATIENCE_S)
        raise TimeoutError(f"a child was still at work after {_PATIENCE_S:g} s")
    return child.exitcode


def in_child(work: Callable[..., object], *args: object) -> int:
    """Do it in a child; its exit code, negative when a signal ended it."""
    return ended(begun(work, *args))
