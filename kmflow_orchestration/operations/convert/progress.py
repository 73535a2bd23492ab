"""How far a conversion is: one callback for terminals, logs and notebooks (row D17)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from kmflow_orchestration.converters.reading_steps import ReadingStep

Tell = Callable[[str, int, int, str, str], None]
"""Hears (stage, done, total, unit, message)."""

STEPS = "steps"
"""Unit of what is told of a database besides rows: few, and each worth a line of its own."""

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


_TOLD_FIRST = (ReadingStep.ANALYSE, ReadingStep.LIST, ReadingStep.COUNT, ReadingStep.SUMMARY)


class Heard:
    """A callback of somebody's making: one that raises is logged once and heard no more."""

    def __init__(self, callback: Callable[..., object] | None) -> None:
        self._callback = callback

    def __call__(self, *told: Any) -> None:
        if self._callback is None:
            return
        try:
            self._callback(*told)
        # A display must not end a conversion.
        except Exception:  # noqa: BLE001
            _log.warning("the progress display failed and is left out", exc_info=True)
            self._callback = None


class Progress:
    """Tells a callback, never going back; see Heard."""

    def __init__(self, tell: Tell | None = None) -> None:
        self._tell = Heard(tell)
        self._reached = -1.0
        self._step: ReadingStep | None = None

    def at(self, stage: str, done: int, total: int, unit: str = "", message: str = "") -> None:
        """Report; what lies behind what was told before is left out."""
        reached = percent(stage, done, total)
        if reached < self._reached:
            return
        self._reached = reached
        self._tell(stage, done, total, unit, message)

    def step(self, step: ReadingStep, done: int, total: int, message: str) -> None:
        """Of a database: see HearStep."""
        words = f"{step}: {message}"
        if step in _TOLD_FIRST:
            self.at("detect", _TOLD_FIRST.index(step) + 1, len(_TOLD_FIRST), STEPS, words)
            return
        stage = "write" if step is ReadingStep.EXTRACTION else "read"
        self.at(stage, done, total, STEPS if step is not self._step else "rows", words)
        self._step = step
