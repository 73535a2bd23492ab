"""Evidence of one group as files on this machine's disk (row B3)."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from kmflow_orchestration.clock import Clock, utc_day
from kmflow_orchestration.errors import StorageUnavailable, UnsafePath
from kmflow_orchestration.storage.disk_faults import disk_faults
from kmflow_orchestration.storage.evidence_paths import (
    FOLDER,
    engagement_parts,
    evidence_parts,
    is_day,
    is_stored_name,
    original_name,
    text_values,
)
from kmflow_orchestration.storage.interfaces import EvidenceFile, StorageMetadata, StoredObject
from kmflow_orchestration.storage.new_evidence import NewEvidence
from kmflow_orchestration.storage.verified_reading import chunks, hash_of
from kmflow_orchestration.storage.whole_files import replacing

# A write that is under way, or that a crash left; it was never stored.
_UNFINISHED = re.compile(r"\.[0-9a-f]{32}\.part")
# No write goes on for so long without a byte: what is older was left by a process that was killed.
_LEFT_AFTER_S = 86_400


class LocalStore:
    """`StorageBackend` on disk. Stored paths are relative to the group's root, so a moved root
    keeps them true; `local_path` gives the place on this machine.
    """

    name = "local"

    def __init__(self, group_id: str, root: Path, *, clock: Clock) -> None:
        self.group_id = group_id
        self._root = root
        self._clock = clock

    def path_of(self, file: EvidenceFile) -> str:
        return "/".join(evidence_parts(file))

    def write(
        self,
        engagement_id: str,
        file_name: str,
        content: bytes,
        metadata: Mapping[str, Any] | None = None,
    ) -> StorageMetadata:
        new = NewEvidence(self.group_id, engagement_id, file_name, content)
        file = new.file(utc_day(self._clock.now()))
        return self._stored(file, [content] if content else [], text_values(metadata))

    def write_from(self, file: EvidenceFile) -> StorageMetadata:
        return self._stored(file, chunks(file), {})

    def _stored(
        self, file: EvidenceFile, content: Iterable[bytes], extra: Mapping[str, str]
    ) -> StorageMetadata:
        path = self.path_of(file)
        target = self.local_path(path)
        with disk_faults(path):
            if not _is_there(target, file):
                _put(target, content)
        return StorageMetadata(
            path, self._clock.now(), file.content_hash, file.size_bytes, extra=extra
        )

    def confirm(self, written: Sequence[StorageMetadata]) -> frozenset[str]:
        sizes: dict[str, int] = {}
        for folder in {self.local_path(one.path).parent for one in written}:
            with disk_faults(str(folder)):
                sizes.update(_listing(folder, self._root))
        return frozenset(one.path for one in written if sizes.get(one.path) == one.size_bytes)

    def open_read(self, path: str) -> AbstractContextManager[BinaryIO]:
        target = self.local_path(path)
        with disk_faults(path):
            if not target.is_file():
                raise FileNotFoundError(path)
            return target.open("rb")

    def read(self, path: str) -> bytes:
        with self.open_read(path) as stream:
            return stream.read()

    def exists(self, path: str) -> bool:
        with disk_faults(path):
            return self.local_path(path).is_file()

    def list_files(self, engagement_id: str, prefix: str | None = None) -> list[str]:
        parts = engagement_parts(engagement_id)
        folder = self.local_path("/".join(parts))
        found = []
        with disk_faults(str(folder)):
            for day in _folders(folder):
                found += [
                    "/".join((*parts, day, entry.name))
                    for entry in os.scandir(folder / day)
                    if is_stored_name(entry.name)
                    and original_name(entry.name).startswith(prefix or "")
                ]
        return sorted(found)

    def walk(self) -> Iterator[StoredObject]:
        root = self._root.resolve()
        with disk_faults(FOLDER):
            for folder, _, names in os.walk(root / FOLDER, onerror=_unless_missing):
                for name in names:
                    found = _found(Path(folder, name), root)
                    if found is not None:
                        yield found

    def delete(self, path: str) -> bool:
        target = self.local_path(path)
        with disk_faults(path):
            try:
                target.unlink()
            except FileNotFoundError:
                return False
            return True

    def probe(self, *, has_files: bool) -> None:
        place = self._root / FOLDER
        with disk_faults(str(place)):
            if place.is_dir():
                with os.scandir(place) as entries:
                    next(entries, None)
            elif has_files:
                raise StorageUnavailable(
                    f"{place} is not there", hint="mount it, or set its path right"
                )

    def local_path(self, path: str) -> Path:
        """Where a stored path lies on this machine.

        Raises:
            UnsafePath: outside this group's store, also through a symbolic link.
        """
        parts = Path(path).parts
        if "\x00" in path or ".." in parts or not parts:
            raise UnsafePath(f"{path!r} is outside the storage boundary")
        root = self._root.resolve()
        # An absolute path replaces the root here; the check below then judges it.
        resolved = (root / path).resolve()
        if not resolved.is_relative_to(root / FOLDER):
            raise UnsafePath(f"{path!r} is outside the storage boundary")
        return resolved


def _unless_missing(error: OSError) -> None:
    """What a listing does about a folder it cannot read; one that is gone holds nothing."""
    if not isinstance(error, FileNotFoundError):
        raise error


def _found(file: Path, root: Path) -> StoredObject | None:
    if _UNFINISHED.fullmatch(file.name):
        return None
    try:
        status = file.lstat()
    except FileNotFoundError:
        return None  # deleted meanwhile
    at = datetime.fromtimestamp(status.st_mtime, UTC)
    return StoredObject(file.relative_to(root).as_posix(), status.st_size, at)


def _is_there(target: Path, file: EvidenceFile) -> bool:
    try:
        status = target.stat()
    except FileNotFoundError:
        return False
    if status.st_size == file.size_bytes:
        return True
    # The path names the content, so other bytes there are damaged: they are replaced.
    with target.open("rb") as stream:
        return hash_of(stream) == file.content_hash


def _put(target: Path, content: Iterable[bytes]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as temporary, temporary.open("xb") as stream:
        for chunk in content:
            stream.write(chunk)
        stream.flush()
        os.fsync(stream.fileno())


def _listing(folder: Path, root: Path) -> Iterator[tuple[str, int]]:
    """Stored paths below a folder with their sizes; halves that a crash left there are removed.

    Their age is told from the newest file beside them: the process's clock may be any.
    """
    try:
        handle = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        # Names are durable only when their directory is.
        with contextlib.suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)
    place = folder.relative_to(root.resolve()).as_posix()
    newest, halves = 0.0, list[tuple[Path, float]]()
    for entry in os.scandir(folder):
        if is_stored_name(entry.name):
            status = entry.stat()
            newest = max(newest, status.st_mtime)
            yield f"{place}/{entry.name}", status.st_size
        elif _UNFINISHED.fullmatch(entry.name):
            with contextlib.suppress(FileNotFoundError):
                halves.append((Path(entry), entry.stat().st_mtime))
    for half, at in halves:
        if at < newest - _LEFT_AFTER_S:
            half.unlink(missing_ok=True)


def _folders(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in os.scandir(folder) if is_day(entry.name)]
    except FileNotFoundError:
        return []
