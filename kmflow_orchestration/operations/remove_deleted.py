"""What is left of deleted evidence goes: first the file, then its row (row B8)."""

from __future__ import annotations

from collections.abc import Sequence

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.intake.evidence_register import EvidenceRegister
from kmflow_orchestration.intake.ledger import Item
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.storage.interfaces import Lakehouse, StorageBackend
from kmflow_orchestration.tables.arrow_types import arrow_schema
from kmflow_orchestration.tables.medallion import EVIDENCE_METADATA

_SCHEMA = arrow_schema(EVIDENCE_METADATA.columns)


def remove_files(
    group: GroupId, items: Sequence[Item], *, register: EvidenceRegister, store: StorageBackend
) -> bool:
    """Remove the stored files of items, but those that other items need; whether any was there.

    Raises:
        AccessRefused, RemoteFault: one cannot be removed; the next call goes on.
    """
    found = False
    for item in items:
        if not register.holds_bytes(group, item):
            found = store.delete(item.stored_path) or found
    return found


def remove_rows(
    group: GroupId,
    items: Sequence[Item],
    *,
    register: EvidenceRegister,
    lakehouse: Lakehouse,
    config: GroupConfig,
) -> None:
    """Remove the metadata rows of items whose files are gone; only then are they deleted.

    Raises:
        AccessRefused, RemoteFault: they cannot be removed; the next call goes on.
    """
    drop_rows(items, lakehouse=lakehouse, config=config)
    register.finish_deletion(group, [item.item_id for item in items])


def drop_rows(items: Sequence[Item], *, lakehouse: Lakehouse, config: GroupConfig) -> None:
    """Remove the metadata rows of some items, whatever their state. Raises as `remove_rows`."""
    ids = sorted(item.item_id for item in items)
    table = config.namespace.base(EVIDENCE_METADATA.name)
    lakehouse.replace(table, _SCHEMA.empty_table(), matching={"id": ids})
