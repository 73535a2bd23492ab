"""A process of its own for one file after another: what kills it is that file's outcome alone."""

from __future__ import annotations

import faulthandler
import os
import resource
import signal
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Self, TypeVar

from kmflow_orchestration.operations.convert.lean_arrow import lean_process_id
from kmflow_orchestration.operations.converter_processes import converter_pool

Task = TypeVar("Task")
Result = TypeVar("Result")
# Less than a thread or a block of an array asks for at once.
_HARDLY_ANY_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may take: seconds, and bytes of memory beyond those of an idle process."""

    timeout_s: float = 3600.0
    memory_bytes: int = 2 << 30


class ProcessDied(Exception):
    """The process ended before its answer; `timed_out` if its time was up."""

    def __init__(self, *, timed_out: bool) -> None:
        super().__init__("its time was up" if timed_out else "it died")
        self.timed_out = timed_out


class OneProcess:
    """Runs functions in a process under limits; after a death the next gets a new one."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._pool: ProcessPoolExecutor | None = None
        self._process_id = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.renew()

    def run(self, function: Callable[[Task], Result], task: Task) -> Result:
        """What the function gives. Raises what it raises, MemoryError and ProcessDied."""
        begun = time.monotonic()
        try:
            if self._pool is None:
                self._pool = converter_pool(1)
                self._process_id = self._pool.submit(_begun).result()
                begun = time.monotonic()
            call = _Call(function, task, self._limits)
            answer: Result = self._pool.submit(_limited, call).result()
        except BrokenProcessPool as error:
            self.renew()
            timed_out = time.monotonic() - begun >= self._limits.timeout_s
            raise ProcessDied(timed_out=timed_out) from error
        return answer

    def interrupt(self) -> None:
        """End what it does now; it cleans up behind itself. From any thread."""
        if self._pool is not None and self._process_id:
            with suppress(ProcessLookupError):
                os.kill(self._process_id, signal.SIGTERM)

    def renew(self) -> None:
        """End it; the next call gets a new one."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None
            self._process_id = 0


@dataclass(frozen=True, slots=True)
class _Call:
    function: Callable[[Any], Any]
    task: Any
    limits: Limits


def _begun() -> int:
    """Of a new process: Ctrl-C is its parent's to hear, who then ends what is under way."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return lean_process_id()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _limited(call: _Call) -> Any:
    # It ends the process from a thread of its own, whatever a reader is busy with.
    with Path(os.devnull).open("w") as nowhere:
        try:
            faulthandler.dump_traceback_later(call.limits.timeout_s, exit=True, file=nowhere)
        except RuntimeError as error:
            raise MemoryError("there is no room for a thread") from error
        try:
            _limit_memory(call.limits.memory_bytes)
            signal.signal(signal.SIGTERM, _interrupt)
            return call.function(call.task)
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            faulthandler.cancel_dump_traceback_later()


def is_at_memory_limit() -> bool:
    """Whether this process was given a limit of memory and has hardly any left."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if not _LIMITED or limit == resource.RLIM_INFINITY:
        return False
    return limit - _mapped_bytes() < _HARDLY_ANY_BYTES


def _limit_memory(limit_bytes: int) -> None:
    """Beyond what is mapped now; allocations fail then, instead of the whole machine."""
    if _LIMITED:
        return
    _LIMITED.append(True)
    mapped = _mapped_bytes()
    if not mapped:
        # Only Linux tells; elsewhere the time limit stands alone.
        return
    wanted = mapped + limit_bytes
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard == resource.RLIM_INFINITY or wanted < hard:
        resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))


def _mapped_bytes() -> int:
    """What the process has mapped; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError):
        return 0
    return pages * resource.getpagesize()


_LIMITED: list[bool] = []
