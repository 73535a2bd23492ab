"""Rows of entities: each with the fragment that names it (row B14)."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from kmflow_orchestration.converters.entities import FoundEntity
from kmflow_orchestration.identity import entity_id, extracted_entity_id
from kmflow_orchestration.intake.ledger import Item
from kmflow_orchestration.tables.arrow_types import arrow_schema
from kmflow_orchestration.tables.medallion import BATCH_COLUMN, SILVER_EXTRACTED_ENTITIES

ENTITY_SCHEMA = arrow_schema(SILVER_EXTRACTED_ENTITIES.columns)


def entity_rows(
    item: Item, fragment_ids: Sequence[str], found: Sequence[FoundEntity]
) -> pa.RecordBatch | None:
    """The rows of one document, whose fragments have these ids in their order; None for none."""
    if not found:
        return None
    rows = [_row(item, fragment_ids[one.chunk], one) for one in found]
    return pa.RecordBatch.from_pylist(rows, schema=ENTITY_SCHEMA)


def _row(item: Item, fragment: str, found: FoundEntity) -> dict[str, object]:
    entity = entity_id(item.group_id, item.engagement_id, found.type, found.key)
    return {
        "group_id": item.group_id,
        "engagement_id": item.engagement_id,
        "entity_silver_id": extracted_entity_id(fragment, entity),
        "fragment_silver_id": fragment,
        # A fragment has one row, and the row its id.
        "fragment_id": fragment,
        "evidence_item_id": item.item_id,
        "entity_id": entity,
        "entity_type": found.type.value,
        "entity_name": found.name,
        "confidence": found.confidence,
        "extracted_at": item.stored_at,
        BATCH_COLUMN: item.batch_id,
    }
