"""Outputs of tasks on this machine's disk, laid out as they would be in the group's Volumes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from kmflow_orchestration.config.group_config import VerifyMode
from kmflow_orchestration.errors import RemoteNotFound, StorageUnavailable, UnsafePath
from kmflow_orchestration.names import VolumePath
from kmflow_orchestration.storage.output_store import Known, OutputEntry, Tell, verification_problem
from kmflow_orchestration.storage.whole_files import replacing

_UNFINISHED = ".part"


class LocalOutputs:
    """`OutputStore` below a group's own folder: `<root>/<catalog>/<schema>/<volume>/…`."""

    backend = "local"

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(
        self, path: VolumePath, content: bytes, *, known: Known, verify: VerifyMode, tell: Tell
    ) -> str | None:
        target = self.local_path(path)
        with _disk_faults(path, is_written=True):
            before = target.read_bytes() if target.is_file() else None
            if before != content:
                _put(target, content)
        self.confirm(path, content, verify)
        return None if before in {None, content} else hashlib.sha256(before or b"").hexdigest()

    def confirm(self, path: VolumePath, content: bytes, verify: VerifyMode) -> None:
        target = self.local_path(path)
        with _disk_faults(path):
            size = target.stat().st_size
            is_intact = size == len(content)
            if is_intact and verify == "hash":
                is_intact = target.read_bytes() == content
        if not is_intact:
            raise StorageUnavailable(verification_problem(path, size, len(content)))

    def read(self, path: VolumePath) -> bytes:
        target = self.local_path(path)
        with _disk_faults(path):
            return target.read_bytes()

    def entries(self, folder: VolumePath) -> list[OutputEntry]:
        place = self.local_path(folder)
        with _disk_faults(folder):
            found = [
                _entry(folder, entry)
                for entry in os.scandir(place)
                # A link could lead out, so it is not shown.
                if not entry.is_symlink() and not entry.name.endswith(_UNFINISHED)
            ]
        return sorted(found, key=lambda entry: entry.name)

    def delete(self, path: VolumePath) -> bool:
        target = self.local_path(path)
        with _disk_faults(path):
            if not target.is_file():
                return False
            target.unlink()
        return True

    def view(self, path: VolumePath) -> str:
        return str(self.local_path(path))

    def local_path(self, path: VolumePath) -> Path:
        """Where a path lies on this machine.

        Raises:
            UnsafePath: outside its Volume's folder, through a symbolic link.
        """
        volume = self._root.resolve() / path.catalog / path.schema / path.volume
        resolved = volume.joinpath(*path.parts).resolve()
        if not resolved.is_relative_to(volume):
            raise UnsafePath(f"{path.text} leaves the group's outputs")
        return resolved


def _put(target: Path, content: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as temporary, temporary.open("xb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _entry(folder: VolumePath, entry: os.DirEntry[str]) -> OutputEntry:
    status = entry.stat(follow_symlinks=False)
    is_directory = entry.is_dir(follow_symlinks=False)
    return OutputEntry(
        folder.joined(entry.name),
        is_directory,
        0 if is_directory else status.st_size,
        datetime.fromtimestamp(status.st_mtime, UTC),
    )


@contextmanager
def _disk_faults(path: VolumePath, *, is_written: bool = False) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, FileNotFoundError | NotADirectoryError) and not is_written:
            raise RemoteNotFound(f"{path.text} is not there") from error
        raise StorageUnavailable(
            f"{path.text}: {error.strerror or type(error).__name__}",
            hint="check disk space and permissions",
        ) from error
