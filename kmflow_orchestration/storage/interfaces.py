"""What the rest of the house may ask of a place for bytes and a place for tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol, runtime_checkable

import pyarrow as pa

from kmflow_orchestration.names import TableName
from kmflow_orchestration.storage.unchanged_files import FileState
from kmflow_orchestration.tables.definition import Column, TableDefinition


@dataclass(frozen=True, slots=True)
class StorageMetadata:
    """Result of a write; `content_hash` is SHA-256 in hex, `stored_at` is UTC."""

    path: str
    stored_at: datetime
    content_hash: str
    size_bytes: int
    version: int = 1
    extra: Mapping[str, str] = field(default_factory=dict)


class ByteSource(Protocol):
    """A file that is not on this machine, as something to store."""

    @property
    def name(self) -> str: ...

    def reader(self) -> BinaryIO:
        """Its bytes from the start. Raises QuarantinedFile, or a fault of where it lies."""
        ...


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """One file to store: where its bytes are and what decides its stored path (design AD5).

    `content` are its bytes, when whoever hashed them kept them; they are then not read again.
    `state` is what the source was when it was hashed: unchanged, it is not hashed again.
    `on_sent` hears of the bytes of a large file as they arrive, from any thread.
    """

    source: Path | ByteSource
    engagement_id: str
    received_on: date
    item_id: str
    file_name: str
    content_hash: str
    size_bytes: int
    content: bytes | None = field(default=None, repr=False)
    state: FileState | None = None
    on_sent: Callable[[int], object] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A file as a store lists it, whatever its name; the first `root_depth` parts of its path are
    the store's own.
    """

    path: str
    size_bytes: int
    modified_at: datetime
    root_depth: int = 0

    @property
    def parts(self) -> tuple[str, ...]:
        """What leads to it from the store's root; a million of them would take room."""
        return tuple(self.path.split("/")[self.root_depth :])


@runtime_checkable
class StorageBackend(Protocol):
    """Bytes of one group's evidence (row B1).

    A file is whole or absent; its path is decided by what it is, so that a repeated write meets
    itself; every path is checked against the group's own boundary before anything is touched.
    Missing files raise FileNotFoundError, paths outside UnsafePath, faults StorageUnavailable.
    """

    name: str

    def write(
        self,
        engagement_id: str,
        file_name: str,
        content: bytes,
        metadata: Mapping[str, Any] | None = None,
    ) -> StorageMetadata:
        """Store bytes at hand under today's day. The same content again changes nothing."""
        ...

    def write_from(self, file: EvidenceFile) -> StorageMetadata:
        """Store a file without holding it in memory.

        Raises:
            QuarantinedFile: it changed or vanished while it was read (`changed`, `unreadable`).
        """
        ...

    def confirm(self, written: Sequence[StorageMetadata]) -> frozenset[str]:
        """Paths of those that are really there with their full size (design AD5).

        One paged listing per folder, whatever the number of files.
        """
        ...

    def path_of(self, file: EvidenceFile) -> str:
        """The path `write_from` would use."""
        ...

    def open_read(self, path: str) -> AbstractContextManager[BinaryIO]:
        """A stream over a stored file."""
        ...

    def read(self, path: str) -> bytes: ...

    def exists(self, path: str) -> bool: ...

    def list_files(self, engagement_id: str, prefix: str | None = None) -> list[str]:
        """Stored paths of an engagement, sorted; `prefix` is of the original file name."""
        ...

    def walk(self) -> Iterator[StoredObject]:
        """All files of the store in no order, also those under names that are not ours.

        None when nothing was stored yet; a Volume that is not there raises StorageUnavailable.
        """
        ...

    def delete(self, path: str) -> bool:
        """Remove a file; False when there was none."""
        ...

    def probe(self, *, has_files: bool) -> None:
        """One cheap look at the place; `has_files` says that it cannot be empty.

        Raises:
            AccessRefused, RemoteFault: it cannot be used, or what should be there is not.
        """
        ...


@runtime_checkable
class Lakehouse(Protocol):
    """Delta tables of one group, the same SQL wherever they lie (design AD1, AD3).

    Every write is atomic, keyed and repeatable: after a lost answer the same call again gives the
    same table. Writes are retried on commit conflicts up to five times; other faults raise
    StatementFailed, RemoteFault or their leaves.
    """

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """Run one query; parameters stand as `:name` (str, int, float, bool, date, datetime)."""
        ...

    def execute(self, sql: str) -> None:
        """Run one statement that returns nothing."""
        ...

    def ensure_table(self, table: TableName, definition: TableDefinition) -> bool:
        """Create a table if it is absent; whether it was created. Its schema must exist."""
        ...

    def columns(self, table: TableName) -> tuple[Column, ...] | None:
        """Columns of a table in order, None when there is no such table."""
        ...

    def tables(self, schema: str) -> tuple[TableName, ...]:
        """Tables of one of the group's schemas, sorted by name."""
        ...

    def replace(
        self,
        table: TableName,
        rows: pa.Table | Iterable[pa.RecordBatch],
        *,
        schema: pa.Schema | None = None,
        matching: Mapping[str, Sequence[str]],
    ) -> int:
        """In one atomic statement, remove the rows that match and add `rows`; how many were added.

        `matching` maps a text column to values; a row matches if any column holds any of its
        values. Every added row must itself match. `rows` may be empty (then `schema` or the
        table's own columns decide). Columns of the table that `rows` lack become NULL.

        Raises:
            ValueError: nothing was written: a column the table has not, a value its column's type
                does not hold exactly, NULL where none may stand, or a row that does not match.
            RemoteNotFound: there is no such table.
        """
        ...

    def merge(self, table: TableName, rows: pa.Table, keys: Sequence[str]) -> None:
        """Insert rows or, where the key is there, replace the row's values."""
        ...

    def rebuild(
        self,
        table: TableName,
        columns: Sequence[Column],
        rows: pa.Table | Iterable[pa.RecordBatch],
        *,
        schema: pa.Schema | None = None,
    ) -> int:
        """`CREATE OR REPLACE TABLE … AS SELECT` of exactly these columns and rows; rows written."""
        ...

    def close(self) -> None: ...
