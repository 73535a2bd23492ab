"""Work on many things with a few threads, results as they come, nothing piling up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue
from typing import TypeVar

from kmflow_orchestration.databricks_client.interrupts import thread_for

T = TypeVar("T")
R = TypeVar("R")


def side_by_side(
    work: Callable[[T], R], things: Iterable[T], *, workers: int
) -> Iterator[tuple[T, R]]:
    """Do `work` on each thing, at most `workers` at once, yielding in the order of completion.

    No thing is begun before a thread is free for it. The first error that `work` raises is raised
    here, after the things already begun have ended; so they have when the caller stops early. Once
    the caller is interrupted, statements under way are cancelled instead of waited for.
    """
    source = iter(things)
    lock = threading.Lock()
    stop, given_up = threading.Event(), threading.Event()
    results: SimpleQueue[tuple[T, R] | BaseException | None] = SimpleQueue()

    def next_thing() -> tuple[T] | None:
        with lock:
            for thing in source:
                return (thing,)
            return None

    def pull() -> None:
        try:
            while not stop.is_set() and (found := next_thing()) is not None:
                results.put((found[0], work(found[0])))
        except BaseException as error:  # noqa: BLE001 - carried over to the caller's thread
            results.put(error)
        results.put(None)

    threads = [thread_for(pull, given_up) for _ in range(max(1, workers))]
    for thread in threads:
        thread.start()
    try:
        yield from _until_all_ended(results, len(threads))
    except (Exception, GeneratorExit):
        raise
    except BaseException:
        given_up.set()
        raise
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _until_all_ended(
    results: SimpleQueue[tuple[T, R] | BaseException | None], running: int
) -> Iterator[tuple[T, R]]:
    while running:
        result = results.get()
        if result is None:
            running -= 1
        elif isinstance(result, BaseException):
            raise result
        else:
            yield result
