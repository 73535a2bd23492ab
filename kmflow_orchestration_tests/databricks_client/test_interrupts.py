"""An interrupted statement is cancelled, even while its first answer is on its way (row G13)."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from kmflow_orchestration.databricks_client.calls import WorkspaceCalls
from kmflow_orchestration.databricks_client.interrupts import seen_through
from kmflow_orchestration.databricks_client.statements import Statements
from kmflow_orchestration.databricks_client.warehouses import Warehouse
from kmflow_orchestration.workspace.executions import Execution
from kmflow_orchestration_tests.embedded import Room
from kmflow_orchestration_tests.fakes import FakeClock

LONG = "SELECT count(*) AS n FROM range(100000) a CROSS JOIN range(100000) b WHERE a.id + b.id < 0"


@pytest.fixture
def interrupting():
    """Interrupt this thread as soon as something is so, as Ctrl-C does."""
    waiting: list[threading.Thread] = []

    def when(reached) -> None:
        def interrupt() -> None:
            give_up_at = time.monotonic() + 30
            while not reached() and time.monotonic() < give_up_at:
                time.sleep(0.01)
            signal.raise_signal(signal.SIGINT)

        waiting.append(threading.Thread(target=interrupt))
        waiting[-1].start()

    yield when
    for one in waiting:
        one.join()


def test_what_was_begun_is_undone(interrupting) -> None:
    begun, undone = threading.Event(), []

    def begin() -> str:
        begun.set()
        time.sleep(0.3)
        return "s1"

    interrupting(begun.is_set)
    with pytest.raises(KeyboardInterrupt):
        seen_through(begin, undo=undone.append)

    assert undone == ["s1"]


def test_what_failed_meanwhile_is_not_undone(interrupting) -> None:
    begun, undone = threading.Event(), []

    def fail() -> None:
        begun.set()
        time.sleep(0.3)
        raise ValueError

    interrupting(begun.is_set)
    with pytest.raises(KeyboardInterrupt):
        seen_through(fail, undo=undone.append)

    assert undone == []


def test_a_fault_is_the_callers_and_undoes_nothing() -> None:
    undone: list[object] = []

    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        seen_through(fail, undo=undone.append)

    assert undone == []


def test_another_thread_is_never_interrupted_and_needs_no_help() -> None:
    found: list[threading.Thread] = []
    thread = threading.Thread(
        target=lambda: found.append(seen_through(threading.current_thread, undo=print))
    )
    thread.start()
    thread.join()

    assert found == [thread]


def test_an_interrupted_statement_is_cancelled_on_the_workspace(
    room: Room, calls: WorkspaceCalls, clock: FakeClock, interrupting
) -> None:
    """The workspace holds the first answer back for seconds, and only it names the statement."""
    statements = Statements(calls, Warehouse(calls, clock=clock), clock)
    statements.execute("SELECT 1")
    seen: list[Execution] = []

    def is_running() -> bool:
        # What is over is forgotten there, so it is kept here.
        seen.extend(one for one in list(running.values()) if one.state == "RUNNING")
        return bool(seen)

    running = room.server.services.executions._by_id
    interrupting(is_running)
    with pytest.raises(KeyboardInterrupt):
        statements.execute(LONG)

    assert {one.state for one in seen} == {"CANCELED"}
