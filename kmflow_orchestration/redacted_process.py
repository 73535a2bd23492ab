"""Puts redaction where text leaves a process by itself: log records and tracebacks (row C15).

Records are cleaned as they are made, not by filters on loggers: a filter never sees what comes up
from the loggers below its own, and a handler may be anybody's.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
import warnings
from collections.abc import Mapping
from types import TracebackType
from typing import Any
from urllib.parse import unquote

from kmflow_orchestration.redaction import redact, redacted, register, scrub

SECRET_VARIABLES = (
    "DATABRICKS_TOKEN",
    "DATABRICKS_ACCESS_TOKEN",
    "DATABRICKS_API_KEY",
    "DATABRICKS_CLIENT_SECRET",
    "DATABRICKS_PASSWORD",
    "KMFLOW_FERNET_KEY",
    "ARM_CLIENT_SECRET",
    "GOOGLE_CREDENTIALS",
)
"""Variables whose values are secrets, whoever reads them."""

_LOCK = threading.Lock()


def install(environment: Mapping[str, str] | None = None) -> None:
    """Redact all that this process logs and every traceback it ends with; repeatable.

    Values of the well-known secret variables, and passwords of proxies, count as secrets from now
    on.
    """
    known = os.environ if environment is None else environment
    for name in SECRET_VARIABLES:
        register(known.get(name, ""))
    for name, value in known.items():
        if name.lower().endswith("_proxy"):
            register_proxy(value)
    with _LOCK:
        if not isinstance(logging.getLogRecordFactory(), _CleanRecords):
            logging.setLogRecordFactory(_CleanRecords(logging.getLogRecordFactory()))
        if not isinstance(sys.excepthook, _CleanTracebacks):
            sys.excepthook = _CleanTracebacks(sys.excepthook)
        if not isinstance(threading.excepthook, _CleanEnds):
            threading.excepthook = _CleanEnds(threading.excepthook)
        if not isinstance(sys.unraisablehook, _CleanEnds):
            sys.unraisablehook = _CleanEnds(sys.unraisablehook)
        if not isinstance(warnings.formatwarning, _CleanWarnings):
            warnings.formatwarning = _CleanWarnings(warnings.formatwarning)


def register_proxy(address: str) -> None:
    """Remember what a proxy's address holds before its host as a secret: password, or lone user."""
    rest = address.partition("://")[2] or address
    user, _, password = rest.rpartition("@")[0].partition(":")
    register(unquote(password or user))


def is_installed() -> bool:
    """Whether log records of this process are made without secrets."""
    return isinstance(logging.getLogRecordFactory(), _CleanRecords)


class _CleanRecords:
    """A factory of log records without secrets: in the message, its arguments, the traceback."""

    def __init__(self, make: Any) -> None:
        self._make = make

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record: logging.LogRecord = self._make(*args, **kwargs)
        _clean_message(record)
        if record.exc_info and record.exc_info[1] is not None:
            error = scrub(record.exc_info[1])
            record.exc_info = (type(error), error, record.exc_info[2])
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        return record


def _clean_message(record: logging.LogRecord) -> None:
    try:
        message = record.getMessage()
    except Exception:  # noqa: BLE001 - arguments that do not fit, which logging would print raw
        record.msg, record.args = redact(f"{record.msg} {record.args!r}"), ()
        return
    clean = redact(message)
    if clean == message:
        return
    # Arguments keep their number where that is enough: some formatters count on it.
    record.msg, record.args = redact(str(record.msg)), redacted(record.args)
    if redact(record.getMessage()) != record.getMessage():
        record.msg, record.args = clean, ()


class _CleanTracebacks:
    """`sys.excepthook`: the one there was, told of errors without secrets."""

    def __init__(self, show: Any) -> None:
        self._show = show

    def __call__(
        self, _kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        clean = scrub(error)
        self._show(type(clean), clean, trace)


class _CleanEnds:
    """`threading.excepthook` and `sys.unraisablehook`, whose one argument holds the error."""

    def __init__(self, show: Any) -> None:
        self._show = show

    def __call__(self, args: Any) -> None:
        clean = None if args.exc_value is None else scrub(args.exc_value)
        if clean is args.exc_value:
            self._show(args)
        else:  # arguments of this kind cannot be made anew
            traceback.print_exception(clean)


class _CleanWarnings:
    """`warnings.formatwarning`: what is written of a warning, the code's line included."""

    def __init__(self, write: Any) -> None:
        self._write = write

    def __call__(self, *args: Any, **kwargs: Any) -> str:
        return redact(self._write(*args, **kwargs))
