"""Hearing of every change a run makes, and killing the run's own process at one of them.

Operations take their collaborators as parameters, so nothing is patched: what they are given is
the real thing, with somebody listening.
"""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NoReturn

from kmflow_orchestration.storage.evidence_stores import EvidenceStores

Hear = Callable[[str, bool], None]
"""Hears the name of a change, and whether it has happened or is about to."""

# Whatever of a collaborator leaves something behind; all else only reads.
CHANGES = {
    "ledger": ("finish_step", "mark_all_converted", "observe", "publish", "quarantine_item"),
    "store": ("write_from", "delete"),
    "register": ("finish_deletion",),
    "lakehouse": ("ensure_table", "merge", "rebuild", "replace"),
    "registry": ("record", "remove", "table_name"),
    "corrections": ("finish",),
    "table_groups": ("ensure_default", "table_changed"),
}


def nobody(change: str, has_happened: bool) -> None:
    """Hears nothing of interest."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Puts itself between an operation and its collaborators."""

    hear: Hear = nobody

    def over(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The same arguments, their collaborators watched."""
        return {name: self._watched(name, value) for name, value in arguments.items()}

    def _watched(self, name: str, value: Any) -> Any:
        if name == "stores":
            opening = partial(self._watched_store, value)
            return EvidenceStores(
                value.active_name, opening, copy_of=lambda _, place: value.copy_here(*place)
            )
        return Watched(value, name, self.hear) if name in CHANGES else value

    def _watched_store(self, stores: EvidenceStores, backend: str) -> Any:
        return self._watched("store", stores.of(backend))


UNWATCHED = Watch()


class Watched:
    """A collaborator whose changes are heard of, before and after each."""

    def __init__(self, real: Any, name: str, hear: Hear) -> None:
        self._real = real
        self._name = name
        self._hear = hear

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        if name not in CHANGES[self._name]:
            return real

        def changing(*args: Any, **kwargs: Any) -> Any:
            self._hear(f"{self._name}.{name}", False)
            result = real(*args, **kwargs)
            self._hear(f"{self._name}.{name}", True)
            return result

        return changing


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """A moment to kill a run at: before its first change, or after the n-th of a name."""

    change: str
    number: int = 0

    def __str__(self) -> str:
        return f"after {self.change} {self.number}" if self.number else f"before {self.change}"


@dataclass(slots=True)
class Recorder:
    """Changes of a run, by name and in order."""

    changes: list[str] = field(default_factory=list)

    def __call__(self, change: str, has_happened: bool) -> None:
        if has_happened:
            self.changes.append(change)

    def moments(self) -> list[Moment]:
        """After the first change of each name, before the ledger's, and after the last rows.

        Before a change is after the one before it: in between a run only reads.
        """
        places = self._places_before_ledger()
        places |= {self.changes.index(name) + 1 for name in set(self.changes)}
        rows = [place for place, name in enumerate(self.changes, 1) if name == "lakehouse.replace"]
        return self._at(places | set(rows[-1:]))

    def moments_before_ledger(self) -> list[Moment]:
        """When rows are written, and the ledger does not know it yet."""
        return self._at(self._places_before_ledger())

    def _places_before_ledger(self) -> set[int]:
        names = {change for change in self.changes if change.startswith("ledger")}
        return {self.changes.index(name) for name in names}

    def _at(self, places: set[int]) -> list[Moment]:
        return [self._moment(place) for place in sorted(places)]

    def _moment(self, place: int) -> Moment:
        """After so many changes."""
        if place == 0:
            return Moment(self.changes[0])
        change = self.changes[place - 1]
        return Moment(change, self.changes[:place].count(change))


class KillAt:
    """Kills this process at a moment."""

    def __init__(self, moment: Moment) -> None:
        self._moment = moment
        self._made = 0

    def __call__(self, change: str, has_happened: bool) -> None:
        if self._moment.number == 0:
            kill_self()
        # Changes of one name are never made side by side.
        self._made += has_happened and change == self._moment.change
        if self._made == self._moment.number:
            kill_self()


@dataclass(slots=True)
class KillWithin:
    """Kills this process some time after its n-th change began: often in the midst of it."""

    number: int
    delay_s: float

    def __call__(self, change: str, has_happened: bool) -> None:
        if has_happened:
            return
        self.number -= 1
        if self.number == 0:
            threading.Timer(self.delay_s, kill_self).start()


def random_kill(dice: random.Random, changes: int) -> KillWithin:
    """At any of so many changes, and at any moment of one: most take less than 30 ms."""
    return KillWithin(dice.randint(1, changes), dice.uniform(0.0, 0.03))


def kill_self() -> NoReturn:
    """As somebody's `kill -9` would."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")
