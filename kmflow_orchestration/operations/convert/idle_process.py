"""The process in which this one has files converted, kept from one file to the next.

It is begun while nearly nothing is imported here, so that a command need not wait for it.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

from kmflow_orchestration.errors import ConverterCrashed
from kmflow_orchestration.operations.convert.lean_arrow import import_arrow
from kmflow_orchestration.operations.convert.one_process import Limits, OneProcess, ProcessDied


def begin_early() -> None:
    """Begin the process that `kept_process` will give while this one imports what a command needs.

    Only where a copy of this process is made in no time: what comes later may have threads.
    """
    if OneProcess.is_copied():
        process = OneProcess(Limits())
        process.begin(_prepare)
        with _LOCK:
            _IDLE.append(process)


def _prepare() -> None:
    from kmflow_orchestration.converters.plugin_places import has_plugins

    import_arrow()
    import_module("kmflow_orchestration.operations.convert.contained_files")
    # It reads a file of every package.
    has_plugins()


@contextmanager
def kept_process(limits: Limits) -> Iterator[OneProcess]:
    """A process that nobody else uses meanwhile; afterwards it waits for the next file.

    Raises:
        ConverterCrashed: none can be begun.
    """
    with _LOCK:
        idle = tuple(_IDLE)
        _IDLE.clear()
    fitting = (one for one in idle if one.is_ours and (one.is_fresh or one.limits == limits))
    process = next(fitting, None)
    for other in idle:
        if other is not process:
            other.renew()
    process = process or OneProcess(limits)
    process.limits = limits
    try:
        process.start()
    except ProcessDied as error:
        raise ConverterCrashed("no process to convert in can be begun") from error
    try:
        yield process
    finally:
        with _LOCK:
            _IDLE.append(process)


def _end_idle() -> None:
    for process in _IDLE:
        process.renew()


_IDLE: list[OneProcess] = []
_LOCK = threading.Lock()
# Before multiprocessing, which would wait for it.
atexit.register(_end_idle)
