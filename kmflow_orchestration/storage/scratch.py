"""Scratch folders for copies of evidence; one that a killed process left is removed by the next."""

from __future__ import annotations

import shutil
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout

from kmflow_orchestration.storage.disk_faults import disk_faults

_LOCK = ".lock"


class ScratchFolder:
    """An empty folder below `parent` for this process alone, `path`, until it is closed.

    Its lock lies beside it and falls with the process, however that ends: whoever opens the next
    folder there takes away what is not locked any more.
    """

    def __init__(self, parent: Path) -> None:
        """Raises StorageUnavailable: the disk has no room for it, or may not be written."""
        with disk_faults(parent):
            parent.mkdir(parents=True, exist_ok=True)
            for left in parent.glob(f"*{_LOCK}"):
                _remove_if_left(left)
            self.path = parent.resolve() / uuid4().hex
            # Whichever thread closes it: a lock is usually its thread's own.
            self._lock = FileLock(self.path.with_suffix(_LOCK), thread_local=False)
            self._lock.acquire()
            self.path.mkdir(mode=0o700)

    def close(self) -> None:
        """Remove the folder; a second call does nothing."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.with_suffix(_LOCK).unlink(missing_ok=True)
        self._lock.release()


def _remove_if_left(lock_file: Path) -> None:
    try:
        with FileLock(lock_file, timeout=0):
            shutil.rmtree(lock_file.with_suffix(""), ignore_errors=True)
            lock_file.unlink(missing_ok=True)
    except Timeout:
        return
