"""What a look at folders changes in the ledger: pure, and without a lookup per file (design AD7).

A file counts as changed when its size, modification time or inode differ from the last look: not
when it is newer than some clock. So an old modification time, a clock set back, or new content
under an old name are all seen. Where a clock's word must be taken, for the quiet period, it is not
believed right after a jump, nor where it says that something was seen in the future.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from kmflow_orchestration.clock import FIRST_DAY, utc_day
from kmflow_orchestration.metadata.intake_records import (
    Changes,
    FileChange,
    FolderLook,
    FolderState,
    KnownFile,
    Observation,
    Seen,
    State,
)

# In these states the former arrival is over: what comes now is a new one.
_OVER = frozenset({State.STORED, State.QUARANTINED, State.FAILED})
_NOT_STORED = frozenset({State.PENDING, State.FAILED})
_SETTLED = _OVER - _NOT_STORED
JUMPED = "the clock was changed: the quiet period begins anew"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Changes to write, the counts of the look, and folders whose files are all done with.

    A later look at a settled folder that finds the same files finds nothing to do.
    """

    changes: Changes
    observation: Observation
    settled: frozenset[str] = frozenset()

    def folder_news(
        self, looks: Iterable[FolderLook], known: Mapping[str, FolderState]
    ) -> dict[str, FolderState | None]:
        """Folders whose remembered look changes; None for one that is gone."""
        news: dict[str, FolderState | None] = {}
        for look in looks:
            if look.is_gone:
                if look.folder in known:
                    news[look.folder] = None
                continue
            seen = FolderState(
                look.mtime_ns, look.fingerprint if look.folder in self.settled else 0
            )
            if known.get(look.folder) != seen:
                news[look.folder] = seen
        return news


def compare(
    looks: Iterable[FolderLook],
    known: Mapping[str, KnownFile],
    *,
    now: datetime,
    quiet_period_s: float,
    jumped_at: datetime | None = None,
) -> Comparison:
    """Compare looks at folders with all that is known of files directly in them.

    For a quiet period after `jumped_at`, when the clock jumped, only looks since then count.
    """
    working = _Comparing(known, now, quiet_period_s, jumped_at)
    for look in looks:
        working.look_at(look)
    return working.result()


class _Comparing:
    """Counts and changes of one comparison, while it runs."""

    def __init__(
        self,
        known: Mapping[str, KnownFile],
        now: datetime,
        quiet_period_s: float,
        jumped_at: datetime | None,
    ) -> None:
        self._known = known
        self._now = now
        self._quiet = timedelta(seconds=quiet_period_s)
        self._quiet_before_ns = _nanoseconds(now - self._quiet)
        is_wary = jumped_at is not None and jumped_at <= now < jumped_at + self._quiet
        self._wary_since = jumped_at if is_wary else None
        self._today = utc_day(now)
        self._seen: set[str] = set()
        self._settled: set[str] = set()
        self._skipped = 0
        self._files: list[FileChange] = []
        self._ripe: list[str] = []
        self._counts = dict.fromkeys(("waiting", "pending", "unchanged", "quarantined"), 0)

    def look_at(self, look: FolderLook) -> None:
        self._skipped += look.unchanged
        are_settled = [self._take(seen) for seen in look.files]
        if all(are_settled):
            self._settled.add(look.folder)

    def _take(self, seen: Seen) -> bool:
        """Whether nothing more comes of the file as long as it stays as it is."""
        if seen.path in self._seen:
            # Two names that are no UTF-8 can look alike once they are made text: one speaks for
            # both, for neither may enter.
            return False
        self._seen.add(seen.path)
        known = self._known.get(seen.path)
        if known is None:
            self._enter(seen, None)
        elif known.state is State.CLAIMED:
            # A run owns it and checks itself that it has not changed; the next look sees the rest.
            self._counts["unchanged"] += 1
        elif known.signature != seen.signature:
            self._enter(seen, known)
        else:
            self._stay(seen, known)
            return known.state in _SETTLED and not seen.problem
        return False

    def _enter(self, seen: Seen, known: KnownFile | None) -> None:
        if seen.problem:
            state = State.QUARANTINED
        elif self._may_grow(seen):
            state = State.WAITING
        else:
            state = State.PENDING
        goes_on = known is not None and known.state not in _OVER
        first = min(known.first_seen_at, self._now) if known and goes_on else self._now
        self._files.append(FileChange(seen, state, first, known is None))
        self._counts[state] += 1

    def _may_grow(self, seen: Seen) -> bool:
        is_wary = self._wary_since is not None
        return bool(self._quiet) and (is_wary or seen.mtime_ns > self._quiet_before_ns)

    def _stay(self, seen: Seen, known: KnownFile) -> None:
        if self._is_dated_wrong(known):
            # As if it came now: its day is none that any run will ever ask for.
            again = replace(known, state=State.FAILED)
            self._enter(replace(seen, message=JUMPED), again)
        elif known.state is State.WAITING and self._was_seen_at_another_time(known):
            self._enter(replace(seen, message=JUMPED), known)
        elif known.state is not State.WAITING:
            self._counts["pending" if known.state is State.PENDING else "unchanged"] += 1
        elif self._is_quiet(known):
            self._ripe.append(known.path)
            self._counts["pending"] += 1
        else:
            self._counts["waiting"] += 1

    def _is_quiet(self, known: KnownFile) -> bool:
        # A modification time in the future says nothing: then only our own two looks count.
        _, mtime_ns, _, _ = known.signature
        is_old = mtime_ns <= self._quiet_before_ns and self._wary_since is None
        return is_old or self._now - known.changed_at >= self._quiet

    def _was_seen_at_another_time(self, known: KnownFile) -> bool:
        """Whether the last change was seen before the clock jumped, or after it was set back."""
        before = self._wary_since is not None and known.changed_at < self._wary_since
        return before or known.changed_at > self._now

    def _is_dated_wrong(self, known: KnownFile) -> bool:
        """Whether a file that is not stored yet was first seen by a clock that was not set."""
        if known.state not in _NOT_STORED:
            return False
        day = utc_day(known.first_seen_at)
        return day > self._today or day < FIRST_DAY <= self._today

    def result(self) -> Comparison:
        gone = tuple(
            known.path
            for known in self._known.values()
            if known.path not in self._seen and _is_forgotten(known)
        )
        changes = Changes(tuple(self._files), tuple(self._ripe), gone)
        counts = {**self._counts, "unchanged": self._counts["unchanged"] + self._skipped}
        observation = Observation(seen=len(self._seen) + self._skipped, **counts)
        return Comparison(changes, observation, frozenset(self._settled))


def _is_forgotten(known: KnownFile) -> bool:
    # A file that never was complete, or a folder (its path ends so) that can be read by now.
    return known.state is State.WAITING or known.path.endswith("/")


def _nanoseconds(moment: datetime) -> int:
    since = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000
