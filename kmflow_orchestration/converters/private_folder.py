"""Folders of our own on disk, for what a source holds or becomes while it is read.

Each is locked by the process that made it. The system lets go of the lock when that process ends,
however it does; so whoever makes the next folder there can tell what a killed one left behind.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "kmflow-"
# Folders with another end are locked by nobody, and say nothing of who made them.
_SUFFIX = ".held"


class PrivateFolder:
    """A folder that nobody else may look into, which goes with this object."""

    def __init__(self, purpose: str) -> None:
        """`purpose` tells people what it is for: `kmflow-PURPOSE-…`."""
        clear_leftovers()
        self.path, lock = _locked_folder(f"{_PREFIX}{purpose}-")
        self._remove = weakref.finalize(self, _remove, self.path, lock)

    def remove(self) -> None:
        """Take it away now."""
        self._remove()


@contextmanager
def private_folder(purpose: str) -> Iterator[Path]:
    """A PrivateFolder for as long as the block takes."""
    folder = PrivateFolder(purpose)
    try:
        yield folder.path
    finally:
        folder.remove()


def clear_leftovers() -> None:
    """Remove what ended processes of this user left where temporary folders go.

    What cannot be removed stays: it is in nobody's way.
    """
    try:
        place = Path(tempfile.gettempdir())
    except OSError:
        # Nowhere can be written now: whoever needs to says so.
        return
    for path in _held_in(place):
        lock = _lock(path)
        if lock is None:
            continue
        try:
            # A process may live on for a moment behind the one that began it.
            if all(map(_is_left, _held_in(path))):
                shutil.rmtree(path, ignore_errors=True)
        finally:
            os.close(lock)


def _locked_folder(prefix: str) -> tuple[Path, int | None]:
    """A new folder and the descriptor that locks it, None where nothing can be locked."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=prefix, suffix=_SUFFIX))
        if os.name != "posix":
            return path, None
        import fcntl

        try:
            lock = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            # Somebody took it for a leftover before it was locked.
            continue
        except OSError:
            path.rmdir()
            raise
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            return path, lock
        os.close(lock)


def _remove(path: Path, lock: int | None) -> None:
    shutil.rmtree(path, ignore_errors=True)
    if lock is not None:
        os.close(lock)


def _held_in(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as found:
            return [
                Path(one.path)
                for one in found
                if one.name.startswith(_PREFIX)
                and one.name.endswith(_SUFFIX)
                and one.is_dir(follow_symlinks=False)
            ]
    except OSError:
        return []


def _is_left(path: Path) -> bool:
    lock = _lock(path)
    if lock is None:
        return False
    os.close(lock)
    return True


def _lock(path: Path) -> int | None:
    """A descriptor that locks a folder of this user whose process has ended, else None."""
    if os.name != "posix":
        return None
    import fcntl

    try:
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        if os.fstat(lock).st_uid == os.geteuid():
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
    except OSError:
        # It is held, or nothing can be locked there.
        pass
    os.close(lock)
    return None
