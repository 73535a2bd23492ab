"""Work on many things with a few threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from kmflow_orchestration.operations.side_by_side import side_by_side


def test_every_thing_is_done_once() -> None:
    done = dict(side_by_side(lambda number: number * 2, range(100), workers=4))
    assert done == {number: number * 2 for number in range(100)}


def test_no_more_than_the_workers_are_begun_at_once() -> None:
    begun: list[int] = []
    busy, most, lock = 0, 0, threading.Lock()

    def work(number: int) -> None:
        nonlocal busy, most
        with lock:
            busy, most = busy + 1, max(most, busy + 1)
        begun.append(number)
        with lock:
            busy -= 1

    list(side_by_side(work, range(50), workers=3))
    assert most <= 3
    assert sorted(begun) == list(range(50))


def test_an_error_comes_out_here_and_stops_the_rest() -> None:
    tried: list[int] = []

    def work(number: int) -> None:
        tried.append(number)
        if number == 3:
            raise ValueError("three")

    with pytest.raises(ValueError, match="three"):
        list(side_by_side(work, range(1000), workers=1))
    assert len(tried) < 1000


def test_stopping_early_ends_all_threads() -> None:
    before = threading.active_count()
    results = side_by_side(lambda number: number, range(1000), workers=4)
    next(results)
    results.close()
    assert threading.active_count() == before


def test_an_error_of_the_source_comes_out_too() -> None:
    def things() -> Iterator[int]:
        yield 1
        raise OSError("the list ended badly")

    with pytest.raises(OSError, match="badly"):
        list(side_by_side(lambda number: number, things(), workers=1))


def test_nothing_to_do_is_no_work() -> None:
    assert list(side_by_side(lambda number: number, [], workers=4)) == []
