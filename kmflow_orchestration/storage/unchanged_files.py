"""What shows that a local file was not written between two looks at it (decision 27).

A write changes the time of the file's last change, but for one: where a program has the file in its
memory, the system may see the write only later. So nobody may have it open for writing at either
look; Linux tells that to whoever asks for a lease on it.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from dataclasses import dataclass
from datetime import datetime
from typing import Self

# Times of files move in steps of some milliseconds: within one, a second write leaves no trace.
_SETTLED_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class FileState:
    """Which file it is, and when it was last changed; nanoseconds since 1970."""

    device: int
    inode: int
    size_bytes: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, found: os.stat_result) -> Self:
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def state_of(descriptor: int) -> FileState:
    """The state of an open file now."""
    return FileState.of(os.fstat(descriptor))


def settled_state(descriptor: int, now: datetime) -> FileState | None:
    """The state of an open file, None where it could be written without changing its state."""
    state = state_of(descriptor)
    settled = now.timestamp() * 1e9 - state.ctime_ns >= _SETTLED_NS
    return state if settled and nobody_writes(descriptor) else None


def is_unchanged(descriptor: int, since: FileState) -> bool:
    """Whether an open file certainly is what it was; False also where nobody can tell."""
    return state_of(descriptor) == since and nobody_writes(descriptor)


def nobody_writes(descriptor: int) -> bool:
    """Whether nobody has the file open for writing; False also where the system does not tell."""
    if sys.platform != "linux":
        return False
    try:
        # Who opens it in this moment waits for us, and we are told by a signal: one that does
        # nothing, in the place of the one that would end us.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError:
        return False  # somebody writes; or another's file, or a file system without leases
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return True
