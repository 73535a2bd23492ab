"""A limit on how fast bytes leave, shared by everything that a process sends."""

from __future__ import annotations

import io
import threading
from typing import Any, BinaryIO

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.databricks_client.interrupts import pause


class Pace:
    """Lets `bytes_per_s` go on average; None lets everything go at once. Safe for many threads."""

    def __init__(self, clock: Clock, bytes_per_s: float | None = None) -> None:
        self._clock = clock
        self._bytes_per_s = bytes_per_s
        self._lock = threading.Lock()
        self._free_at = 0.0

    @property
    def is_limited(self) -> bool:
        return self._bytes_per_s is not None

    def wait_for(self, size_bytes: int) -> None:
        """Return when so many more bytes may go; whoever asks first goes first."""
        if self._bytes_per_s is None:
            return
        with self._lock:
            now = self._clock.monotonic()
            begins_at = max(now, self._free_at)
            self._free_at = begins_at + size_bytes / self._bytes_per_s
        if begins_at > now:
            pause(self._clock, begins_at - now)


class PacedStream(io.RawIOBase):
    """A body that is read no faster than its pace; closing it closes what it reads from."""

    def __init__(self, stream: BinaryIO, pace: Pace) -> None:
        super().__init__()
        self._stream = stream
        self._pace = pace

    def __len__(self) -> int:
        # What requests takes for Content-Length.
        return len(self._stream)  # type: ignore[arg-type]

    def tell(self) -> int:
        return self._stream.tell()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count: int = self._stream.readinto(buffer)  # type: ignore[attr-defined]
        self._pace.wait_for(count)
        return count

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()
