"""A directory of a Volume as a group's landing place, over the group's own client (design AD5).

A Volume tells nothing by its directories' times, so every folder is listed by each sweep; between
sweeps only folders with files that wait are. An upload appears whole, with its time and size: both
must be the same in the listing and in the answer that brings its bytes.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import partial
from io import BufferedReader
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile
from typing import BinaryIO

from kmflow_orchestration.converters.media_types import media_type_of_content
from kmflow_orchestration.databricks_client.files import ListedName, ResumingReader, VolumeFiles
from kmflow_orchestration.errors import (
    AccessRefused,
    KmflowError,
    QuarantinedFile,
    RemoteFault,
    RemoteNotFound,
    RequestRejected,
    StorageUnavailable,
)
from kmflow_orchestration.intake import side_files
from kmflow_orchestration.intake.entry_rules import VANISHED, check_entry, check_part, is_ignored
from kmflow_orchestration.intake.landing import (
    Lister,
    Listing,
    engagement_id_of,
    shown,
    sorted_folders,
)
from kmflow_orchestration.intake.reading import (
    KEPT_BYTES,
    Content,
    FileChanged,
    allowed_type,
    check_size,
    slice_of,
    with_mismatch,
)
from kmflow_orchestration.metadata.intake_records import FolderLook, LandingFile, Seen, SideFile
from kmflow_orchestration.names import VolumePath

# Reading waits for the network: a few rounds of these keep the senders busy.
_READERS = 16
# A folder of a Volume has no time of its own; any number will do that is not "look again".
_LISTED = 1
# The listing tells milliseconds, the answer's header whole seconds, and either may be rounded.
_SAME_TIME_S = 2.0
# So many faults in a row mean that the workspace is away: the rest of the batch is not even tried.
_HOPELESS = 32
_BUFFER_BYTES = 1 << 20
_MS = 1_000_000


class VolumeLanding:
    """`LandingPlace` on a Volume. Made anew for each look and each batch; safe for many threads.

    `scratch` names the folder for the copy of a large file while it is looked at.
    Every method raises what `VolumeFiles` does when the workspace is away or refuses.
    """

    readers = _READERS
    serial_bytes = -1

    def __init__(
        self, directory: VolumePath, files: VolumeFiles, *, scratch: Callable[[], Path]
    ) -> None:
        self.directory = directory
        self._files = files
        self._scratch = scratch
        self._lock = threading.Lock()
        self._side_names: dict[str, frozenset[str]] = {}
        self._faults_in_a_row = 0

    # Looking

    def lister(self, now_ns: int, known: Mapping[str, int] | None = None) -> Lister:
        return self._list

    def folder_mtime_ns(self, folder: str) -> int | None:
        return _LISTED

    def is_gone(self, folder: str, known_ns: int) -> bool:
        # Only a folder in which something waits must be forgotten; of others nothing is lost.
        if known_ns == _LISTED or not folder:
            return False
        try:
            next(self._files.list_names(self._path(folder), must_exist=True), None)
        except RemoteNotFound:
            return True
        return False

    def find(self, path: str) -> ListedName | None:
        """What lies at a path now. Raises StorageUnavailable: there is no landing place at all."""
        folder, _, name = path.rpartition("/")
        if not folder:
            entries = self._root_entries()
        else:
            entries = list(self._files.list_names(self._path(folder)))
        return next((one for one in entries if one.name == name), None)

    def _list(self, folder: str) -> Listing:
        try:
            entries = self._entries(folder)
        except RemoteNotFound:
            return Listing(FolderLook(folder, 0, (), is_gone=True), ())
        files, children = [], []
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if is_ignored(entry.name):
                continue
            if not entry.is_directory:
                files.append(_seen(entry, path, folder))
            elif (problem := _unlisted(path, folder)) is None:
                children.append(path)
            else:
                files.append(problem)
        look = FolderLook(folder, _LISTED, tuple(files), engagement_id_of(folder))
        return Listing(look, sorted_folders(children))

    def _entries(self, folder: str) -> list[ListedName]:
        if not folder:
            return self._root_entries()
        try:
            return list(self._files.list_names(self._path(folder), must_exist=True))
        except RequestRejected:
            # A page's token may have run out while we read the pages before it.
            return list(self._files.list_names(self._path(folder), must_exist=True))

    def _root_entries(self) -> list[ListedName]:
        try:
            return list(self._files.list_names(self.directory, must_exist=True))
        except RemoteNotFound as error:
            raise StorageUnavailable(
                f"the landing place {self.directory} is not there",
                hint="make the directory, or set landing_path right",
            ) from error

    def _path(self, path: str) -> VolumePath:
        """Raises UnsafePath for what is no plain path below the landing place."""
        return self.directory.joined(*path.split("/"))

    # Reading

    def read(self, file: LandingFile, *, max_size_bytes: int, now: datetime) -> Content:
        """Read a file to its end, as `read_content` does on a disk.

        Raises:
            FileChanged: it differs from what was listed.
            QuarantinedFile: empty, too large, vanished, or of a type that may not enter.
            AccessRefused, RemoteFault: the workspace; another try may succeed.
        """
        if self._faults_in_a_row >= _HOPELESS:
            raise StorageUnavailable(
                f"not tried: {_HOPELESS} files in a row could not be read from {self.directory}",
                hint="tried again later",
            )
        try:
            content = self._read(file, max_size_bytes)
        except (AccessRefused, RemoteFault):
            self._faults_in_a_row += 1
            raise
        self._faults_in_a_row = 0
        return content

    def _read(self, file: LandingFile, max_size_bytes: int) -> Content:
        check_size(file, max_size_bytes)
        source = VolumeSource(self._path(file.path), self._files)
        with _as_changed(), source.opened_like(file) as stream:
            if file.size_bytes <= KEPT_BYTES:
                content_hash, found, kept = _small(stream, file.size_bytes)
            else:
                content_hash, found = self._large(stream, file.size_bytes)
                kept = None
        media_type = allowed_type(file, content_hash, found)
        side = with_mismatch(self._side_file(file.path), file.path, media_type)
        return Content(source, content_hash, media_type, side, kept)

    def _large(self, stream: BinaryIO, size_bytes: int) -> tuple[str, str]:
        """Hash and media type by way of a copy: formats keep what tells them apart at the end."""
        digest, length, head = hashlib.sha256(), 0, b""
        with TemporaryFile(dir=self._scratch()) as copy:
            while length <= size_bytes and (chunk := stream.read(_BUFFER_BYTES)):
                head = head or chunk
                digest.update(chunk)
                copy.write(chunk)
                length += len(chunk)
            if length != size_bytes:
                raise FileChanged
            copy.flush()
            found = media_type_of_content(head, size_bytes, partial(os.pread, copy.fileno()))
        return digest.hexdigest(), found

    def _side_file(self, path: str) -> SideFile:
        folder, _, name = path.rpartition("/")
        if name + side_files.SUFFIX not in self._side_files_in(folder):
            return SideFile()
        try:
            with self._files.open_read(self._path(path + side_files.SUFFIX)) as stream:
                return side_files.parse(stream.read(side_files.MAX_BYTES + 1))
        except RemoteNotFound:
            return SideFile()
        except KmflowError as error:
            if isinstance(error, AccessRefused | RemoteFault):
                raise
            return side_files.unreadable(error.message)

    def _side_files_in(self, folder: str) -> frozenset[str]:
        """Asked for once a folder: most files have none, and a request for each would be felt."""
        with self._lock:
            known = self._side_names.get(folder)
            if known is None:
                known = frozenset(
                    one.name
                    for one in self._files.list_names(self._path(folder))
                    if one.name.endswith(side_files.SUFFIX)
                )
                self._side_names[folder] = known
        return known


@dataclass(frozen=True, slots=True)
class VolumeSource:
    """A landing file in a Volume, as something to store."""

    path: VolumePath
    files: VolumeFiles

    @property
    def name(self) -> str:
        return self.path.parts[-1]

    def reader(self) -> BinaryIO:
        return BufferedReader(self._raw(), _BUFFER_BYTES)

    @contextmanager
    def opened_like(self, file: LandingFile) -> Iterator[BinaryIO]:
        """Its bytes, if it still is what was listed. Raises FileChanged, QuarantinedFile."""
        raw = self._raw()
        with BufferedReader(raw, _BUFFER_BYTES) as stream:
            if not _is_of(raw.last_modified, file.mtime_ns):
                raise FileChanged(file.path)
            yield stream

    def _raw(self) -> ResumingReader:
        try:
            return self.files.reader(self.path)
        except RemoteNotFound as error:
            raise QuarantinedFile(f"{self.path} is gone", reason=VANISHED) from error


@contextmanager
def _as_changed() -> Iterator[None]:
    """A download that met another version half-way is a file that is being written."""
    try:
        yield
    except QuarantinedFile as error:
        if error.reason == "changed":
            raise FileChanged from error
        raise


def _is_of(header: str, mtime_ns: int) -> bool:
    """Whether an answer's `Last-Modified` is the time that was listed."""
    try:
        modified_s = parsedate_to_datetime(header).timestamp()
    except (ValueError, TypeError):
        return True  # it tells none: then the number of bytes is all there is to go by
    return abs(modified_s - mtime_ns / 1e9) < _SAME_TIME_S


