"""Evidence of one group in its Unity Catalog Volume (rows B6, B8)."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import astuple
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from kmflow_orchestration.clock import Clock, utc_day
from kmflow_orchestration.databricks_client.files import RemoteFile, VolumeFiles
from kmflow_orchestration.databricks_client.upload_journal import UploadedContent
from kmflow_orchestration.errors import (
    RemoteConflict,
    RemoteFault,
    RemoteNotFound,
    StorageUnavailable,
    UnsafePath,
)
from kmflow_orchestration.names import VolumePath, check_path_part
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
from kmflow_orchestration.storage.unchanged_files import FileState
from kmflow_orchestration.storage.verified_reading import hash_of, opener

# `/Volumes/catalog/schema/volume` before the first `/` of what lies in it.
_ROOT_DEPTH = 5


class VolumeStore:
    """`StorageBackend` on a Volume; stored paths are full `/Volumes/…` paths.

    Safe for many threads: each upload is one request of known length. AccessRefused passes
    through: nothing is gained by asking again.
    """

    name = "databricks"

    def __init__(
        self, group_id: str, volume: VolumePath, files: VolumeFiles, *, clock: Clock
    ) -> None:
        self.group_id = group_id
        self._volume = volume
        self._files = files
        self._clock = clock

    def path_of(self, file: EvidenceFile) -> str:
        return self._place_of(file).text

    def _place_of(self, file: EvidenceFile) -> VolumePath:
        return self._volume.joined(*evidence_parts(file))

    def write(
        self,
        engagement_id: str,
        file_name: str,
        content: bytes,
        metadata: Mapping[str, Any] | None = None,
    ) -> StorageMetadata:
        new = NewEvidence(self.group_id, engagement_id, file_name, content)
        file = new.file(utc_day(self._clock.now()))
        place = self._place_of(file)
        return self._stored(place, file, lambda: io.BytesIO(content), text_values(metadata))

    def write_from(self, file: EvidenceFile) -> StorageMetadata:
        place = self._place_of(file)  # a bad name is refused before anything is read
        return self._stored(place, file, opener(file), {})

    def _stored(
        self,
        path: VolumePath,
        file: EvidenceFile,
        content: Callable[[], BinaryIO],
        extra: Mapping[str, str],
    ) -> StorageMetadata:
        sending: dict[str, Any] = {"size_bytes": file.size_bytes, "on_sent": file.on_sent}
        if file.content is None:
            sending["content"] = content_of(file)
        with _faults(path.text):
            try:
                went_on = self._files.upload(path, content, **sending)
            except RemoteConflict:
                # Ours: an earlier attempt whose answer was lost, or a run before this one.
                went_on = False
                if not self._is_there(path, file):
                    went_on = self._files.upload(path, content, overwrite=True, **sending)
            if went_on:
                self._check_bytes(path, file)
        return StorageMetadata(
            path.text, self._clock.now(), file.content_hash, file.size_bytes, extra=extra
        )

    def _check_bytes(self, path: VolumePath, file: EvidenceFile) -> None:
        """What two processes sent is looked at, byte by byte (design AD5).

        Raises:
            StorageUnavailable: it was wrong, and is gone.
        """
        with self._files.open_read(path) as stream:
            if hash_of(stream) == file.content_hash:
                return
        self._files.delete(path)
        raise StorageUnavailable(f"{path.text}: other bytes arrived than were sent")

    def _is_there(self, path: VolumePath, file: EvidenceFile) -> bool:
        is_whole = self._files.size(path) == file.size_bytes
        # What several processes sent is looked at, also when the last of them died before it did.
        if is_whole and not self._files.is_large(file.size_bytes):
            return True
        # The path names the content, so other bytes there are damaged: they are replaced.
        with self._files.open_read(path) as stream:
            return hash_of(stream) == file.content_hash

    def confirm(self, written: Sequence[StorageMetadata]) -> frozenset[str]:
        folders = set[str]()
        for one in written:
            folder, _, name = one.path.rpartition("/")
            check_path_part(name)
            folders.add(folder)  # checked once for all the files in it
        sizes: dict[str, int] = {}
        for folder in sorted(folders):
            with _faults(folder):
                for entry in self._files.list_directory(self._checked(folder)):
                    sizes[entry.path.text] = entry.size_bytes
        return frozenset(one.path for one in written if sizes.get(one.path) == one.size_bytes)

    def open_read(self, path: str) -> AbstractContextManager[BinaryIO]:
        return self._reading(self._checked(path))

    @contextmanager
    def _reading(self, path: VolumePath) -> Iterator[BinaryIO]:
        with _faults(path.text), self._files.open_read(path) as stream:
            yield stream

    def read(self, path: str) -> bytes:
        with self.open_read(path) as stream:
            return stream.read()

    def exists(self, path: str) -> bool:
        checked = self._checked(path)
        with _faults(path):
            return self._files.size(checked) is not None

    def list_files(self, engagement_id: str, prefix: str | None = None) -> list[str]:
        folder = self._volume.joined(*engagement_parts(engagement_id))
        found = []
        with _faults(folder.text):
            for day in self._files.list_directory(folder):
                if day.is_directory and is_day(day.name):
                    found += self._names(day.path, prefix or "")
        return sorted(found)

    def _names(self, folder: VolumePath, prefix: str) -> list[str]:
        return [
            entry.path.text
            for entry in self._files.list_directory(folder)
            if is_stored_name(entry.name) and original_name(entry.name).startswith(prefix)
        ]

    def walk(self) -> Iterator[StoredObject]:
        with _faults(self._volume.text):
            for root in self._roots():
                yield from map(_listed, self._below(root))

    def _below(self, root: VolumePath) -> Iterator[RemoteFile]:
        """Every file below a folder, also what we would not have put there."""
        folders = [root]
        while folders:
            for entry in self._files.list_directory(folders.pop()):
                if entry.is_directory:
                    folders.append(entry.path)
                else:
                    yield entry

    def _roots(self) -> list[VolumePath]:
        try:
            entries = list(self._files.list_directory(self._volume, must_exist=True))
        except RemoteNotFound as error:
            # It must not look like one without files.
            raise StorageUnavailable(
                f"there is no Volume {self._volume}", hint="kmflow provision makes it"
            ) from error
        return [entry.path for entry in entries if entry.name == FOLDER and entry.is_directory]

    def engagements(self) -> list[str]:
        """Names of the folders one level down, sorted, whatever is in them."""
        folder = self._volume.joined(FOLDER)
        with _faults(folder.text):
            return sorted(
                one.name for one in self._files.list_directory(folder) if one.is_directory
            )

    def sizes(self, engagement_id: str) -> dict[str, int]:
        """Every file below an engagement's folder by its path, with its size in bytes."""
        folder = self._volume.joined(FOLDER, engagement_id)
        with _faults(folder.text):
            return {entry.path.text: entry.size_bytes for entry in self._below(folder)}

    def delete(self, path: str) -> bool:
        checked = self._checked(path)
        with _faults(path):
            return self._files.delete(checked)

    def probe(self, *, has_files: bool) -> None:
        place = self._volume.joined(FOLDER) if has_files else self._volume
        try:
            with _faults(place.text):
                next(self._files.list_directory(place, must_exist=True), None)
        except FileNotFoundError as error:
            raise StorageUnavailable(
                f"{place.text} is not there", hint="check the group's catalog, schema and Volume"
            ) from error

    def _checked(self, path: str) -> VolumePath:
        """Raises UnsafePath: outside this group's evidence."""
        parsed = VolumePath.parse(path) if path.startswith("/Volumes/") else None
        if parsed is None or not self._volume.joined(FOLDER).contains(parsed):
            raise UnsafePath(f"{path!r} is outside the storage boundary")
        return parsed


def content_of(file: EvidenceFile) -> UploadedContent | None:
    """What tells that bytes sent before are still those of the file; None where nothing does."""
    if not isinstance(file.source, Path):
        return None
    try:
        state = FileState.of(file.source.stat())
    except OSError:
        return None  # whoever opens it tells why
    identity = astuple(state)
    return UploadedContent(f"{file.content_hash} {identity}", str(file.source.absolute()))


def _listed(entry: RemoteFile) -> StoredObject:
    at = datetime.fromtimestamp((entry.last_modified_ms or 0) / 1000, UTC)
    return StoredObject(entry.path.text, entry.size_bytes, at, root_depth=_ROOT_DEPTH)


@contextmanager
def _faults(path: str) -> Iterator[None]:
    try:
        yield
    except RemoteNotFound as error:
        raise FileNotFoundError(path) from error
    except StorageUnavailable:
        raise
    except RemoteFault as error:
        raise StorageUnavailable(
            error.message,
            hint=error.hint,
            error_code=error.error_code,
            retry_after_s=error.retry_after_s,
        ) from error
