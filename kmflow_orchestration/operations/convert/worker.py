"""What runs in a process of its own: one call after another, each under the limit of memory."""

from __future__ import annotations

import os
import pickle
import resource
import signal
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any

from kmflow_orchestration.converters.failures import FAILED
from kmflow_orchestration.errors import CorruptInput, KmflowError
from kmflow_orchestration.operations.convert.process_memory import mapped_bytes
from kmflow_orchestration.operations.convert.progress import STEPS
from kmflow_orchestration.operations.converter_processes import begin_converter_process

# Less than a thread or a block of an array asks for at once.
_HARDLY_ANY_BYTES = 32 << 20
_TELL_EVERY_S = 0.1


class Word(StrEnum):
    """What the first half of a message means."""

    READY = "ready"
    TOLD = "told"
    DONE = "done"
    FAILED = "failed"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class Call:
    """A function to call; one that `tells` takes a callback for its progress as well.

    `folder` is where the caller is, `temporary` a folder for this call alone, which the caller
    removes afterwards: nothing in it is there for the next call.
    """

    function: Callable[..., Any]
    task: Any
    memory_bytes: int
    folder: str
    temporary: str
    tells: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """An error, and where in the worker's code it arose."""

    error: BaseException
    trace: str


def serve(
    line: Connection, callers_end: Connection | None, prepare: Callable[[], None] | None = None
) -> None:
    """Answer calls until nobody is left to ask; `callers_end` was inherited and is not ours.

    `prepare` imports what the first call will need.
    """
    # Ctrl-C is the caller's to hear, who then ends what is under way.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if callers_end is not None:
        callers_end.close()
    begin_converter_process()
    # Made now: at the limit there may be no room for it.
    no_memory = pickle.dumps((Word.MEMORY, None))
    with suppress(EOFError, ConnectionError):
        line.send((Word.READY, None))
        if prepare is not None:
            # What is not installed is the call's to tell.
            with suppress(ImportError):
                prepare()
        while True:
            request = line.recv_bytes()
            try:
                line.send_bytes(_answer(request, line))
            except MemoryError:
                line.send_bytes(no_memory)


def _answer(request: bytes, line: Connection) -> bytes:
    # Whatever it ends with is the caller's to judge.
    try:
        answer = (Word.DONE, _called(pickle.loads(request), line))  # noqa: S301 (our parent's)
    except BaseException as error:
        if _wants_memory(error):
            raise MemoryError from error
        return _failure(error)
    return pickle.dumps(answer)


def _failure(error: BaseException) -> bytes:
    trace = traceback.format_exc()
    try:
        told = pickle.dumps((Word.FAILED, Failure(error, trace)))
        pickle.loads(told)  # noqa: S301 (made a line above)
    # Not every error of a library survives the way.
    except Exception:  # noqa: BLE001
        plain = RuntimeError(f"{type(error).__name__}: {error}")
        return pickle.dumps((Word.FAILED, Failure(plain, trace)))
    return told


def _called(call: Call, line: Connection) -> Any:
    # As it is with the caller now.
    os.chdir(call.folder)
    tempfile.tempdir = call.temporary
    _limit_memory(call.memory_bytes)
    try:
        signal.signal(signal.SIGTERM, _interrupt)
        if call.tells:
            return call.function(call.task, _Telling(line))
        return call.function(call.task)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


class _Telling:
    """Sends progress to the caller: each stage's beginning and step, and rows not too often."""

    def __init__(self, line: Connection) -> None:
        self._line = line
        self._stage, self._at = "", 0.0

    def __call__(self, stage: str, done: int, total: int, unit: str, message: str) -> None:
        now = time.monotonic()
        if stage == self._stage and unit != STEPS and now - self._at < _TELL_EVERY_S:
            return
        self._stage, self._at = stage, now
        self._line.send((Word.TOLD, (stage, done, total, unit, message)))


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    # Once is enough: what it cleans up is not to be interrupted.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _wants_memory(error: BaseException) -> bool:
    """At its limit a library fails in ways of its own; what we say of the content stands."""
    if isinstance(error, KmflowError):
        is_unforeseen = isinstance(error, CorruptInput) and error.reason == FAILED
        return is_unforeseen and is_at_memory_limit()
    if isinstance(error, ImportError) and not isinstance(error, ModuleNotFoundError):
        # What is installed could not be loaded.
        return True
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, Exception) and is_at_memory_limit()


def is_at_memory_limit() -> bool:
    """Whether this process was given a limit of memory and has hardly any left."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if not _LIMITED or limit == resource.RLIM_INFINITY:
        return False
    return limit - mapped_bytes() < _HARDLY_ANY_BYTES


def _limit_memory(limit_bytes: int) -> None:
    """Beyond what is mapped now; allocations fail then, instead of the whole machine."""
    if _LIMITED:
        return
    _LIMITED.append(True)
    mapped = mapped_bytes()
    if not mapped:
        # Only Linux tells; elsewhere the time limit stands alone.
        return
    wanted = mapped + limit_bytes
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard == resource.RLIM_INFINITY or wanted < hard:
        resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))


_LIMITED: list[bool] = []
