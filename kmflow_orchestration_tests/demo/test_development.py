"""`kmflow dev`: starts everything, answers, and takes everything along when it stops."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from urllib.request import urlopen

import psutil
import pytest

from kmflow_orchestration.cli.main import main
from kmflow_orchestration.demo.development import stoppable

pytestmark = pytest.mark.journey
RUN = "from kmflow_orchestration.cli.main import run; run()"


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def develop(home, port: int) -> subprocess.Popen[str]:
    """As a shell starts it with `&` when nobody is at a terminal: SIGINT ignored."""
    return subprocess.Popen(
        [sys.executable, "-c", RUN, "dev", "--dir", home, "--port", str(port), "--no-evidence"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),  # noqa: PLW1509
    )


def test_a_taken_port_is_named_before_anything_starts(tmp_path, capsys):
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["dev", "--dir", str(tmp_path / "home"), "--port", str(port)]) == 3
    assert f"cannot listen on port {port}" in capsys.readouterr().err
    assert not (tmp_path / "home" / "control.db").exists()


def test_it_answers_and_takes_all_its_children_along_when_interrupted(tmp_path):
    port = free_port()
    running = develop(str(tmp_path / "home"), port)
    assert running.stdout is not None
    said = next((line for line in running.stdout if "Ctrl-C" in line), "")
    with urlopen(f"http://127.0.0.1:{port}/server_info", timeout=10) as answer:
        assert "dagster_webserver_version" in json.load(answer)
    children = psutil.Process(running.pid).children(recursive=True)

    running.send_signal(signal.SIGINT)
    rest, _ = running.communicate(timeout=30)

    assert "Ctrl-C" in said
    assert (running.returncode, rest.strip().splitlines()[-1:]) == (0, ["stopped"])
    assert len(children) >= 3
    assert psutil.wait_procs(children, timeout=5)[1] == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_waits_until_what_is_begun_is_done(number):
    done = []

    def begin() -> None:
        with stoppable() as interruption, interruption.postponed():
            signal.raise_signal(number)
            done.append("begun")

    with pytest.raises(KeyboardInterrupt):
        begin()
    assert done == ["begun"]


def test_a_second_signal_does_not_cut_the_ending_short():
    with stoppable():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)


def test_a_closed_terminal_is_nothing_to_who_asked_not_to_be_told():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stoppable():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_terminated_start_leaves_no_process_behind(tmp_path):
    running = develop(str(tmp_path / "home"), free_port())
    log = tmp_path / "home" / "dagster" / "dagster_webserver.log"
    while not log.exists() and running.poll() is None:
        time.sleep(0.05)
    children = psutil.Process(running.pid).children(recursive=True)

    running.terminate()
    running.communicate(timeout=30)

    assert running.returncode == 0
    assert psutil.wait_procs(children, timeout=5)[1] == []
