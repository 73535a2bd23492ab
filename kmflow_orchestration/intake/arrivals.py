"""One look at a group's landing place, as a sensor takes it every tick (design AD7, row G5).

A full sweep stats every file and goes in slices of a bounded time, from one tick to the next; in
between, a quick look stats only folders and lists those that changed. Adding, removing and renaming
change a folder; rewriting a file in place does not, and waits for the next sweep. A small landing
place is swept whole at every tick.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.intake import landing
from kmflow_orchestration.intake.landing_places import LandingPlace, place_of
from kmflow_orchestration.intake.ledger import Ledger
from kmflow_orchestration.metadata.intake_records import FolderLook, Observation
from kmflow_orchestration.names import GroupId

SLICE_S = 2.0
# A quick look takes this long at the most, in seconds: a tick must not block, whatever was dropped.
QUICK_S = 5.0
# Sweeping may take this share of the time, and a sweep is due at least this often.
_REST_FACTOR = 20
_LONGEST_REST_S = 600.0
# Looks are taken in by the ledger in portions of about this many files.
_PORTION = 5_000
_CURSOR_VERSION = 1
# The clock's way of keeping time moves it less than this between two ticks.
_JUMP_S = 2.0
_LONGEST_CURSOR = 16_384


@dataclass(frozen=True, slots=True)
class SweepCursor:
    """Where a sweep stands: behind folder `after`, or at rest until `due_at` (seconds since 1970).

    `spent_s` is the time in seconds the present sweep has taken so far. `ahead_s` is by how much
    the clock is ahead of one that nobody sets; it last jumped at `jumped_at` (since 1970).
    """

    after: str | None = None
    spent_s: float = 0.0
    due_at: float = 0.0
    ahead_s: float | None = None
    jumped_at: float | None = None

    @classmethod
    def parse(cls, text: str | None) -> SweepCursor:
        """A cursor from its text; anything else, such as another version's, starts anew."""
        if not text or len(text) > _LONGEST_CURSOR:
            return cls()
        try:
            found = json.loads(text)
            if found["v"] != _CURSOR_VERSION or not isinstance(found["after"], str | None):
                return cls()
            return cls(
                found["after"],
                float(found["spent_s"]),
                float(found["due_at"]),
                _number(found.get("ahead_s")),
                _number(found.get("jumped_at")),
            )
        except (ValueError, KeyError, TypeError, RecursionError):
            return cls()

    @property
    def text(self) -> str:
        return json.dumps({"v": _CURSOR_VERSION, **asdict(self)})

    def at(self, clock: Clock) -> SweepCursor:
        """The same, with what the clock did since the last tick."""
        now = clock.now().timestamp()
        ahead_s = now - clock.monotonic()
        # A restart of the machine looks like a jump too: then files only wait a little longer.
        has_jumped = self.ahead_s is not None and abs(ahead_s - self.ahead_s) > _JUMP_S
        return replace(self, ahead_s=ahead_s, jumped_at=now if has_jumped else self.jumped_at)


def _number(value: object) -> float | None:
    return None if value is None else float(value)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Look:
    """Counts of one look and the cursor for the next."""

    observation: Observation
    cursor: str


def look(
    group: GroupId,
    root: Path | LandingPlace,
    cursor: str | None = None,
    *,
    ledger: Ledger,
    clock: Clock,
    slice_s: float = SLICE_S,
) -> Look:
    """Look at a group's landing place once and take in what is new.

    `slice_s` bounds the sweep's part of this tick, in seconds; at least one folder is looked at.

    Raises:
        StorageUnavailable: the landing place cannot be read.
    """
    place = _Place(group, place_of(root), ledger, clock)
    position = SweepCursor.parse(cursor).at(clock)
    if position.jumped_at is not None:
        place = replace(place, jumped_at=datetime.fromtimestamp(position.jumped_at, UTC))
    now = clock.now().timestamp()
    if position.after is None and now < position.due_at <= now + _LONGEST_REST_S:
        return Look(place.quick(), position.text)
    observation, after = place.sweep(position, slice_s)
    return Look(observation, after.text)


