"""Outputs of tasks in a group's Unity Catalog Volumes (rows A15, A16)."""

from __future__ import annotations

import hashlib
import io
import threading
from datetime import UTC, datetime
from urllib.parse import quote

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.config.group_config import GroupConfig, VerifyMode
from kmflow_orchestration.databricks_client.calls import WorkspaceCalls
from kmflow_orchestration.databricks_client.files import RemoteFile, VolumeFiles
from kmflow_orchestration.databricks_client.retries import Retrier, RetryPolicy
from kmflow_orchestration.databricks_client.unity_catalog import UnityCatalog
from kmflow_orchestration.errors import (
    AccessRefused,
    RemoteConflict,
    RemoteNotFound,
    StorageUnavailable,
)
from kmflow_orchestration.names import VolumePath, quoted
from kmflow_orchestration.storage.output_store import Known, OutputEntry, Tell, verification_problem
from kmflow_orchestration.storage.verified_reading import hash_of

ATTEMPTS = 3
COMMENT = "Outputs of tasks, written by kmflow_orchestration for group {group}"
_REMEMBERED_FOLDERS = 10_000
_SENT_TWICE = 1 << 20
"""Bytes up to which a body may be sent twice when its path turns out to be taken."""


class VolumeOutputs:
    """`OutputStore` on Volumes. Safe for many threads; made once per group and version.

    That a Volume is there is asked once. A request has three attempts, for 429, any 5xx, time-outs
    and lost connections; none begins later than `deadline_s` seconds after the output's first.
    """

    backend = "databricks"

    def __init__(
        self, config: GroupConfig, calls: WorkspaceCalls, *, clock: Clock, deadline_s: float
    ) -> None:
        self._config = config
        self._calls = calls
        self._clock = clock
        self._policy = RetryPolicy(
            attempts=ATTEMPTS, budget_s=deadline_s, repeats_internal_errors=True
        )
        self._lock = threading.Lock()
        self._volumes: set[str] = set()
        self._folders: set[VolumePath] = set()

    def write(
        self, path: VolumePath, content: bytes, *, known: Known, verify: VerifyMode, tell: Tell
    ) -> str | None:
        begun_at = self._clock.monotonic()
        calls = self._calls.with_retrier(
            Retrier(self._clock, self._policy, begun_at=begun_at, tell=tell)
        )
        files = VolumeFiles(calls)
        try:
            self._prepare(path, calls, tell)
            replaced = _put(path, content, known, files)
        except RemoteNotFound:
            if not self._forget(path):
                raise
            # Somebody removed the Volume or the folder since we asked.
            self._prepare(path, calls, tell)
            replaced = _put(path, content, known, files)
        _confirm(path, content, verify, files)
        return replaced

    def confirm(self, path: VolumePath, content: bytes, verify: VerifyMode) -> None:
        _confirm(path, content, verify, VolumeFiles(self._calls))

    def _prepare(self, path: VolumePath, calls: WorkspaceCalls, tell: Tell) -> None:
        if path.volume_name not in self._volumes:
            with self._lock:  # one asks, the others wait for its answer
                if path.volume_name not in self._volumes:
                    self._ensure_volume(path, UnityCatalog(calls), tell)
                    self._volumes.add(path.volume_name)
        folder = _folder(path)
        if folder.parts and folder not in self._folders:
            VolumeFiles(calls).make_directory(folder)
            if len(self._folders) >= _REMEMBERED_FOLDERS:
                self._folders.clear()
            self._folders.add(folder)

    def _forget(self, path: VolumePath) -> bool:
        """Forget that a Volume and a folder are there; whether we thought so."""
        thought_so = path.volume_name in self._volumes
        self._volumes.discard(path.volume_name)
        self._folders.discard(_folder(path))
        return thought_so

    def _ensure_volume(self, path: VolumePath, catalog: UnityCatalog, tell: Tell) -> None:
        try:
            if catalog.volume_exists(path):
                return
        except AccessRefused as refused:
            # Who may write need not be allowed to look: the upload decides.
            tell(f"Volume {path.volume_name} could not be checked: {refused.message}")
            return
        try:
            catalog.create_volume(path, comment=COMMENT.format(group=self._config.group_id))
        except RemoteConflict:
            pass  # somebody was quicker
        except RemoteNotFound as error:
            raise self._missing(path, catalog) from error
        except AccessRefused as error:
            raise self._may_not_create(path, error) from error

    def _missing(self, path: VolumePath, catalog: UnityCatalog) -> RemoteNotFound:
        what = f"schema {path.catalog}.{path.schema}"
        if not catalog.catalog_exists(path.catalog):
            what = f"catalog {path.catalog}"
        return RemoteNotFound(
            f"{what} does not exist, so Volume {path.volume_name} cannot be made",
            hint="make it, or correct volume_path; then `kmflow output retry`",
        )

    def _may_not_create(self, path: VolumePath, error: AccessRefused) -> AccessRefused:
        schema = f"{quoted(path.catalog)}.{quoted(path.schema)}"
        return AccessRefused(
            f"Volume {path.volume_name} is not there and may not be made: {error.message}",
            hint=f"make it, or GRANT USE SCHEMA, CREATE VOLUME ON SCHEMA {schema} to the group",
        )

    def read(self, path: VolumePath) -> bytes:
        with VolumeFiles(self._calls).open_read(path) as stream:
            return stream.read()

    def entries(self, folder: VolumePath) -> list[OutputEntry]:
        found = VolumeFiles(self._calls).list_directory(folder, must_exist=True)
        return sorted((_entry(one) for one in found), key=lambda entry: entry.name)

    def delete(self, path: VolumePath) -> bool:
        return VolumeFiles(self._calls).delete(path)

    def view(self, path: VolumePath) -> str:
        place = "/".join((path.catalog, path.schema, path.volume, *path.parts))
        return f"{self._config.workspace_url.rstrip('/')}/explore/data/volumes/{quote(place)}"


def _put(path: VolumePath, content: bytes, known: Known, files: VolumeFiles) -> str | None:
    wanted = hashlib.sha256(content).hexdigest()
    # Most paths are new: only a body that is dear to send twice is worth a look beforehand.
    before = known() if len(content) > _SENT_TWICE else None
    if before is None:
        try:
            files.upload(path, lambda: io.BytesIO(content))
        except RemoteConflict:
            # An attempt of ours whose answer was lost, an earlier output, or bytes of others.
            before = known() or _hash_there(path, files)
            if before == wanted and files.size(path) == len(content):
                return None
        else:
            return None
    files.upload(path, lambda: io.BytesIO(content), overwrite=True)
    return None if before == wanted else before


def _hash_there(path: VolumePath, files: VolumeFiles) -> str | None:
    try:
        with files.open_read(path) as stream:
            return hash_of(stream)
    except RemoteNotFound:
        return None  # removed again just now


def _confirm(path: VolumePath, content: bytes, verify: VerifyMode, files: VolumeFiles) -> None:
    if verify == "hash":
        with files.open_read(path) as stream:
            found = stream.read()
        is_intact, size = found == content, len(found)
    else:
        size = files.size(path) or 0
        is_intact = size == len(content)
    if not is_intact:
        raise StorageUnavailable(verification_problem(path, size, len(content)))


def _folder(path: VolumePath) -> VolumePath:
    return VolumePath(path.catalog, path.schema, path.volume, path.parts[:-1])


def _entry(file: RemoteFile) -> OutputEntry:
    at = file.last_modified_ms
    moment = None if at is None else datetime.fromtimestamp(at / 1000, UTC)
    return OutputEntry(file.path, file.is_directory, file.size_bytes, moment)
