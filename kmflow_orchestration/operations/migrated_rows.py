"""Rows of `evidence_metadata` that are there, and rows to be merged into it (rows B7, B21)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from kmflow_orchestration.clock import iso
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.errors import RemoteNotFound
from kmflow_orchestration.intake.ledger import Item
from kmflow_orchestration.names import GroupId, literal
from kmflow_orchestration.storage.interfaces import Lakehouse
from kmflow_orchestration.tables import medallion


@dataclass(frozen=True, slots=True)
class MetadataRow:
    """One row; `item` is what the control database knows of it, if it does."""

    item_id: str
    engagement_id: str
    file_name: str
    volume_path: str
    content_hash: str
    size_bytes: int
    stored_at: datetime
    item: Item | None = None

    @classmethod
    def of_item(cls, item: Item, volume_path: str) -> MetadataRow:
        """The row of an item whose bytes lie at a path."""
        return cls(
            item.item_id,
            item.engagement_id,
            item.file_name,
            volume_path,
            item.content_hash,
            item.size_bytes,
            item.stored_at,
            item,
        )


@dataclass(frozen=True, slots=True)
class KnownRow:
    """A row as the table has it."""

    item_id: str
    engagement_id: str
    file_name: str
    volume_path: str
    content_hash: str
    size_bytes: int
    stored_at: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes two files the same: engagement, name, content."""
        return (self.engagement_id, self.file_name, self.content_hash)


_COLUMNS = (
    *("id", "engagement_id", "file_name", "volume_path", "content_hash", "size_bytes"),
    "stored_at",
)


def known_rows(
    group: GroupId,
    *,
    lakehouse: Lakehouse,
    config: GroupConfig,
    engagements: Iterable[str] | None = None,
) -> list[KnownRow]:
    """All rows of the group, or of some engagements of it, in one statement.

    Raises:
        RemoteNotFound: there is no such table yet.
    """
    table = config.namespace.base(medallion.EVIDENCE_METADATA.name)
    if lakehouse.columns(table) is None:
        raise RemoteNotFound(
            f"no table {table}", hint=f"kmflow provision --group {group} makes the tables"
        )
    where = "group_id = :group"
    if engagements is not None:
        names = sorted(set(engagements))
        if not names:
            return []
        where += f" AND engagement_id IN ({', '.join(literal(name) for name in names)})"
    sql = f"SELECT {', '.join(_COLUMNS)} FROM {table.sql} WHERE {where}"
    found = lakehouse.query(sql, {"group": group})
    columns = [found.column(name).to_pylist() for name in _COLUMNS]
    return [KnownRow(*row) for row in zip(*columns, strict=True)]


def merge_rows(
    group: GroupId,
    rows: Mapping[str, MetadataRow],
    *,
    lakehouse: Lakehouse,
    config: GroupConfig,
) -> None:
    """Merge rows, by id, in one statement; a repeat gives the same table."""
    if not rows:
        return
    table = config.namespace.base(medallion.EVIDENCE_METADATA.name)
    told = [_as_dict(group, row) for row in rows.values()]
    lakehouse.merge(table, pa.Table.from_pylist(told, schema=_SCHEMA), ["id"])


_SCHEMA = pa.schema(
    [
        (name, pa.int64() if name == "size_bytes" else pa.string())
        for name in medallion.EVIDENCE_METADATA.column_names
    ]
)


def _as_dict(group: GroupId, row: MetadataRow) -> dict[str, object]:
    side = {} if row.item is None else row.item.side.as_dict()
    return {
        "group_id": group,
        "engagement_id": row.engagement_id,
        "id": row.item_id,
        "file_name": row.file_name,
        "volume_path": row.volume_path,
        "content_hash": row.content_hash,
        "size_bytes": row.size_bytes,
        "stored_at": iso(row.stored_at),
        "metadata_json": json.dumps(side, sort_keys=True, ensure_ascii=False),
        medallion.BATCH_COLUMN: None if row.item is None else row.item.batch_id,
    }
