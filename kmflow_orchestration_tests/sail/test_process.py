from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from kmflow_orchestration.sail.execution import SailSession
from kmflow_orchestration.sail.faults import SailUnavailable
from kmflow_orchestration.sail.process import SailServer

ORPHAN = """
import time
from kmflow_orchestration.sail.process import SailServer
print(SailServer().pid, flush=True)
time.sleep(60)
"""


def test_a_server_answers_until_it_is_stopped():
    with SailServer() as server, SailSession(server.address) as session:
        assert session.fetch("SELECT 1 AS one").to_pylist() == [{"one": 1}]
        assert 10_000_000 < server.rss_bytes() < 500_000_000
        server.stop()
        assert (server.running, server.rss_bytes()) == (False, 0)
        with pytest.raises(SailUnavailable):
            session.fetch("SELECT 1")
    server.stop()


def test_a_killed_server_is_noticed_at_once():
    with SailServer() as server, SailSession(server.address) as session:
        session.fetch("SELECT 1")
        os.kill(server.pid, signal.SIGKILL)
        began = time.monotonic()
        with pytest.raises(SailUnavailable):
            session.fetch("SELECT 1")
        assert time.monotonic() - began < 2


def test_a_server_does_not_outlive_a_killed_parent():
    parent = subprocess.Popen([sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True)
    server = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()

    assert psutil.wait_procs([server], timeout=5)[1] == []


def test_catalog_names_of_any_form_are_taken():
    with SailServer(catalogs=("a-b", 'q"x')) as server, SailSession(server.address) as session:
        session.execute("CREATE SCHEMA `a-b`.s")
        session.execute('CREATE SCHEMA `q"x`.s')
