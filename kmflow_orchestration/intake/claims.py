"""Claims on batches: who holds one, whether it is free, and keeping it while a run works (AD5)."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TypeAlias

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.metadata.engine import SessionFactory
from kmflow_orchestration.metadata.intake_batches import Holder, OpenBatch, renew
from kmflow_orchestration.names import GroupId

LEASE = timedelta(seconds=60)
RENEW_EVERY_S = 15.0
# A process's start is computed from the boot time, which a clock adjustment moves a little.
_SAME_START_S = 2.0

RunIsOver: TypeAlias = Callable[[str], bool]


def this_process(dagster_run_id: str = "") -> Holder:
    """The present process as a holder of claims."""
    import psutil

    pid = os.getpid()
    return Holder(socket.gethostname(), pid, psutil.Process(pid).create_time(), dagster_run_id)


def is_free(batch: OpenBatch, *, now: datetime, run_is_over: RunIsOver | None = None) -> bool:
    """Whether a claim may be taken: none, run out, its process gone, or its Dagster run over."""
    holder = batch.holder
    if holder is None or batch.lease_until is None or batch.lease_until <= now:
        return True
    if holder.host == socket.gethostname() and not _is_alive(holder):
        return True
    return bool(holder.dagster_run_id and run_is_over and run_is_over(holder.dagster_run_id))


def _is_alive(holder: Holder) -> bool:
    import psutil

    try:
        process = psutil.Process(holder.pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return abs(process.create_time() - holder.started) < _SAME_START_S
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


@contextmanager
def kept(
    sessions: SessionFactory, group: GroupId, batch: OpenBatch, clock: Clock
) -> Iterator[None]:
    """Renew a claim from a thread of its own for as long as the block runs.

    Losing the claim stops the renewing only: every write of the batch checks the claim itself.
    """
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(RENEW_EVERY_S):
            if not renew(sessions, group, batch, clock.now() + LEASE):
                return

    thread = threading.Thread(target=beat, name=f"lease-{batch.batch_id[:8]}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
