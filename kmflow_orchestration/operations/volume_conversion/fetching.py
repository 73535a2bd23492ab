"""A file of a Volume as a copy on this machine, whole and of the size that was announced (D3)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kmflow_orchestration.converters.dbase_memo import SUFFIXES as MEMO_SUFFIXES
from kmflow_orchestration.databricks_client.interrupts import check_given_up
from kmflow_orchestration.errors import (
    InvalidOptions,
    QuarantinedFile,
    StorageUnavailable,
    VolumeNotFoundError,
)
from kmflow_orchestration.names import VolumePath
from kmflow_orchestration.operations.convert.progress import Progress
from kmflow_orchestration.operations.volume_conversion.volumes import READ, Volumes, naming_grants
from kmflow_orchestration.storage.disk_faults import disk_faults
from kmflow_orchestration.storage.verified_reading import CHUNK_BYTES

# Files that a reader looks for beside the one it was given.
_BESIDE = {".dbf": frozenset({*MEMO_SUFFIXES, ".cpg"})}


def size_of(volumes: Volumes, path: VolumePath) -> int:
    """Size of a file in bytes, found out before one of them is read.

    Raises:
        VolumeNotFoundError: there is no such file.
        InvalidOptions: it is a folder.
        FileTooLargeError: it is larger than may be moved.
    """
    with naming_grants(path, READ):
        size = volumes.access.size(path) if path.parts else None
        if size is None and volumes.access.is_directory(path):
            raise InvalidOptions(
                f"{path.text} is a folder", hint="kmflow batch-convert takes folders"
            )
    if size is None:
        raise VolumeNotFoundError(f"there is no file {path.text}")
    volumes.check_size(path.text, size)
    return size


def fetch(
    volumes: Volumes, path: VolumePath, size_bytes: int, folder: Path, progress: Progress
) -> Path:
    """Copy a file, and those its reader looks for beside it, into an empty folder.

    Raises:
        StorageUnavailable: it changed while it was read, or this disk failed.
        FileTooLargeError: it is larger than may be moved after all.
        AccessRefused, RemoteFault: it cannot be read.
    """
    target = folder / path.name
    _copy(volumes, path, size_bytes, target, progress)
    for beside, size in _beside(volumes, path):
        _copy(volumes, beside, size, folder / beside.name, Progress())
    return target


@contextmanager
def fetched(volumes: Volumes, path: VolumePath, progress: Progress) -> Iterator[Path]:
    """A file as a copy that is gone at the end. Raises as `size_of` and `fetch`."""
    size = size_of(volumes, path)
    with volumes.work(size) as folder:
        yield fetch(volumes, path, size, folder, progress)


def _beside(volumes: Volumes, path: VolumePath) -> Iterator[tuple[VolumePath, int]]:
    suffixes = _BESIDE.get(Path(path.name).suffix.lower())
    if suffixes is None:
        return
    stem = Path(path.name).stem.casefold()
    with naming_grants(path, READ):
        for entry in volumes.access.list_names(path.parent):
            name = Path(entry.name)
            if name.stem.casefold() == stem and name.suffix.lower() in suffixes:
                volumes.check_size(entry.name, entry.size_bytes)
                yield path.parent.joined(entry.name), entry.size_bytes


def _copy(
    volumes: Volumes, path: VolumePath, size_bytes: int, target: Path, progress: Progress
) -> None:
    progress.at("download", 0, size_bytes, "bytes", path.name)
    done = 0
    with naming_grants(path, READ), _naming_changes(path), disk_faults(target.parent):
        with volumes.access.open_read(path) as stream, target.open("xb") as file:
            while chunk := stream.read(CHUNK_BYTES):
                check_given_up()
                done += len(chunk)
                volumes.check_size(path.text, done)
                if done > size_bytes:
                    break
                file.write(chunk)
                progress.at("download", done, size_bytes, "bytes", path.name)
        if done != size_bytes:
            raise _changed(path, f"{size_bytes} bytes were announced, and others came")


@contextmanager
def _naming_changes(path: VolumePath) -> Iterator[None]:
    try:
        yield
    except QuarantinedFile as error:
        raise _changed(path, error.message) from error


def _changed(path: VolumePath, what: str) -> StorageUnavailable:
    return StorageUnavailable(
        f"{path.text} changed while it was read: {what}", hint="convert it again"
    )
