"""What this machine's disk refuses, as an error that says what happened, on what, what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kmflow_orchestration.errors import StorageUnavailable

HINT = "check disk space and permissions"
# Libraries written in Rust colour their texts and break them into lines.
_COLOURS = re.compile(r"\x1b\[[0-9;]*m|↳")


@contextmanager
def disk_faults(place: str | Path) -> Iterator[None]:
    """Raises StorageUnavailable about `place` for what the disk does not do.

    A missing file passes through: it says something about the file.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise disk_fault(place, error) from error


def disk_fault(place: str | Path, error: Exception) -> StorageUnavailable:
    """The error for what a disk, or a library that writes on it, said about a place."""
    return StorageUnavailable(f"{place}: {reason(error)}", hint=HINT)


def reason(error: Exception) -> str:
    """What it said, in one line without colours."""
    said = error.strerror if isinstance(error, OSError) else None
    return " ".join(_COLOURS.sub(" ", said or str(error)).split()) or type(error).__name__
