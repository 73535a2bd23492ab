"""Faults as data: what shall go wrong, where, how often. A test or a person adds them.

| name                | what happens to a matching request                                    |
|---------------------|-----------------------------------------------------------------------|
| `fail_times`        | answered with `status` and `error_code`, nothing is done               |
| `rate_limit`        | 429 RESOURCE_EXHAUSTED with `Retry-After: retry_after_s`               |
| `unavailable`       | 503 TEMPORARILY_UNAVAILABLE with the same header, nothing is done      |
| `delay`             | served after `seconds` of real time                                   |
| `execute_then_drop` | the work is done, the connection closes without an answer             |
| `cut_body`          | after `keep_bytes` of the request's (PUT, POST) or answer's (GET) body |
|                     | the connection closes                                                 |
| `take_less`         | only `keep_bytes` of the request's body are taken, and it is answered |
| `cold_warehouse`    | starting a warehouse takes `seconds`; matches no request              |
| `run_ends`          | the next job run ends as `run_end` says, without being executed;      |
|                     | matches no request                                                    |
"""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Literal

FaultName = Literal[
    "fail_times",
    "rate_limit",
    "unavailable",
    "delay",
    "execute_then_drop",
    "cut_body",
    "take_less",
    "cold_warehouse",
    "run_ends",
]
NAMES: tuple[FaultName, ...] = (
    "fail_times",
    "rate_limit",
    "unavailable",
    "delay",
    "execute_then_drop",
    "cut_body",
    "take_less",
    "cold_warehouse",
    "run_ends",
)
_OFF_THE_WIRE = {"cold_warehouse", "run_ends"}


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a scripted job run ends; the words are those of the Jobs API."""

    life_cycle_state: str = "TERMINATED"
    result_state: str | None = "FAILED"
    termination_code: str = "RUN_EXECUTION_ERROR"
    termination_type: str = "CLIENT_ERROR"
    message: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong `times` times, after `after` matching requests went well."""

    name: FaultName
    method: str = "*"
    path: str = "*"
    principal: str | None = None
    times: int = 1
    after: int = 0
    status: int = 503
    error_code: str = "TEMPORARILY_UNAVAILABLE"
    message: str = "Injected fault"
    seconds: float = 0.0
    retry_after_s: int = 1
    keep_bytes: int = 0
    run_end: RunEnd = field(default_factory=RunEnd)

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise ValueError(f"no fault {self.name!r}: one of {', '.join(NAMES)}")

    def concerns(self, method: str, path: str, principal: str) -> bool:
        """Whether a request is one of those this fault waits for."""
        return (
            self.name not in _OFF_THE_WIRE
            and self.method in {"*", method}
            and self.principal in {None, principal}
            and fnmatchcase(path, self.path)
        )


class Faults:
    """The faults of one server, in the order they were added; the first that fits is used up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._faults: dict[int, Fault] = {}

    def add(self, fault: Fault) -> int:
        """Arm a fault; the id it can be removed by."""
        with self._lock:
            fault_id = next(self._ids)
            self._faults[fault_id] = fault
        return fault_id

    def remove(self, fault_id: int) -> None:
        """Disarm one; unknown ids are no error."""
        with self._lock:
            self._faults.pop(fault_id, None)

    def clear(self) -> None:
        """Disarm all."""
        with self._lock:
            self._faults.clear()

    def pending(self) -> dict[int, Fault]:
        """Faults that are not used up, by id."""
        with self._lock:
            return dict(self._faults)

    def take(self, method: str, path: str, principal: str) -> Fault | None:
        """The fault this request meets, used up by one; None when it goes well."""
        if not self._faults:
            return None
        with self._lock:
            for fault_id, fault in list(self._faults.items()):
                if fault.concerns(method, path, principal) and self._met(fault_id, fault):
                    return fault
        return None

    def take_run_end(self, principal: str) -> RunEnd | None:
        """How the next job run of this principal shall end, when that is scripted."""
        with self._lock:
            for fault_id, fault in list(self._faults.items()):
                concerned = fault.name == "run_ends" and fault.principal in {None, principal}
                if concerned and self._met(fault_id, fault):
                    return fault.run_end
        return None

    def cold_start_s(self) -> float:
        """Seconds a warehouse needs to start, 0 when none is cold; uses the fault up by one."""
        with self._lock:
            for fault_id, fault in list(self._faults.items()):
                if fault.name == "cold_warehouse" and self._met(fault_id, fault):
                    return fault.seconds
        return 0.0

    def _met(self, fault_id: int, fault: Fault) -> bool:
        """Count a match: still within `after`, or one of the `times`."""
        if fault.after > 0:
            self._faults[fault_id] = replace(fault, after=fault.after - 1)
            return False
        if fault.times <= 1:
            del self._faults[fault_id]
        else:
            self._faults[fault_id] = replace(fault, times=fault.times - 1)
        return True
