"""The only source of time: UTC, monotonic and sleep behind one interface."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from typing import Protocol


class Clock(Protocol):
    """Where every operation takes its time from; tests pass one that moves when told."""

    def now(self) -> datetime:
        """Current time, always with UTC as its zone."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go backwards, for deadlines."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait that many seconds."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


# Nothing was received before: who has an earlier day has a clock that was not set.
FIRST_DAY = date(2026, 1, 1)


def utc_day(moment: datetime) -> date:
    """The UTC day of a moment, the `received_on` of what happened then."""
    return moment.astimezone(UTC).date()


def iso(moment: datetime) -> str:
    """ISO-8601 in UTC with microseconds, the one text form of time in our tables."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
