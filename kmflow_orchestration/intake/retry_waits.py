"""How long what failed waits before it is tried again (design AD5)."""

from __future__ import annotations

from datetime import timedelta

# Next tick, then 1, 4, 15, 60 minutes.
_WAITS = tuple(timedelta(minutes=minutes) for minutes in (0, 1, 4, 15, 60))


def wait_after(failures: int) -> timedelta:
    """The wait after so many failures in a row, of which there is at least one."""
    return _WAITS[min(failures, len(_WAITS)) - 1]
