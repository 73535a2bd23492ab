"""What the rest of the house may ask of a place for outputs of tasks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from kmflow_orchestration.config.group_config import VerifyMode
from kmflow_orchestration.names import VolumePath

Tell = Callable[[str], object]
"""Hears, in a sentence, of an attempt that failed or a check that could not be made."""

Known = Callable[[], str | None]
"""Looks up the SHA-256 of what we wrote to the path before, None if we did not."""


@dataclass(frozen=True, slots=True)
class OutputEntry:
    """A file or folder of a listing (row A20); a folder has size 0."""

    path: VolumePath
    is_directory: bool
    size_bytes: int
    last_modified: datetime | None

    @property
    def name(self) -> str:
        return self.path.parts[-1]


@runtime_checkable
class OutputStore(Protocol):
    """Bytes of one group's outputs; every place is named by its `/Volumes/…` path, on disk too.

    A file is whole or absent. Which places a group may use is not decided here, but a path never
    leaves the group's own root. Raises RemoteNotFound for what is not there, AccessRefused,
    StorageUnavailable or another RemoteFault once our own attempts are spent.
    """

    backend: str

    def write(
        self, path: VolumePath, content: bytes, *, known: Known, verify: VerifyMode, tell: Tell
    ) -> str | None:
        """Store bytes, over those that are there, and confirm them.

        Volume and folder appear where they lack. The answer is the SHA-256 of other bytes that
        were replaced, None when there were none.
        """
        ...

    def confirm(self, path: VolumePath, content: bytes, verify: VerifyMode) -> None:
        """Make sure that a file holds these bytes: by its size, or by reading it again.

        Raises:
            StorageUnavailable: it does not.
        """
        ...

    def read(self, path: VolumePath) -> bytes: ...

    def entries(self, folder: VolumePath) -> list[OutputEntry]:
        """What a folder holds, by name. Raises RemoteNotFound for no such folder."""
        ...

    def delete(self, path: VolumePath) -> bool:
        """Remove a file; False when there was none."""
        ...

    def view(self, path: VolumePath) -> str:
        """Where a person can look at it: an address in the workspace, or a path on this machine."""
        ...


def verification_problem(path: VolumePath, found_bytes: int, wanted_bytes: int) -> str:
    """The sentence about a file that is not what was written."""
    if found_bytes == wanted_bytes:
        return f"{path.text} holds other bytes than were written"
    return f"{path.text} holds {found_bytes} of {wanted_bytes} bytes"
