"""A migration in a process of its own, which is killed at a step of its work."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from kmflow_orchestration.clock import SystemClock
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.databricks_client.connect import ClientCache
from kmflow_orchestration_tests.operations.migration.world import Parts

# Forked from a server that has imported everything and runs no threads.
PROCESSES = get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__, "databricks.sdk"])
_LONGEST_S = 60
# What changes something, or asks what was changed.
STEPS = frozenset({"write_from", "confirm", "merge", "move", "query"})


@dataclass(frozen=True)
class Home:
    """What a child needs to be told."""

    config: GroupConfig
    environment: Mapping[str, str]
    database_url: str


class Killing:
    """A real part that counts the beginning and the end of each step, and kills its process."""

    def __init__(self, part: Any, count: Callable[[], None]) -> None:
        self._part = part
        self._count = count

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._part, name)
        if name not in STEPS:
            return found

        def counted(*args: Any, **options: Any) -> Any:
            self._count()
            result = found(*args, **options)
            self._count()
            return result

        return counted


def steps_of(home: Home, source: Path) -> int:
    """How many beginnings and ends an undisturbed run has; the run is made."""
    receiving, sending = PROCESSES.Pipe(duplex=False)
    _done(PROCESSES.Process(target=_run, args=(home, source, 0, sending)), expected={0})
    return int(receiving.recv())


def killed_at(home: Home, source: Path, step: int) -> None:
    """Begin a migration, or go on with it, and kill it at that step."""
    child = PROCESSES.Process(target=_run, args=(home, source, step, None))
    _done(child, expected={-signal.SIGKILL})


def _done(child: Any, *, expected: set[int]) -> None:
    child.start()
    child.join(_LONGEST_S)
    if child.exitcode is None:
        child.kill()
        child.join(_LONGEST_S)
    assert child.exitcode in expected


def _run(home: Home, source: Path, step: int, answer: Any) -> None:
    count = 0

    def counted() -> None:
        nonlocal count
        count += 1
        if count == step:
            os.kill(os.getpid(), signal.SIGKILL)

    clock = SystemClock()
    clients = ClientCache(clock, environment=home.environment)
    parts = Parts(home.config, clients, home.database_url, clock, source.parent / "home")
    parts.migrate(
        source,
        store=Killing(parts.store, counted),
        lakehouse=Killing(parts.lakehouse, counted),
        moved=Killing(parts.moved, counted),
        resume=True,
        workers=2,
    )
    if answer is not None:
        answer.send(count)
