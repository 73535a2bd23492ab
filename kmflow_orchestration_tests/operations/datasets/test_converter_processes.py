"""Processes that convert files for a run that is killed."""

from __future__ import annotations

import os
import signal
import time
from multiprocessing import get_context
from multiprocessing.connection import Connection

import psutil
import pytest

from kmflow_orchestration.operations.converter_processes import converter_pool

PATIENCE_S = 30.0


def is_running(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def convert_until_killed(told: Connection) -> None:
    with converter_pool(1) as pool:
        told.send(pool.submit(os.getpid).result())
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_a_converter_does_not_outlive_the_run_it_works_for() -> None:
    spawn = get_context("spawn")
    told, tell = spawn.Pipe(duplex=False)
    run = spawn.Process(target=convert_until_killed, args=(tell,))
    run.start()
    converter = told.recv()
    run.join()
    assert run.exitcode == -signal.SIGKILL

    give_up = time.monotonic() + PATIENCE_S
    while is_running(converter):
        assert time.monotonic() < give_up, "it still waits for work that nobody will give it"
        time.sleep(0.02)