def sweep_all(
    group: GroupId, root: Path | LandingPlace, *, ledger: Ledger, clock: Clock
) -> Observation:
    """Look at everything at once, however long it takes. Raises StorageUnavailable."""
    observation, _ = _Place(group, place_of(root), ledger, clock).sweep(SweepCursor(), float("inf"))
    return observation


@dataclass(slots=True)
class _Taking:
    """Looks on their way into the ledger, in portions; mutable while they come."""

    place: _Place
    seen: set[str] = field(default_factory=set)
    _portion: list[FolderLook] = field(default_factory=list)
    _files: int = 0
    _observation: Observation = field(default_factory=Observation)

    def take(self, look: FolderLook) -> None:
        self.seen.add(look.folder)
        self._portion.append(look)
        self._files += 1 + len(look.files)
        if self._files >= _PORTION:
            self._observe()

    def result(self) -> Observation:
        """Counts of all looks, the last of which are taken in now."""
        self._observe()
        return self._observation

    def _observe(self) -> None:
        if self._portion:
            self._observation += self.place.ledger.observe(
                self.place.group, self._portion, jumped_at=self.place.jumped_at
            )
        self._portion, self._files = [], 0


@dataclass(frozen=True, slots=True)
class _Place:
    """A group's landing place."""

    group: GroupId
    root: LandingPlace
    ledger: Ledger
    clock: Clock
    jumped_at: datetime | None = None

    def sweep(self, position: SweepCursor, slice_s: float) -> tuple[Observation, SweepCursor]:
        begun = self.clock.monotonic()
        taking = _Taking(self)
        known = self.ledger.fingerprints(self.group)
        for folder in landing.walk(self.root.lister(self._now_ns(), known), position.after):
            taking.take(folder)
            spent = self.clock.monotonic() - begun
            if spent >= slice_s:
                # While a long sweep is under way, what was added elsewhere still comes in at once.
                observation = taking.result() + self.quick()
                spent += position.spent_s
                return observation, replace(position, after=folder.folder, spent_s=spent)
        for gone in self._gone():
            taking.take(gone)
        observation = taking.result()
        spent = position.spent_s + self.clock.monotonic() - begun
        rest = min(spent * _REST_FACTOR, _LONGEST_REST_S)
        due_at = self.clock.now().timestamp() + rest
        return observation, replace(position, after=None, spent_s=0.0, due_at=due_at)

    def quick(self) -> Observation:
        """Folders that changed, and what is new below them, as far as a few seconds reach.

        A changed folder that is not reached still differs at the next tick; one whose new folders
        are not all reached is marked for another look.
        """
        known = self.ledger.folders(self.group)
        names = frozenset(known)
        give_up_at = self.clock.monotonic() + QUICK_S
        taking = _Taking(self)
        for folder in sorted({"", *known}):
            found = self.root.folder_mtime_ns(folder)
            if folder in taking.seen or (found is not None and found == known.get(folder)):
                continue
            below = landing.Descent(self.root.lister(self._now_ns()), folder, known=names)
            for look in below:
                taking.take(look)
                if self.clock.monotonic() >= give_up_at:
                    observation = taking.result()
                    self.ledger.look_again(self.group, below.unfinished)
                    return observation
        return taking.result()

    def _gone(self) -> Iterator[FolderLook]:
        for folder, known_ns in self.ledger.folders(self.group).items():
            if self.root.is_gone(folder, known_ns):
                yield FolderLook(folder, 0, (), is_gone=True)

    def _now_ns(self) -> int:
        return int(self.clock.now().timestamp()) * 1_000_000_000


__all__ = ["Look", "SweepCursor", "look", "sweep_all"]
