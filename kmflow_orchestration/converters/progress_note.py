"""How far one file is, noted beside it by the process that converts it (row D17).

A file, and no pipe: a process that is killed while it writes must stop nobody else.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from kmflow_orchestration.converters.reading_steps import ReadingStep

_NOTE_EVERY_S = 1.0


@dataclass(slots=True)
class ProgressNote:
    """One sentence, the newest; read by another process than writes it."""

    path: Path
    _noted_at: float = field(default=float("-inf"), init=False)

    @classmethod
    def begun(cls, path: Path) -> Self:
        """One without what a crash left there. Raises OSError."""
        path.unlink(missing_ok=True)
        return cls(path)

    def write(self, step: ReadingStep, done: int, total: int, what: str) -> None:
        """See HearStep; not more often than once a second, and a disk that is full is no matter."""
        now = time.monotonic()
        if now - self._noted_at < _NOTE_EVERY_S:
            return
        self._noted_at = now
        counted = f"{done:,} of {total:,} rows" if total else ""
        words = f"{step}: {', '.join(filter(None, (what, counted)))}"
        fresh = self.path.with_name(f"{self.path.name}.new")
        with suppress(OSError):
            fresh.write_text(words, encoding="utf-8")
            fresh.replace(self.path)

    def read(self) -> str:
        """What was noted last; '' before anything was."""
        try:
            return self.path.read_text(encoding="utf-8")
        except OSError:
            return ""