def _small(stream: BinaryIO, size_bytes: int) -> tuple[str, str, bytes]:
    # One byte more than it should have tells whether it grew.
    content = stream.read(size_bytes + 1)
    if len(content) != size_bytes:
        raise FileChanged
    found = media_type_of_content(content, size_bytes, partial(slice_of, content))
    return hashlib.sha256(content).hexdigest(), found, content


def mtime_ns_of(entry: ListedName) -> int:
    """When an entry last changed, in nanoseconds since 1970; 0 when the listing does not tell."""
    return (entry.last_modified_ms or 0) * _MS


def _seen(entry: ListedName, path: str, folder: str) -> Seen:
    problem = message = ""
    try:
        check_entry(PurePosixPath(path))
    except QuarantinedFile as error:
        problem, message = error.reason, str(error)
    return Seen(
        path=shown(path),
        folder=folder,
        engagement_id=engagement_id_of(folder),
        size_bytes=entry.size_bytes,
        mtime_ns=mtime_ns_of(entry),
        inode=0,
        problem=problem,
        message=message,
    )


def _unlisted(path: str, folder: str) -> Seen | None:
    """A folder of a name by which it cannot be asked for; what is in it stays out with it."""
    try:
        check_part(path.rpartition("/")[2])
    except QuarantinedFile as error:
        return Seen(
            path=f"{shown(path)}/",
            folder=folder,
            engagement_id=engagement_id_of(folder),
            size_bytes=0,
            mtime_ns=0,
            inode=0,
            problem=error.reason,
            message=f"the folder is not looked at: {error}",
        )
    return None
