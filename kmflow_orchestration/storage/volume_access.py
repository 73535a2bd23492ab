"""Files of Volumes as conversions use them: over the network, or mounted (row D2)."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from kmflow_orchestration.databricks_client.files import ListedName
from kmflow_orchestration.databricks_client.interrupts import check_given_up
from kmflow_orchestration.errors import AccessRefused, RemoteConflict, RemoteNotFound, UnsafePath
from kmflow_orchestration.names import VolumePath
from kmflow_orchestration.storage.disk_faults import disk_fault
from kmflow_orchestration.storage.verified_reading import CHUNK_BYTES
from kmflow_orchestration.storage.whole_files import below

MOUNT = Path("/Volumes")


class VolumeAccess(Protocol):
    """What is promised of a Volume's files; `VolumeFiles` keeps it over the network.

    "Not there" is an answer or RemoteNotFound. AccessRefused and RemoteFault are raised, never
    told as "not there".
    """

    def size(self, path: VolumePath) -> int | None:
        """Size of a file in bytes; None when there is none, or it is a directory."""
        ...

    def is_directory(self, path: VolumePath) -> bool: ...

    def open_read(self, path: VolumePath) -> AbstractContextManager[BinaryIO]:
        """A stream over a file. Raises RemoteNotFound."""
        ...

    def upload(
        self,
        path: VolumePath,
        opener: Callable[[], BinaryIO],
        *,
        size_bytes: int = 0,
        overwrite: bool = False,
    ) -> bool:
        """Store a file and the directories around it.

        Raises:
            RemoteConflict: there is a file already, and `overwrite` is false.
        """
        ...

    def delete(self, path: VolumePath) -> bool:
        """Remove a file; False when there was none."""
        ...

    def remove_directory(self, path: VolumePath) -> bool:
        """Remove an empty directory; False when it is not empty, or there was none."""
        ...

    def list_names(self, path: VolumePath, *, must_exist: bool = False) -> Iterator[ListedName]:
        """What a directory holds. Raises RemoteNotFound for no such, if it `must_exist`."""
        ...


class MountedVolumes:
    """`VolumeAccess` where Volumes are folders, as on a cluster; files are copied whole there.

    Such a mount takes no append, no seek while writing and no rename.
    """

    def __init__(self, root: Path = MOUNT) -> None:
        self._root = root

    def place(self, path: VolumePath) -> Path:
        """Where a path lies. Raises UnsafePath where a link leads out of the Volume."""
        volume = self._volume(path)
        return below(volume, path.parts) if path.parts else volume

    def _volume(self, path: VolumePath) -> Path:
        return self._root / path.catalog / path.schema / path.volume

    def size(self, path: VolumePath) -> int | None:
        with _faults(path):
            place = self.place(path)
            return place.stat().st_size if place.is_file() else None

    def is_directory(self, path: VolumePath) -> bool:
        with _faults(path):
            return self.place(path).is_dir()

    @contextmanager
    def open_read(self, path: VolumePath) -> Iterator[BinaryIO]:
        with _faults(path):
            stream = self.place(path).open("rb")
        with stream:
            yield stream

    def upload(
        self,
        path: VolumePath,
        opener: Callable[[], BinaryIO],
        *,
        size_bytes: int = 0,
        overwrite: bool = False,
    ) -> bool:
        """As `VolumeAccess`; what a fault leaves of a new file is removed."""
        with _faults(path):
            if not self.place(path.root).is_dir():
                raise RemoteNotFound(f"there is no Volume {path.volume_name}")
            place = self.place(path)
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                target = place.open("wb" if overwrite else "xb")
            except FileExistsError as error:
                raise RemoteConflict(f"{path.text} is there already") from error
            try:
                with opener() as content, target:
                    while chunk := content.read(CHUNK_BYTES):
                        check_given_up()
                        target.write(chunk)
            except BaseException:
                place.unlink(missing_ok=True)
                raise
        return False

    def delete(self, path: VolumePath) -> bool:
        with _faults(path):
            try:
                self.place(path).unlink()
            except FileNotFoundError:
                return False
        return True

    def remove_directory(self, path: VolumePath) -> bool:
        try:
            self.place(path).rmdir()
        except OSError:
            return False
        return True

    def list_names(self, path: VolumePath, *, must_exist: bool = False) -> Iterator[ListedName]:
        if not must_exist and not self.is_directory(path):
            return
        with _faults(path):
            for entry in sorted(self.place(path).iterdir()):
                found = self._status(path, entry)
                is_directory = stat.S_ISDIR(found.st_mode)
                size = 0 if is_directory else found.st_size
                yield ListedName(entry.name, size, is_directory, int(found.st_mtime * 1000))

    def _status(self, path: VolumePath, entry: Path) -> os.stat_result:
        try:
            below(self._volume(path), (*path.parts, entry.name))
        except UnsafePath:
            # Told as the link that it is, no folder to look into; whoever uses it is refused.
            return entry.lstat()
        return entry.stat()


@contextmanager
def _faults(path: VolumePath) -> Iterator[None]:
    """What the system says about a mounted file, as a workspace would have told it."""
    try:
        yield
    except FileNotFoundError as error:
        raise RemoteNotFound(f"{path.text} is not there") from error
    except PermissionError as error:
        raise AccessRefused(f"{path.text}: {error.strerror}") from error
    except OSError as error:
        raise disk_fault(path.text, error) from error
