"""How far a conversion is: one callback for terminals, logs and notebooks (row D17)."""

from __future__ import annotations

import logging
from collections.abc import Callable

Tell = Callable[[str, int, int, str, str], None]
"""Hears (stage, done, total, unit, message)."""

STAGES = ("download", "detect", "read", "convert", "write", "verify", "upload", "clean")
# Where a stage begins and ends on the way from 0 to 100: reading for types and writing take it all.
_SPAN = {
    "download": (0, 2),
    "detect": (0, 2),
    "read": (2, 45),
    "convert": (45, 50),
    "write": (50, 95),
    "verify": (95, 97),
    "upload": (97, 99),
    "clean": (99, 100),
}
_log = logging.getLogger(__name__)


def percent(stage: str, done: int, total: int) -> float:
    """How much of the whole is done, from 0 to 100, when a stage is at `done` of `total`."""
    begin, end = _SPAN[stage]
    share = min(done / total, 1.0) if total > 0 else 0.0
    return begin + (end - begin) * share


class Progress:
    """Tells a callback, never going back; one that raises is logged once and heard no more."""

    def __init__(self, tell: Tell | None = None) -> None:
        self._tell = tell
        self._reached = -1.0

    def at(self, stage: str, done: int, total: int, unit: str = "", message: str = "") -> None:
        """Report; what lies behind what was told before is left out."""
        reached = percent(stage, done, total)
        if self._tell is None or reached < self._reached:
            return
        self._reached = reached
        try:
            self._tell(stage, done, total, unit, message)
        # A display of somebody's making must not end a conversion.
        except Exception:  # noqa: BLE001
            _log.warning("the progress display failed and is left out", exc_info=True)
            self._tell = None
