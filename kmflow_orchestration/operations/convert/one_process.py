"""A process of its own for one file after another: what kills it is that file's outcome alone."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Self

from kmflow_orchestration.converters.private_folder import private_folder
from kmflow_orchestration.errors import OutOfMemoryError
from kmflow_orchestration.operations.convert.process_memory import StillAtLimit
from kmflow_orchestration.operations.convert.worker import Call, Failure, Word, serve

# How often it is looked whether the process still does something.
_LOOK_EVERY_S = 1.0
# What a process gets to clean up, or to begin at all on a busy machine.
_GRACE_S = 10.0
_BEGIN_S = 120.0

Hear = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may take: seconds, and bytes of memory beyond those of an idle process.

    At its limit of memory a process that does nothing for `patience_s` has come to its end.
    """

    timeout_s: float = 3600.0
    memory_bytes: int = 2 << 30
    patience_s: float = 10.0


class ProcessDied(Exception):
    """The process ended before its answer; `timed_out` if its time was up."""

    def __init__(self, *, timed_out: bool) -> None:
        super().__init__("its time was up" if timed_out else "it died")
        self.timed_out = timed_out


class WhereItArose(Exception):
    """The traceback of the other process, as the cause of its error in this one."""


class OneProcess:
    """Runs functions in a process under limits; after a death the next gets a new one."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._process: BaseProcess | None = None
        self._line: Connection | None = None
        self._is_ready = self._is_busy = self._was_asked = False
        self._owner = os.getpid()
        self._interrupted = threading.Event()

    @property
    def is_ours(self) -> bool:
        """Whether this process began it, and not one that this is a copy of."""
        return self._owner == os.getpid()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.renew()

    def run(self, function: Callable[..., Any], task: Any, *, hear: Hear | None = None) -> Any:
        """What the function gives. Raises what it raises, MemoryError and ProcessDied.

        With `hear` the function takes a callback as well, and what it tells arrives there, not
        every time but each change of its first argument.
        """
        # What a killed process set aside goes with it: the plain text of a locked file, too.
        with private_folder("call") as temporary:
            return self._run(function, task, hear, str(temporary))

    def _run(
        self, function: Callable[..., Any], task: Any, hear: Hear | None, temporary: str
    ) -> Any:
        call = Call(
            function,
            task,
            self.limits.memory_bytes,
            str(Path.cwd()),
            temporary,
            hear is not None,
        )
        try:
            self.start()
            return self._asked(call, hear or _deaf)
        except (MemoryError, OutOfMemoryError, ProcessDied):
            # At its limit it is of no use to the next file.
            self._end(grace_s=0)
            raise
        except BaseException:
            if self._is_busy:
                self._end_gently()
            raise

    @staticmethod
    def is_copied() -> bool:
        """Whether it is begun as a copy of this process, as it is now.

        That takes no time, and is sound only if nothing runs beside us. Arrow has threads that
        Python does not know of, and elsewhere than on Linux systems have some.
        """
        is_alone = threading.active_count() == 1 and "pyarrow" not in sys.modules
        return is_alone and sys.platform == "linux"

    @property
    def is_fresh(self) -> bool:
        """Whether it was begun and nothing was asked of it: any limits may still be its own."""
        return self._process is not None and not self._was_asked

    def start(self) -> None:
        """Begin the process now, and not with the first call. Raises ProcessDied."""
        if self._process is None:
            self.begin()
        if self._is_ready:
            return
        line, _ = self._working()
        try:
            self._is_ready = line.poll(_BEGIN_S) and self._received(line)[0] is Word.READY
        finally:
            if not self._is_ready:
                self._end(grace_s=0)
        if not self._is_ready:
            raise ProcessDied(timed_out=False)

    def begin(self, prepare: Callable[[], None] | None = None) -> None:
        """Begin the process and wait for nothing; it imports by `prepare` what it will need."""
        method = "fork" if self.is_copied() else "spawn"
        context: Any = get_context(method)
        here, there = context.Pipe()
        inherited = here if method == "fork" else None
        self._process = context.Process(target=serve, args=(there, inherited, prepare))
        self._line = here
        self._process.start()
        there.close()

    def interrupt(self) -> None:
        """End what it does now; it cleans up behind itself. From any thread."""
        self._interrupted.set()
        process = self._process
        if process is not None and process.pid and process.is_alive():
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)

    def renew(self) -> None:
        """End it; the next call gets a new one."""
        # One that was asked nothing has nothing to clean up.
        self._end(grace_s=_GRACE_S if self._was_asked else 0)

    def _working(self) -> tuple[Connection, BaseProcess]:
        if self._line is None or self._process is None:
            raise ProcessDied(timed_out=False)
        return self._line, self._process

    def _asked(self, call: Call, hear: Hear) -> Any:
        line, process = self._working()
        self._is_busy = self._was_asked = True
        try:
            line.send(call)
        except OSError as error:
            raise ProcessDied(timed_out=False) from error
        ends = time.monotonic() + self.limits.timeout_s
        watch = StillAtLimit(process.pid or 0, self.limits.patience_s)
        look_s = min(_LOOK_EVERY_S, self.limits.patience_s / 2)
        while (left := ends - time.monotonic()) > 0:
            ready = wait([line, process.sentinel], min(left, look_s))
            if line in ready:
                watch.was_heard()
                word, content = self._received(line)
                if word is not Word.TOLD:
                    self._is_busy = False
                    return _given(word, content)
                hear(*content)
            elif ready:
                raise ProcessDied(timed_out=False)
            elif watch.look():
                raise MemoryError("it stands still at its limit of memory")
            if self._interrupted.is_set():
                self._interrupted.clear()
                ends = min(ends, time.monotonic() + _GRACE_S)
        raise ProcessDied(timed_out=True)

    @staticmethod
    def _received(line: Connection) -> tuple[Word, Any]:
        try:
            word, content = line.recv()
        except (EOFError, OSError) as error:
            raise ProcessDied(timed_out=False) from error
        return word, content

    def _end_gently(self) -> None:
        """Ctrl-C in this process: what the other one has begun is undone there."""
        self.interrupt()
        ends = time.monotonic() + _GRACE_S
        with suppress(ProcessDied):
            line, process = self._working()
            while (left := ends - time.monotonic()) > 0:
                if line not in wait([line, process.sentinel], left):
                    break
                if self._received(line)[0] is not Word.TOLD:
                    break
        self._end(grace_s=_GRACE_S)

    def _end(self, *, grace_s: float) -> None:
        process, line = self._process, self._line
        self._process = self._line = None
        self._is_ready = self._is_busy = self._was_asked = False
        self._interrupted.clear()
        if line is not None:
            # It ends when nobody is left to ask.
            line.close()
        if process is None or process.pid is None or not self.is_ours:
            return
        if grace_s:
            process.join(grace_s)
        if process.is_alive():
            process.kill()
            process.join(_GRACE_S)


def _given(word: Word, content: Any) -> Any:
    if word is Word.MEMORY:
        raise MemoryError("it needs more memory than it may have")
    if isinstance(content, Failure):
        raise content.error from WhereItArose(f"\n{content.trace}")
    return content


def _deaf(*_: object) -> None:
    pass
