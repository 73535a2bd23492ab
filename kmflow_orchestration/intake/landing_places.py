"""A place that evidence is dropped into, wherever it is: listed by folders, read file by file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from kmflow_orchestration.intake.landing import Lister, folder_mtime_ns, lister
from kmflow_orchestration.intake.reading import KEPT_BYTES, Content, read_content
from kmflow_orchestration.metadata.intake_records import LandingFile

# Reading a disk is mostly the interpreter's own work: more threads only take turns. For small
# files even the second costs more than it gives.
_READERS = 4


class LandingPlace(Protocol):
    """What looking and storing need of a landing place.

    `readers` is how many files are worth being read at once; up to `serial_bytes` each they are
    read one after the other.
    """

    @property
    def readers(self) -> int: ...

    @property
    def serial_bytes(self) -> int: ...

    def lister(self, now_ns: int, known: Mapping[str, int] | None = None) -> Lister:
        """What lists its folders at this time; a root that cannot be listed raises.

        Files of a folder with the fingerprint it has in `known` need only be counted.
        """
        ...

    def folder_mtime_ns(self, folder: str) -> int | None:
        """What changes when entries of a folder come and go; None when it is gone."""
        ...

    def is_gone(self, folder: str, known_ns: int) -> bool:
        """Whether a folder that the last look knew so is there no more."""
        ...

    def read(self, file: LandingFile, *, max_size_bytes: int, now: datetime) -> Content:
        """Read a file to its end. Raises as `read_content`, and faults of where it lies."""
        ...


@dataclass(frozen=True, slots=True)
class FolderLanding:
    """A folder of this machine."""

    root: Path
    readers: int = _READERS
    serial_bytes: int = KEPT_BYTES

    def lister(self, now_ns: int, known: Mapping[str, int] | None = None) -> Lister:
        return lister(self.root, now_ns=now_ns, known=known)

    def folder_mtime_ns(self, folder: str) -> int | None:
        return folder_mtime_ns(self.root, folder)

    def is_gone(self, folder: str, known_ns: int) -> bool:
        return folder_mtime_ns(self.root, folder) is None

    def read(self, file: LandingFile, *, max_size_bytes: int, now: datetime) -> Content:
        return read_content(self.root, file, max_size_bytes=max_size_bytes, now=now)


def place_of(place: Path | LandingPlace) -> LandingPlace:
    """A landing place; a path is a folder of this machine."""
    return FolderLanding(place) if isinstance(place, Path) else place
