"""What a row of `evidence_metadata` says, and how rows get there (rows B7, B21, B22)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from kmflow_orchestration.clock import iso
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.intake.ledger import Item
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.storage.interfaces import Lakehouse
from kmflow_orchestration.tables.arrow_types import arrow_schema
from kmflow_orchestration.tables.medallion import BATCH_COLUMN, EVIDENCE_METADATA

EVIDENCE_SCHEMA = arrow_schema(EVIDENCE_METADATA.columns)


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """One row; `item` is what the control database knows of it, if it does."""

    id: str
    engagement_id: str
    file_name: str
    path: str
    content_hash: str
    size_bytes: int
    stored_at: datetime
    item: Item | None = None

    @classmethod
    def of_item(cls, item: Item, path: str) -> EvidenceRow:
        """The row of an item whose bytes lie at a path."""
        return cls(
            item.item_id,
            item.engagement_id,
            item.file_name,
            path,
            item.content_hash,
            item.size_bytes,
            item.stored_at,
            item,
        )


def merge_rows(
    group: GroupId, rows: Iterable[EvidenceRow], *, lakehouse: Lakehouse, config: GroupConfig
) -> None:
    """Merge rows, by id, in one statement; a repeat gives the same table."""
    told = [_as_dict(group, row) for row in rows]
    if told:
        table = config.namespace.base(EVIDENCE_METADATA.name)
        lakehouse.merge(table, pa.Table.from_pylist(told, schema=EVIDENCE_SCHEMA), ["id"])


def side_json(item: Item) -> str:
    """What the item's side file says, as tables keep it."""
    return json.dumps(item.side.as_dict(), sort_keys=True, ensure_ascii=False)


def _as_dict(group: GroupId, row: EvidenceRow) -> dict[str, object]:
    return {
        "group_id": group,
        "engagement_id": row.engagement_id,
        "id": row.id,
        "file_name": row.file_name,
        "volume_path": row.path,
        "content_hash": row.content_hash,
        "size_bytes": row.size_bytes,
        "stored_at": iso(row.stored_at),
        "metadata_json": "{}" if row.item is None else side_json(row.item),
        BATCH_COLUMN: None if row.item is None else row.item.batch_id,
    }
