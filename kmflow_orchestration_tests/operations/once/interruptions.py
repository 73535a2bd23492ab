"""What may come between a run and its end: its death, a fault, or something done by others."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError

from kmflow_orchestration.errors import MetadataUnavailable, StorageUnavailable

Kind = Literal["none", "stop", "die", "die at commit", "fault", "meanwhile"]
KINDS: tuple[Kind, ...] = ("stop", "die", "die at commit", "fault")


class Stopped(BaseException):
    """The run ends here, as by a signal."""


@dataclass(slots=True)
class Interruption:
    """Happens at the n-th moment of a run: before or after one of its changes.

    `stop` unwinds the run, which gives up its claim. `die` leaves everything as it is: not a byte
    reaches the control database any more. `die at commit` does so instead of the n-th commit.
    `fault` fails the change: before it, nothing was done; after it, the answer is lost. With
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
        return bool(self.happened_to)

    def hear(self, change: str, has_happened: bool) -> None:
        """A run's change is about to be made, or was."""
        moment = f"{'after' if has_happened else 'before'} {change}"
        if self.kind in {"none", "die at commit"} or not self._is_now(moment):
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
