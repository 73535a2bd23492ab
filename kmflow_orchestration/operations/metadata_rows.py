"""Rows of a group's `evidence_metadata`: read, judged for doubles, taken out (rows B21 to B23).

Unity Catalog does not enforce the table's primary key, so a row may be there twice (AB-S6).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.errors import RemoteNotFound
from kmflow_orchestration.identity import item_id
from kmflow_orchestration.names import GroupId, TableName, literal
from kmflow_orchestration.storage.evidence_paths import original_name
from kmflow_orchestration.storage.interfaces import Lakehouse
from kmflow_orchestration.tables.medallion import EVIDENCE_METADATA

_IDS_AT_ONCE = 1000
_NEVER = datetime.max.replace(tzinfo=UTC)
# As the fields of a row stand.
_READ = (
    *("id", "engagement_id", "file_name", "volume_path"),
    *("content_hash", "size_bytes", "stored_at"),
)


@dataclass(frozen=True, slots=True)
class MetadataRow:
    """A row; `number` is its place among those that were read with it."""

    number: int
    id: str
    engagement_id: str
    file_name: str
    path: str
    content_hash: str
    size_bytes: int
    stored_at: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes two files the same: engagement, name, content."""
        return (self.engagement_id, self.file_name, self.content_hash)

    @property
    def age(self) -> tuple[datetime, str, str, int]:
        """Earliest first, ties by id; a time nobody can read comes last."""
        return (_time(self.stored_at), self.id, self.path, self.number)

    def shares_bytes(self, group: GroupId) -> bool:
        """Whether it is about a duplicate: an item of its own whose bytes are another's (AD5)."""
        own = item_id(group, self.engagement_id, self.content_hash, self.file_name)
        return self.id == own and self.file_name != original_name(self.path.rpartition("/")[2])


@dataclass(frozen=True, slots=True)
class MetadataTable:
    """All rows of a group at one moment, with every column the table has."""

    group: GroupId
    table: TableName
    lakehouse: Lakehouse
    contents: pa.Table
    rows: tuple[MetadataRow, ...]

    def surplus(self) -> list[MetadataRow]:
        """Rows that should not be there a second time, by path.

        Of those with one id, and of those about one path, the earliest stays.
        """
        ids, paths = set[str](), set[str]()
        surplus = []
        for row in sorted(self.rows, key=lambda row: row.age):
            if row.id in ids:
                surplus.append(row)
                continue
            ids.add(row.id)
            if row.shares_bytes(self.group):
                continue
            if row.path in paths:
                surplus.append(row)
            paths.add(row.path)
        return sorted(surplus, key=lambda row: (row.path, row.age))

    def take_out(self, rows: Sequence[MetadataRow]) -> None:
        """Remove these rows and no others of their ids, an atomic statement per thousand ids.

        Raises:
            AccessRefused, RemoteFault: some are still there; the next call goes on.
        """
        going = {row.number for row in rows}
        ids = sorted({row.id for row in rows})
        for start in range(0, len(ids), _IDS_AT_ONCE):
            some = set(ids[start : start + _IDS_AT_ONCE])
            kept = [row.number for row in self.rows if row.id in some and row.number not in going]
            staying = self.contents.take(pa.array(kept, pa.int64()))
            self.lakehouse.replace(self.table, staying, matching={"id": sorted(some)})


def read_metadata(group: GroupId, *, lakehouse: Lakehouse, config: GroupConfig) -> MetadataTable:
    """The group's rows as they are now. Raises RemoteFault when they cannot be read."""
    table = config.namespace.base(EVIDENCE_METADATA.name)
    found = lakehouse.query(
        f"SELECT * FROM {table.sql} WHERE group_id = :group_id",
        {"group_id": group},
    )
    contents = found.combine_chunks()
    return MetadataTable(group, table, lakehouse, contents, tuple(_rows(contents)))


def known_rows(
    group: GroupId,
    *,
    lakehouse: Lakehouse,
    config: GroupConfig,
    engagements: Iterable[str] | None = None,
) -> tuple[MetadataRow, ...]:
    """The group's rows, or those of some engagements, for who only reads them; one statement.

    Raises:
        RemoteNotFound: there is no such table yet.
    """
    table = config.namespace.base(EVIDENCE_METADATA.name)
    if lakehouse.columns(table) is None:
        raise RemoteNotFound(
            f"no table {table}", hint=f"kmflow provision --group {group} makes the tables"
        )
    where = "group_id = :group_id"
    if engagements is not None:
        names = sorted(set(engagements))
        if not names:
            return ()
        where += f" AND engagement_id IN ({', '.join(literal(name) for name in names)})"
    sql = f"SELECT {', '.join(_READ)} FROM {table.sql} WHERE {where}"
    return tuple(_rows(lakehouse.query(sql, {"group_id": group})))


def _rows(contents: pa.Table) -> Iterator[MetadataRow]:
    columns = [contents.column(name).to_pylist() for name in _READ]
    for number, values in enumerate(zip(*columns, strict=True)):
        yield MetadataRow(number, *values)


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return _NEVER
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found
