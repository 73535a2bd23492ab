"""What the system tells of a process: memory, its limit, and whether it does anything."""

from __future__ import annotations

import re
import resource
from pathlib import Path
from time import monotonic

# A reader asks for blocks of some megabytes, glibc for 64 of them for a new thread.
_NEAR_BYTES = 128 << 20
_PEAK = re.compile(r"^VmPeak:\s+(\d+) kB$", re.MULTILINE)
_LIMIT = re.compile(r"^Max address space\s+(\d+)\s", re.MULTILINE)
# Running, or ready to as soon as the machine lets it; waiting for a disk.
_ACTIVE = frozenset("RD")


def mapped_bytes() -> int:
    """What this process has mapped; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError):
        return 0
    return pages * resource.getpagesize()


class StillAtLimit:
    """Tells of a process that came near its limit of address space and does nothing any more.

    A thread of a library that got no memory may leave another waiting for it for good. Where the
    system does not tell, nothing is ever still.
    """

    def __init__(self, process_id: int, patience_s: float) -> None:
        self._folder = Path("/proc") / str(process_id)
        self._patience_s = patience_s
        self._ticks = -1
        self._since = monotonic()

    def was_heard(self) -> None:
        """It said something: it is not still."""
        self._ticks = -1

    def look(self) -> bool:
        """Whether by now it has stood still for long; to be called again and again."""
        try:
            ticks, is_active = self._activity()
            if ticks != self._ticks or is_active:
                self._ticks, self._since = ticks, monotonic()
                return False
            return monotonic() - self._since >= self._patience_s and self._is_near_limit()
        except (OSError, ValueError, IndexError):
            return False

    def _activity(self) -> tuple[int, bool]:
        """Processor time of all its threads, and whether one of them could go on."""
        # The name, in brackets, may hold anything.
        words = self._fields(self._folder / "stat")
        states = [self._fields(task / "stat")[0] for task in (self._folder / "task").iterdir()]
        return int(words[11]) + int(words[12]), not _ACTIVE.isdisjoint(states)

    @staticmethod
    def _fields(stat: Path) -> list[str]:
        return stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()

    def _is_near_limit(self) -> bool:
        limit = _LIMIT.search((self._folder / "limits").read_text(encoding="ascii"))
        peak = _PEAK.search((self._folder / "status").read_text(encoding="utf-8", errors="replace"))
        if limit is None or peak is None:
            return False
        return int(limit[1]) - (int(peak[1]) << 10) < _NEAR_BYTES
