"""Several processes and threads at one group's ledger: each file once, each number once."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Barrier

import pytest

from kmflow_orchestration.errors import LeaseHeld
from kmflow_orchestration.intake.ledger import State
from kmflow_orchestration.names import GroupId
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.intake.landing_place import LandingPlace

THREADS = 8
STORED = "stored"
Child = tuple[multiprocessing.process.BaseProcess, Connection]


def store_slowly(home: Path, url: str, told: Connection) -> None:
    """In a process of its own: store the day, and wait for a word before the last file."""
    place = LandingPlace(home, FakeClock(), GroupId("acme"), url)

    def wait(_file: object) -> None:
        told.send("storing")
        told.recv()

    place.store.before_send = wait
    try:
        place.store_day(workers=1)
        told.send(STORED)
    except LeaseHeld:
        told.send("held")


@pytest.fixture
def start(acme: LandingPlace) -> Iterator[Callable[[], Child]]:
    """Starts `store_slowly` in a spawned process; what is left of them is killed."""
    started: list[multiprocessing.process.BaseProcess] = []
    spawning = multiprocessing.get_context("spawn")

    def begin() -> Child:
        ours, theirs = spawning.Pipe()
        process = spawning.Process(
            target=store_slowly, args=(acme.home, acme.database_url, theirs), daemon=True
        )
        process.start()
        started.append(process)
        return process, ours

    yield begin
    for process in started:
        process.kill()
        process.join()
        process.close()


def test_of_two_processes_that_want_one_batch_the_second_is_told_whose_it_is(
    acme: LandingPlace, start: Callable[[], Child]
) -> None:
    acme.drop("e1/a.csv", "a")
    acme.look()

    _, first = start()
    assert first.recv() == "storing"
    _, second = start()
    assert second.recv() == "held"
    first.send("go on")
    assert first.recv() == STORED

    assert acme.item("a.csv").state is State.STORED
    assert acme.store_day() is None


def test_a_killed_processes_batch_is_taken_over_by_the_next_at_once(
    acme: LandingPlace, start: Callable[[], Child]
) -> None:
    acme.drop("e1/a.csv", "a")
    acme.look()
    process, first = start()
    assert first.recv() == "storing"

    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    _, second = start()
    assert second.recv() == "storing"
    second.send("go on")

    assert second.recv() == STORED
    (batch,) = acme.ledger.stored_batches(acme.group, acme.today)
    assert (batch.number, acme.item("a.csv").batch_id) == (1, batch.batch_id)


def test_numbers_of_a_days_batches_and_runs_are_given_once_to_eight_threads(
    new_place: Callable[[str], LandingPlace],
) -> None:
    places = [new_place("acme") for _ in range(THREADS)]
    at_once = Barrier(THREADS)
    dropped = count()
    numbers: list[int] = []

    def work(place: LandingPlace) -> None:
        at_once.wait()
        for _ in range(3):
            number = next(dropped)
            place.drop(f"e1/{number}.csv", f"id\n{number}\n")
            place.look()
            try:
                stored = place.store_day()
            except LeaseHeld:
                continue
            if stored is not None:
                numbers.append(stored.number)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, places))
    places[0].take_in()

    acme = places[0]
    batches = acme.ledger.stored_batches(acme.group, acme.today)
    assert [batch.number for batch in batches] == list(range(1, len(batches) + 1))
    assert len({batch.batch_id for batch in batches}) == len(batches)
    assert len(numbers) == len(set(numbers))
    paths = [item.landing_path for item in acme.items()]
    assert len(paths) == len(set(paths)) == THREADS * 3


def test_run_numbers_never_double_when_eight_ask(acme: LandingPlace) -> None:
    at_once = Barrier(THREADS)

    def ask(_: int) -> None:
        at_once.wait()
        for _ in range(5):
            acme.ledger.run_requested(acme.group, acme.today)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(ask, range(THREADS)))

    acme.drop("e1/a.csv", "a")
    acme.look()
    (due,) = acme.ledger.due_days(acme.group)
    assert due.next_batch_no == THREADS * 5 + 1
