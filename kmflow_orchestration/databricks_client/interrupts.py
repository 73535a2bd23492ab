"""An interrupt must not lose what a request began: only its answer says how to end it."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

from kmflow_orchestration.clock import Clock

T = TypeVar("T")
LOOK_S = 0.25
"""How long a thread waits at most before it looks whether it is given up."""
_GIVEN_UP: contextvars.ContextVar[threading.Event | None] = contextvars.ContextVar(
    "kmflow_given_up", default=None
)


def seen_through(action: Callable[[], T], *, undo: Callable[[T], object]) -> T:
    """Result of `action`, which an interrupt of the caller does not cut short.

    An interrupted caller waits for its end, undoes it, and then goes on with the interrupt. Keep
    the action short: a second interrupt ends the waiting.
    """
    if threading.current_thread() is not threading.main_thread():
        return action()  # Python interrupts the main thread only
    ended: Future[T] = Future()
    context = contextvars.copy_context()

    def run() -> None:
        try:
            ended.set_result(context.run(action))
        except BaseException as error:  # noqa: BLE001 - carried over to the caller's thread
            ended.set_exception(error)

    threading.Thread(target=run, name="kmflow-request", daemon=True).start()
    try:
        return ended.result()
    except BaseException:
        if ended.exception() is None:  # waits for its end
            undo(ended.result())
        raise


def thread_for(work: Callable[[], object], given_up: threading.Event) -> threading.Thread:
    """A thread whose work ends early once `given_up` is set: see `check_given_up`."""
    context = contextvars.copy_context()
    context.run(_GIVEN_UP.set, given_up)
    return threading.Thread(target=context.run, args=(work,), daemon=True)


@contextmanager
def given_up_by(event: threading.Event | None) -> Iterator[None]:
    """Work in this block, in this thread, ends early once the event is set: `check_given_up`."""
    before = _GIVEN_UP.set(event)
    try:
        yield
    finally:
        _GIVEN_UP.reset(before)


def not_given_up() -> AbstractContextManager[None]:
    """Work that is seen to its end, such as cleaning up."""
    return given_up_by(None)


def check_given_up() -> None:
    """For work that waits in a thread, which no interrupt reaches.

    Raises:
        KeyboardInterrupt: whoever waits for this thread was interrupted.
    """
    given_up = _GIVEN_UP.get()
    if given_up is not None and given_up.is_set():
        raise KeyboardInterrupt


def is_watched() -> bool:
    """Whether this is a thread that may be given up."""
    return _GIVEN_UP.get() is not None


def pause(clock: Clock, seconds: float) -> None:
    """Sleep, but no longer than until this thread is given up. Raises as `check_given_up`."""
    if not is_watched():
        clock.sleep(seconds)
        return
    left = seconds
    while left > 0:
        check_given_up()
        clock.sleep(min(left, LOOK_S))
        left -= LOOK_S
    check_given_up()
