"""What is left when the server is killed in the middle of things."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from databricks.sdk.service import jobs

from kmflow_orchestration.workspace.server import EmbeddedWorkspace
from kmflow_orchestration_tests.embedded import GroupInRoom, client_for, fresh_room
from kmflow_orchestration_tests.workspace.wheel_jobs import create_job, reaching

SERVE = """
import sys
from pathlib import Path
from kmflow_orchestration.workspace.server import run
run(Path(sys.argv[1]), on_start=lambda server: print(server.url, flush=True))
"""
SLOW = """
import os, pathlib, time
def main():
    here = pathlib.Path(os.environ["KMFLOW_VOLUMES_ROOT"], "acme", "main", "evidence")
    (here / "part").write_text(str(os.getpid()))
    (here / "part").rename(here / "pid")
    time.sleep(60)
"""


@contextmanager
def served(directory: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server in a process of its own, and its address."""
    command = [sys.executable, "-c", SERVE, str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.fixture
def seeded(tmp_path: Path) -> GroupInRoom:
    """A group in a directory whose server has stopped."""
    with EmbeddedWorkspace(tmp_path) as server:
        return fresh_room(server).group("acme")


def at(host: str, group: GroupInRoom) -> GroupInRoom:
    return GroupInRoom(host, group.caller, group.token, group.catalog)


def test_a_killed_server_takes_its_jobs_along_and_knows_it_later(
    tmp_path: Path, seeded: GroupInRoom
) -> None:
    with served(tmp_path) as (process, url):
        acme = at(url, seeded)
        run_id = acme.client().jobs.run_now(create_job(acme, SLOW)).run_id
        reaching(acme, run_id, "RUNNING")
        pid = _pid_in(tmp_path)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert _gone(pid)
    with EmbeddedWorkspace(tmp_path) as again:
        run = client_for(again.url, seeded.token).jobs.get_run(run_id)
        assert run.state.life_cycle_state is jobs.RunLifeCycleState.INTERNAL_ERROR
        assert run.tasks[0].state.life_cycle_state is jobs.RunLifeCycleState.INTERNAL_ERROR
        assert list(tmp_path.glob("workspaces/*/runs/*")) == []


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM], ids=["int", "term"])
def test_a_server_ends_when_it_is_told(
    tmp_path: Path, seeded: GroupInRoom, end: signal.Signals
) -> None:
    with served(tmp_path) as (process, url):
        at(url, seeded).upload("a.txt", b"1")
        process.send_signal(end)
        assert process.wait(10) == 0


def test_half_an_upload_of_a_killed_server_is_swept_away(
    tmp_path: Path, seeded: GroupInRoom
) -> None:
    with EmbeddedWorkspace(tmp_path) as server:
        at(server.url, seeded).upload("a.txt", b"1")
    [uploads] = tmp_path.glob("workspaces/*/uploads")
    (uploads / "half").write_bytes(b"x")
    with EmbeddedWorkspace(tmp_path):
        assert not (uploads / "half").exists()


def _pid_in(directory: Path) -> int:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for path in directory.glob("workspaces/*/volumes/acme/main/evidence/pid"):
            return int(path.read_text())
        time.sleep(0.02)
    raise AssertionError("the job did not start")


def _gone(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False
