"""Processes that convert files, none of which outlives the run it works for."""

from __future__ import annotations

import os
import threading
from multiprocessing import get_context, parent_process
from typing import TYPE_CHECKING

from kmflow_orchestration.operations.convert.lean_arrow import import_arrow
from kmflow_orchestration.redacted_process import install as install_redaction

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor


def converter_pool(workers: int) -> ProcessPoolExecutor:
    """A pool of processes; they end with the pool, or with this process should it be killed."""
    from concurrent.futures import ProcessPoolExecutor

    # Spawned: a forked child would inherit our threads' locks and database connections.
    context = get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=begin_converter_process)


def begin_converter_process() -> None:
    """The first thing such a process does: it shows no secret, and ends with who began it.

    What it does not need is not imported: that takes longer than a small file.
    """
    install_redaction()
    _end_with_parent()
    import_arrow()


def _end_with_parent() -> None:
    """A worker waits for work on a pipe that it holds both ends of: nothing else would end it."""
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_wait_for, args=(parent,), name="parent", daemon=True).start()


def _wait_for(parent: object) -> None:
    parent.join()  # type: ignore[attr-defined]  # the standard library names no public type
    os._exit(1)
