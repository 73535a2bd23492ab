"""The table of a delta store: a row for each stored file, in commits shared by many writers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError

from kmflow_orchestration.clock import iso
from kmflow_orchestration.errors import StorageUnavailable
from kmflow_orchestration.identity import item_id
from kmflow_orchestration.storage.disk_faults import disk_fault
from kmflow_orchestration.storage.evidence_paths import original_name
from kmflow_orchestration.storage.interfaces import StorageMetadata
from kmflow_orchestration.storage.table_locks import table_lock


def _required(name: str) -> pa.Field[Any]:
    return pa.field(name, pa.string(), nullable=False)


SCHEMA = pa.schema(
    [
        _required("group_id"),
        _required("id"),
        _required("engagement_id"),
        _required("file_name"),
        _required("file_path"),
        _required("content_hash"),
        pa.field("size_bytes", pa.int64(), nullable=False),
        _required("stored_at"),
        pa.field("metadata_json", pa.string()),
    ]
)
# Folders of which the known paths are kept in mind; a batch seldom has more.
_FOLDERS_IN_MIND = 64


@dataclass(frozen=True, slots=True)
class TableVersion:
    """One commit of the table."""

    version: int
    at: datetime
    operation: str


@dataclass(slots=True)
class _Waiting:
    """Files whose rows somebody waits for, and how it ended."""

    rows: Sequence[StorageMetadata]
    version: int | None = None
    error: Exception | None = None
    done: bool = False


@dataclass(slots=True)
class _Known:
    """Paths that have a row at a version of the table, by folder."""

    version: int = -1
    folders: dict[str, set[str]] = field(default_factory=dict)


class EvidenceTable:
    """Rows of one group's files. Safe for many threads and for several processes.

    A commit takes 20 ms whatever it holds. So one writer commits for all that wait meanwhile, and
    each goes on once its own row is in the table. A file's row is written once: a path that is in
    the table already stays as it was.
    """

    def __init__(self, group_id: str, directory: Path) -> None:
        self._group_id = group_id
        self._directory = directory
        self._queue: list[_Waiting] = []
        self._queue_lock = threading.Lock()
        self._turn = threading.Lock()
        self._known = _Known()

    def add(self, rows: Sequence[StorageMetadata]) -> int:
        """Make sure that each file has its row; the version of the table that has them all.

        Raises:
            StorageUnavailable: the commit failed; nothing of it can be read.
        """
        mine = _Waiting(rows)
        with self._queue_lock:
            self._queue.append(mine)
        with self._turn:
            if not mine.done:
                self._commit_all()
        if mine.error is not None:
            raise disk_fault(self._directory, mine.error) from mine.error
        if mine.version is None:
            raise StorageUnavailable(f"{self._directory}: the commit was interrupted")
        return mine.version

    def paths(self, engagement_id: str) -> list[str]:
        """Paths of an engagement's files, in no order."""
        table = self._open()
        if table is None:
            return []
        return _paths(table, ds.field("engagement_id") == engagement_id)

    def remove(self, path: str) -> bool:
        """Take a file's row out; False when there was none.

        Raises:
            StorageUnavailable: the commit failed.
        """
        with self._turn, self._faults(), table_lock(self._directory):
            table = self._open()
            if table is None:
                return False
            quoted = path.replace("'", "''")
            engagement = _engagement(path).replace("'", "''")
            done = table.delete(f"engagement_id = '{engagement}' AND file_path = '{quoted}'")
            return bool(done["num_deleted_rows"])

    def history(self, limit: int = 10) -> list[TableVersion]:
        """The newest commits, newest first; none before the first file."""
        table = self._open()
        if table is None:
            return []
        return [_version(entry) for entry in table.history(limit)]

    def read_version(self, version: int) -> pa.Table:
        """All rows as they were at a version.

        Raises:
            FileNotFoundError: the table never had that version, or it was vacuumed away.
        """
        table = self._open()
        if table is None or not 0 <= version <= table.version():
            raise FileNotFoundError(f"{self._directory} has no version {version}")
        try:
            table.load_as_version(version)
            rows: pa.Table = table.to_pyarrow_dataset().to_table(columns=SCHEMA.names)
        except (DeltaError, FileNotFoundError) as error:
            raise FileNotFoundError(f"version {version} of {self._directory} is gone") from error
        return rows

    def _commit_all(self) -> None:
        """Commit what waits, as one, and tell everybody how it ended."""
        with self._queue_lock:
            taken, self._queue = self._queue, []
        version: int | None = None
        error: Exception | None = None
        try:
            with table_lock(self._directory):
                version = self._commit(row for one in taken for row in one.rows)
        except (DeltaError, OSError, StorageUnavailable) as found:
            error = found
        finally:
            for one in taken:
                one.version, one.error, one.done = version, error, True

    def _commit(self, rows: Iterable[StorageMetadata]) -> int:
        table = self._open()
        self._remember(table)
        new = {row.path: row for row in rows if row.path not in self._known_in(table, row.path)}
        if not new:
            return table.version() if table is not None else 0
        write_deltalake(
            table if table is not None else str(self._directory),
            pa.Table.from_pylist([self._row(one) for one in new.values()], schema=SCHEMA),
            mode="append",
            partition_by=["engagement_id"],
            description="One row per stored evidence file",
        )
        table = DeltaTable(str(self._directory))
        for path in new:
            self._known.folders[_folder(path)].add(path)
        self._known.version = table.version()
        return self._known.version

    def _remember(self, table: DeltaTable | None) -> None:
        """Forget what was known when another process has written meanwhile."""
        version = -1 if table is None else table.version()
        if version != self._known.version or len(self._known.folders) > _FOLDERS_IN_MIND:
            self._known = _Known(version)

    def _known_in(self, table: DeltaTable | None, path: str) -> set[str]:
        folder = _folder(path)
        if folder not in self._known.folders:
            self._known.folders[folder] = set() if table is None else _paths_below(table, folder)
        return self._known.folders[folder]

    def _row(self, file: StorageMetadata) -> dict[str, Any]:
        name = original_name(PurePosixPath(file.path).name)
        engagement = _engagement(file.path)
        return {
            "group_id": self._group_id,
            "id": item_id(self._group_id, engagement, file.content_hash, name),
            "engagement_id": engagement,
            "file_name": name,
            "file_path": file.path,
            "content_hash": file.content_hash,
            "size_bytes": file.size_bytes,
            "stored_at": iso(file.stored_at),
            "metadata_json": json.dumps(dict(file.extra), ensure_ascii=False, sort_keys=True),
        }

    def _open(self) -> DeltaTable | None:
        with self._faults():
            if not DeltaTable.is_deltatable(str(self._directory)):
                return None
            return DeltaTable(str(self._directory))

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except (DeltaError, OSError) as error:
            raise disk_fault(self._directory, error) from error


def _paths_below(table: DeltaTable, folder: str) -> set[str]:
    path = ds.field("file_path")
    # "0" is the character after "/": all that begins with `folder/`, which statistics can prune.
    within = (path >= f"{folder}/") & (path < f"{folder}0")
    return set(_paths(table, (ds.field("engagement_id") == _engagement(folder)) & within))


def _paths(table: DeltaTable, where: ds.Expression) -> list[str]:
    found = table.to_pyarrow_dataset().to_table(columns=["file_path"], filter=where)
    return [str(path) for path in found["file_path"].to_pylist()]


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _engagement(path: str) -> str:
    return path.split("/")[1]


def _version(entry: dict[str, Any]) -> TableVersion:
    at = datetime.fromtimestamp(entry["timestamp"] / 1000, tz=UTC)
    return TableVersion(int(entry["version"]), at, str(entry.get("operation", "")))
