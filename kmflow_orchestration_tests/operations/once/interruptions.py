"""What may come between a run and its end: its death, a fault, or something done by others."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError

from kmflow_orchestration.errors import MetadataUnavailable, StorageUnavailable
from kmflow_orchestration.storage.interfaces import EvidenceFile, StorageMetadata
from kmflow_orchestration_tests.operations.kills.watching import Watch

Kind = Literal["none", "stop", "die", "die at commit", "fault", "loss", "wire", "meanwhile"]
KINDS: tuple[Kind, ...] = ("stop", "die", "die at commit", "fault", "loss")


class Stopped(BaseException):
    """The run ends here, as by a signal."""


@dataclass(slots=True)
class Interruption:
    """Happens at the n-th moment of a run: before or after one of its changes.

    `stop` unwinds the run, which gives up its claim. `die` leaves everything as it is: not a byte
    reaches the control database any more. `die at commit` does so instead of the n-th commit.
    `fault` fails the change: before it, nothing was done; after it, the answer is lost. `loss`
    has the n-th file that is sent not be there, although the store said that it was. `wire` is up
    to the workspace: whatever fails, fails by its faults. With
    `meanwhile` the change goes on when that is done. Mutable: it happens once.
    """

    kind: Kind = "none"
    at: int = 1
    meanwhile: Callable[[], None] = lambda: None
    happened_to: str = ""
    _left: int = field(init=False)
    _is_dead: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._left = self.at

    @property
    def has_happened(self) -> bool:
        return bool(self.happened_to) or self.kind == "wire"

    def hear(self, change: str, has_happened: bool) -> None:
        """A run's change is about to be made, or was."""
        moment = f"{'after' if has_happened else 'before'} {change}"
        if self.kind in {"none", "loss", "wire", "die at commit"} or not self._is_now(moment):
            return
        if self.kind == "meanwhile":
            self.meanwhile()
        elif self.kind == "fault":
            where = change.partition(".")[0]
            away = StorageUnavailable if where in {"store", "lakehouse"} else MetadataUnavailable
            raise away(f"no answer {moment}")
        else:
            self._is_dead = self.kind == "die"
            raise Stopped(moment)

    def _is_now(self, moment: str) -> bool:
        with self._lock:
            self._left -= 1
            if self._left == 0:
                self.happened_to = moment
            return self._left == 0

    def loses_this_file(self) -> bool:
        """Whether a file that was just stored shall not be there."""
        return self.kind == "loss" and self._is_now("after store.write_from, lost")

    @contextmanager
    def over(self, engine: Engine) -> Iterator[None]:
        """Ends the run's way to the control database once it is dead."""
        event.listen(engine, "before_cursor_execute", self._before_statement)
        event.listen(engine, "commit", self._before_commit)
        try:
            yield
        finally:
            event.remove(engine, "before_cursor_execute", self._before_statement)
            event.remove(engine, "commit", self._before_commit)

    def _before_statement(self, *_: object) -> None:
        if self._is_dead:
            gone = sqlite3.OperationalError("unable to open database file")
            raise OperationalError("the run is dead", None, gone)

    def _before_commit(self, _: object) -> None:
        if self.kind == "die at commit" and self._is_now("before a commit"):
            self._is_dead = True
            raise Stopped("before a commit")


class Forgetful:
    """A store that once says it has stored a file, and has not."""

    def __init__(self, real: Any, interruption: Interruption) -> None:
        self._real = real
        self._interruption = interruption

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def write_from(self, file: EvidenceFile) -> StorageMetadata:
        was_there = self._real.exists(self._real.path_of(file))
        stored: StorageMetadata = self._real.write_from(file)
        if not was_there and self._interruption.loses_this_file():
            self._real.delete(stored.path)
        return stored


@dataclass(frozen=True, slots=True)
class Interrupting(Watch):
    """Hears of every change, and puts what may be lost between a run and its store."""

    interruption: Interruption = field(default_factory=Interruption)

    def over(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        given = dict(arguments)
        if "store" in given:
            given["store"] = Forgetful(given["store"], self.interruption)
        return Watch(self.hear).over(given)
