"""An interrupted statement is cancelled, even while its first answer is on its way (row G13)."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from kmflow_orchestration.clock import SystemClock
from kmflow_orchestration.databricks_client.calls import WorkspaceCalls
from kmflow_orchestration.databricks_client.interrupts import (
    check_given_up,
    seen_through,
    thread_for,
)
from kmflow_orchestration.databricks_client.statements import Statements
from kmflow_orchestration.databricks_client.warehouses import Warehouse
from kmflow_orchestration.operations.side_by_side import side_by_side
from kmflow_orchestration.workspace.executions import Execution
from kmflow_orchestration_tests.embedded import Room
from kmflow_orchestration_tests.fakes import FakeClock

LONG = "SELECT count(*) AS n FROM range(100000) a CROSS JOIN range(100000) b WHERE a.id + b.id < 0"


@pytest.fixture
def interrupting():
    """Interrupt this thread as soon as something is so, as Ctrl-C does."""
    waiting: list[threading.Thread] = []
    waits = threading.main_thread().ident or 0

    def when(reached) -> None:
        def interrupt() -> None:
            give_up_at = time.monotonic() + 30
            while not reached() and time.monotonic() < give_up_at:
                time.sleep(0.01)
            # To the thread itself, as the kernel does: it wakes from whatever it waits for.
            signal.pthread_kill(waits, signal.SIGINT)

        waiting.append(threading.Thread(target=interrupt))
        waiting[-1].start()

    yield when
    for one in waiting:
        one.join()


class Running:
    """Statements that were seen running; the workspace forgets those that are over."""

    def __init__(self, room: Room) -> None:
        self._executions = room.server.services.executions
        self._seen: dict[int, Execution] = {}

    def at_least(self, count: int) -> bool:
        for one in list(self._executions._by_id.values()):
            if one.state == "RUNNING":
                self._seen[id(one)] = one
        return len(self._seen) >= count

    @property
    def states(self) -> set[str]:
        return {one.state for one in self._seen.values()}


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


def test_work_in_a_thread_ends_when_it_is_given_up() -> None:
    given_up, begun, ended = threading.Event(), threading.Event(), []

    def work() -> None:
        try:
            while True:
                check_given_up()
                begun.set()
                time.sleep(0.01)
        except KeyboardInterrupt:
            ended.append(True)

    thread = thread_for(work, given_up)
    thread.start()
    assert begun.wait(10)
    check_given_up()  # which is about that thread alone

    given_up.set()
    thread.join(10)
    assert ended == [True]


def test_an_interrupted_statement_is_cancelled_on_the_workspace(
    room: Room, calls: WorkspaceCalls, clock: FakeClock, interrupting
) -> None:
    """The workspace holds the first answer back for seconds, and only it names the statement."""
    statements = Statements(calls, Warehouse(calls, clock=clock), clock)
    statements.execute("SELECT 1")
    seen = Running(room)

    interrupting(lambda: seen.at_least(1))
    with pytest.raises(KeyboardInterrupt):
        statements.execute(LONG)

    assert seen.states == {"CANCELED"}


def test_statements_side_by_side_are_cancelled_too(
    room: Room, calls: WorkspaceCalls, interrupting
) -> None:
    """As a batch's tables are written: in threads, which the interrupt does not reach."""
    clock = SystemClock()
    statements = Statements(calls, Warehouse(calls, clock=clock), clock)
    statements.execute("SELECT 1")
    seen = Running(room)

    interrupting(lambda: seen.at_least(2))
    with pytest.raises(KeyboardInterrupt):
        list(side_by_side(statements.execute, [LONG, LONG], workers=2))

    assert seen.states == {"CANCELED"}
