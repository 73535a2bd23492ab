"""Files that hold secrets must be their owner's alone (settlement CD-S4)."""

from __future__ import annotations

import logging
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from kmflow_orchestration.errors import CredentialError, StateConflict

logger = logging.getLogger(__name__)
# How often, and how many seconds apart, somebody else's change is waited for.
_TRIES, _PAUSE_S = 50, 0.1


def is_open_to_others(path: Path) -> bool:
    """Whether others than its owner can read or change a file, or its group where it is not ours;
    False for one that is not there."""
    if os.name != "posix" or not path.exists():
        return False
    found = path.stat()
    too_much = found.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    if found.st_uid != os.geteuid():
        too_much &= ~(stat.S_IRGRP | stat.S_IXGRP)
    return bool(too_much)


def check_private(path: Path, *, production: bool) -> None:
    """Whether nobody but its owner can read or change a file; a missing file is somebody else's.

    A file that is not ours, such as a mounted secret of an orchestrator, may be readable by a
    group, because that group is how it reaches us. Outside production a fault is a warning.

    Raises:
        CredentialError: in production; says which chmod helps.
    """
    if not is_open_to_others(path):
        return
    if production:
        raise CredentialError(f"{path} is open to others", hint=f"chmod 600 {path}")
    logger.warning("%s is open to others: chmod 600 %s", path, path)


@contextmanager
def changing(path: Path) -> Iterator[Path]:
    """The file behind a path, which no other process of ours changes meanwhile.

    Its folder is made where it is missing.

    Raises:
        StateConflict: another one did not end in five seconds.
    """
    target = Path(os.path.realpath(path))
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.name != "posix":
        yield target
        return
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        _lock(folder, path)
        yield target
    finally:
        os.close(folder)


def _lock(folder: int, path: Path) -> None:
    import fcntl

    for _ in range(_TRIES):
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE_S)
        else:
            return
    raise StateConflict(f"{path} is being changed by another process", hint="try again")


def write_private(path: Path, text: str) -> None:
    """Put a text in a file's place, all of it or nothing, for its owner alone. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
