"""The manifest of one migration: a line for each step of each file, on disk before the next.

A process that is killed loses at most a half line, which reading leaves out.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filelock import FileLock, Timeout

from kmflow_orchestration.errors import LeaseHeld, StorageUnavailable

SENT, DONE, FAILED = "sent", "done", "failed"


@dataclass(frozen=True, slots=True)
class ManifestLine:
    """Where one file stands; `size_bytes` and `mtime_ns` say of which state of it this is."""

    path: str
    size_bytes: int
    mtime_ns: int
    sha256: str
    target: str
    status: str
    message: str = ""


class MigrationManifest:
    """Lines of one migration in `file`, for one process at a time.

    Raises from entering, adding and syncing:
        LeaseHeld: another process is at this migration.
        StorageUnavailable: the disk failed.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._lock = FileLock(file.with_suffix(".lock"))
        self._handle = -1
        self._known: dict[str, ManifestLine] = {}

    def known(self, path: str) -> ManifestLine | None:
        """The last line about a file, of this run or the one that is resumed."""
        return self._known.get(path)

    def begin(self, *, resume: bool) -> None:
        """Go on with what is there, or start anew."""
        try:
            if resume:
                self._read()
            self._handle = os.open(
                self.file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
            )
            if not resume:
                os.ftruncate(self._handle, 0)
            elif self._ends_within_a_line():
                os.write(self._handle, b"\n")
        except OSError as error:
            raise self._fault(error) from error

    def add(self, lines: Iterable[ManifestLine]) -> None:
        """Note where files stand."""
        told = list(lines)
        if not told:
            return
        text = "".join(json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in told)
        try:
            left = memoryview(text.encode("utf-8", "backslashreplace"))
            while left:
                left = left[os.write(self._handle, left) :]
        except OSError as error:
            raise self._fault(error) from error
        self._known.update((one.path, one) for one in told)

    def sync(self) -> None:
        """Make sure that a power cut leaves what was added."""
        try:
            os.fsync(self._handle)
        except OSError as error:
            raise self._fault(error) from error

    def _read(self) -> None:
        if not self.file.exists():
            return
        for raw in self.file.read_bytes().splitlines():
            line = _parsed(raw)
            if line is not None:
                self._known[line.path] = line

    def _ends_within_a_line(self) -> bool:
        size = os.fstat(self._handle).st_size
        return size > 0 and os.pread(self._handle, 1, size - 1) != b"\n"

    def _fault(self, error: OSError) -> StorageUnavailable:
        return StorageUnavailable(
            f"{self.file}: {error.strerror}", hint="check disk space and permissions of KMFLOW_HOME"
        )

    def __enter__(self) -> Self:
        try:
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise LeaseHeld(
                "another process is at this migration", hint="wait for it, or stop it first"
            ) from error
        except OSError as error:
            raise self._fault(error) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
        self._lock.release()


def _parsed(raw: bytes) -> ManifestLine | None:
    try:
        fields: Any = json.loads(raw)
        return ManifestLine(**fields)
    except (ValueError, TypeError):
        return None
