"""Evidence of one group as files on disk with a Delta table that lists them (row B5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import pyarrow as pa

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.storage.evidence_paths import engagement_parts, original_name
from kmflow_orchestration.storage.evidence_table import EvidenceTable, TableVersion
from kmflow_orchestration.storage.interfaces import EvidenceFile, StorageMetadata, StoredObject
from kmflow_orchestration.storage.local_store import LocalStore

TABLE = "evidence_files"
# No table's name holds a dot, so no table ever lies here, and no VACUUM comes by.
FILES = "evidence.files"


class DeltaStore:
    """`StorageBackend` in a folder of the group's lakehouse, with a history.

    The file comes first, then its row; on the way out the row goes first: there never is a row
    without a file. What a crash leaves is a file without a row, which `confirm` mends. `version`
    of what was written is the table's version with its row.
    """

    name = "delta"

    def __init__(self, group_id: str, bronze: Path, *, clock: Clock) -> None:
        self.group_id = group_id
        self._files = LocalStore(group_id, bronze / FILES, clock=clock)
        self._table = EvidenceTable(group_id, bronze / TABLE)

    def path_of(self, file: EvidenceFile) -> str:
        return self._files.path_of(file)

    def write(
        self,
        engagement_id: str,
        file_name: str,
        content: bytes,
        metadata: Mapping[str, Any] | None = None,
    ) -> StorageMetadata:
        return self._listed(self._files.write(engagement_id, file_name, content, metadata))

    def write_from(self, file: EvidenceFile) -> StorageMetadata:
        return self._listed(self._files.write_from(file))

    def _listed(self, written: StorageMetadata) -> StorageMetadata:
        return replace(written, version=self._table.add([written]))

    def confirm(self, written: Sequence[StorageMetadata]) -> frozenset[str]:
        there = self._files.confirm(written)
        if there:
            self._table.add([one for one in written if one.path in there])
        return there

    def open_read(self, path: str) -> AbstractContextManager[BinaryIO]:
        return self._files.open_read(path)

    def read(self, path: str) -> bytes:
        return self._files.read(path)

    def exists(self, path: str) -> bool:
        return self._files.exists(path)

    def list_files(self, engagement_id: str, prefix: str | None = None) -> list[str]:
        _, engagement = engagement_parts(engagement_id)
        return sorted(
            path
            for path in self._table.paths(engagement)
            if original_name(PurePosixPath(path).name).startswith(prefix or "")
        )

    def walk(self) -> Iterator[StoredObject]:
        return self._files.walk()

    def delete(self, path: str) -> bool:
        self._files.local_path(path)  # outside the boundary: refused before anything is touched
        had_row = self._table.remove(path)
        return self._files.delete(path) or had_row

    def probe(self, *, has_files: bool) -> None:
        self._files.probe(has_files=has_files)

    def history(self, limit: int = 10) -> list[TableVersion]:
        """The newest changes to the store, newest first."""
        return self._table.history(limit)

    def read_version(self, version: int) -> pa.Table:
        """The rows of all files as they were at a version.

        Raises:
            FileNotFoundError: there never was that version, or it was vacuumed away.
        """
        return self._table.read_version(version)

    def local_path(self, path: str) -> Path:
        """Where a stored path lies on this machine. Raises UnsafePath."""
        return self._files.local_path(path)
