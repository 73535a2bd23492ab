"""Tables of files in an archive, and the table of the files themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from kmflow_orchestration.converters.archives.entries import Entry
from kmflow_orchestration.converters.archives.open_archive import OpenArchive
from kmflow_orchestration.converters.archives.walk import Visit
from kmflow_orchestration.converters.interface import (
    ColumnFact,
    ConversionWarning,
    ConvertedTable,
    Receipt,
    RejectedRow,
    RejectsRows,
)
from kmflow_orchestration.converters.memory_table import MemoryTable, Origin
from kmflow_orchestration.converters.private_folder import PrivateFolder
from kmflow_orchestration.converters.receipt_words import (
    ARCHIVE_SHA256,
    MEMBER,
    MEMBER_PART,
    MEMBER_SHA256,
    READERS,
)
from kmflow_orchestration.converters.type_lattice import STRING, ColumnType

MEMBERS = "members"
MEMBER_SKIPPED = "member_skipped"
_COUNTS = ("depth", "size_bytes", "tables", "rows", "pieces")
_COLUMNS = (
    *("path", "depth", "size_bytes", "sha256", "archive_sha256", "media_type", "converter"),
    *("fate", "reason", "message", "tables", "rows", "pieces"),
)


@dataclass(frozen=True, slots=True)
class Member:
    """A file of an archive, and what became of it."""

    path: str
    depth: int
    size_bytes: int
    sha256: str
    media_type: str
    converter: str
    fate: str
    reason: str
    message: str
    tables: int
    rows: int
    pieces: int

    def row(self, archive_sha256: str) -> list[str | None]:
        values: dict[str, Any] = {
            name: getattr(self, name) for name in _COLUMNS if name != ARCHIVE_SHA256
        }
        values[ARCHIVE_SHA256] = archive_sha256
        return [str(values[name]) for name in _COLUMNS]


class MembersTable(MemoryTable):
    """Every file of an archive under its path in it, whatever became of it."""

    def __init__(
        self, members: Sequence[Member], origin: Origin, warnings: tuple[ConversionWarning, ...]
    ) -> None:
        rows = [member.row(origin.content_hash) for member in members]
        readers = sorted({member.converter for member in members} - {""})
        read_as = {READERS: ",".join(readers)}
        # The same for every archive: a path of digits is text, too.
        types = {name: STRING for name in _COLUMNS if name not in _COUNTS}
        super().__init__(MEMBERS, _COLUMNS, rows, origin, warnings, types=types, read_as=read_as)
        self.members = tuple(members)


@dataclass(frozen=True, slots=True)
class MemberTable:
    """A table of a file in an archive; the file comes to lie on disk while rows are read.

    `place` is what the file lies in: it must not go before the table does.
    """

    table: ConvertedTable
    part: str
    path: str
    archive: OpenArchive
    entry: Entry
    archive_sha256: str
    place: PrivateFolder = field(repr=False)

    @property
    def facts(self) -> tuple[ColumnFact, ...]:
        return self.table.facts

    @property
    def receipt(self) -> Receipt:
        """The counts of the file's reader; the hash is of the archive as it lies."""
        told = self.table.receipt
        about = {
            MEMBER: self.path,
            MEMBER_PART: self.table.part,
            MEMBER_SHA256: self.archive.sha256_of(self.entry),
            ARCHIVE_SHA256: self.archive_sha256,
        }
        return replace(told, content_hash=self.archive_sha256, options={**told.options, **about})

    @property
    def warnings(self) -> tuple[ConversionWarning, ...]:
        return tuple(located(warning, self.path) for warning in self.table.warnings)

    def batches(self, types: Mapping[str, ColumnType] | None = None) -> Iterator[pa.RecordBatch]:
        """See ConvertedTable."""
        with self.archive.on_disk(self.entry):
            yield from self.table.batches(types)

    def rejected_rows(self) -> Iterator[RejectedRow]:
        """See RejectsRows; none of a table whose reader leaves out no rows."""
        if isinstance(self.table, RejectsRows):
            with self.archive.on_disk(self.entry):
                yield from self.table.rejected_rows()


@dataclass(frozen=True, slots=True)
class KeptTable:
    """A table of a document: all of it is in memory, and its file need not lie on disk."""

    member: MemberTable

    @property
    def part(self) -> str:
        return self.member.part

    @property
    def facts(self) -> tuple[ColumnFact, ...]:
        return self.member.facts

    @property
    def receipt(self) -> Receipt:
        return self.member.receipt

    @property
    def warnings(self) -> tuple[ConversionWarning, ...]:
        return self.member.warnings

    def batches(self, types: Mapping[str, ColumnType] | None = None) -> Iterator[pa.RecordBatch]:
        """See ConvertedTable."""
        return self.member.table.batches(types)


def located(warning: ConversionWarning, path: str) -> ConversionWarning:
    """A warning about a file in an archive, which says in which."""
    where = f"{path}: {warning.location}" if warning.location else path
    return replace(warning, location=where)


def skipped(visit: Visit) -> ConversionWarning:
    """What to say of a file whose content is not in the result."""
    message = f"{visit.message} ({visit.reason})"
    return ConversionWarning(MEMBER_SKIPPED, message, visit.path or "the archive itself")
