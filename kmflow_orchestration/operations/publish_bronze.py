"""Evidence as received: the metadata row and the bronze rows of a day's batches (design AD3)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa

from kmflow_orchestration import __version__
from kmflow_orchestration.clock import iso
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.identity import bronze_id, deletion_log_id, ingestion_log_id
from kmflow_orchestration.intake.evidence_register import EvidenceRegister
from kmflow_orchestration.intake.ledger import Batch, Item, Ledger, State, Step
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.batch_members import write_all
from kmflow_orchestration.operations.remove_deleted import drop_rows, remove_files, remove_rows
from kmflow_orchestration.operations.side_by_side import side_by_side
from kmflow_orchestration.storage.interfaces import Lakehouse, StorageBackend
from kmflow_orchestration.tables import medallion

INGESTED_BY = "kmflow"


@dataclass(frozen=True, slots=True)
class PublishedBronze:
    """What bronze holds of one day after this call."""

    group: GroupId
    day: date
    batches: tuple[str, ...]
    rows: int
    size_bytes: int


def publish_bronze(
    group: GroupId,
    day: date,
    *,
    ledger: Ledger,
    register: EvidenceRegister,
    store: StorageBackend,
    lakehouse: Lakehouse,
    config: GroupConfig,
) -> PublishedBronze:
    """Write the metadata and bronze rows of a day's batches, each batch once more if asked again.

    A duplicate and a superseded item keep their rows: bronze is what came, not what counts. A
    deleted item keeps its bronze row alone; what its deletion left undone is done here.
    If a statement fails, the items stay `stored` and the batch unfinished; the next call goes on.

    Raises:
        AccessRefused: the file of a deleted item may not be removed.
        RemoteFault: a statement failed after our own retries.
    """
    rows = size_bytes = 0
    batches = ledger.batches(group, day, Step.BRONZE)
    for batch in batches:
        with ledger.stages.measured(group, batch.batch_id, day=day, stage=Step.BRONZE) as tally:
            found = ledger.items(group, batch.batch_id)
            tally.came_in(found)
            leaving = [
                item
                for item in found
                if item.state is State.DELETING and item.backend == store.name
            ]
            remove_files(group, leaving, register=register, store=store)
            if leaving:
                remove_rows(group, leaving, register=register, lakehouse=lakehouse, config=config)
            writing = _Writing(batch, lakehouse, config)
            items = write_all(group, batch.batch_id, ledger, writing.write)
            tally.came_in(items)
            writing.take_back(ledger, items)
            ledger.finish_step(group, batch.batch_id, Step.BRONZE)
            tally.output_count = len(items)
        rows += len(items)
        size_bytes += sum(item.size_bytes for item in items)
    return PublishedBronze(group, day, tuple(b.batch_id for b in batches), rows, size_bytes)


@dataclass(slots=True)
class _Writing:
    """One batch's rows; mutable: it remembers whose metadata it wrote."""

    batch: Batch
    lakehouse: Lakehouse
    config: GroupConfig
    _written: set[str] = field(default_factory=set)

    def write(self, items: Sequence[Item]) -> None:
        """Metadata and bronze rows, side by side: neither table knows of the other."""
        kept = [item for item in items if not item.is_gone]
        self._written |= {item.item_id for item in kept}

        def merge_metadata() -> None:
            table = self.config.namespace.base(medallion.EVIDENCE_METADATA.name)
            self.lakehouse.merge(table, _metadata_rows(kept), ["id"])

        def replace_bronze() -> None:
            table = self.config.namespace.bronze(medallion.BRONZE_EVIDENCE_RAW.name)
            self.lakehouse.replace(table, _bronze_rows(items), matching=_batch_or_moved(self.batch))

        for _ in side_by_side(lambda write: write(), (merge_metadata, replace_bronze), workers=2):
            pass

    def take_back(self, ledger: Ledger, items: Sequence[Item]) -> None:
        """Remove rows of items that were deleted, perhaps wholly, just before they were written."""
        left = self._written - {item.item_id for item in items}
        group = GroupId(self.batch.group_id)
        gone = [item for item in ledger.find_items(group, left).values() if item.is_gone]
        if gone:
            drop_rows(gone, lakehouse=self.lakehouse, config=self.config)


def write_ingestion_log(
    batch: Batch, items: Sequence[Item], *, lakehouse: Lakehouse, config: GroupConfig
) -> None:
    """One log row per item of a batch: what became of it, after conversion was tried."""
    lakehouse.replace(
        config.namespace.bronze(medallion.BRONZE_INGESTION_LOG.name),
        _log_rows(items),
        matching=_batch_or_moved(batch),
    )


def _batch_or_moved(batch: Batch) -> dict[str, Sequence[str]]:
    return {
        medallion.BATCH_COLUMN: [batch.batch_id],
        medallion.EVIDENCE_COLUMN: list(batch.moved_item_ids),
    }


def _metadata_rows(items: Iterable[Item]) -> pa.Table:
    names = medallion.EVIDENCE_METADATA.column_names
    rows = [
        {
            "group_id": item.group_id,
            "engagement_id": item.engagement_id,
            "id": item.item_id,
            "file_name": item.file_name,
            "volume_path": item.stored_path,
            "content_hash": item.content_hash,
            "size_bytes": item.size_bytes,
            "stored_at": iso(item.stored_at),
            "metadata_json": _side_json(item),
            medallion.BATCH_COLUMN: item.batch_id,
        }
        for item in items
    ]
    return pa.Table.from_pylist(rows, schema=_text_schema(names, {"size_bytes": pa.int64()}))


def _bronze_rows(items: Iterable[Item]) -> pa.Table:
    names = medallion.BRONZE_EVIDENCE_RAW.column_names
    rows = [
        {
            "group_id": item.group_id,
            "engagement_id": item.engagement_id,
            "bronze_id": bronze_id(item.item_id),
            "evidence_item_id": item.item_id,
            "file_name": item.file_name,
            "content_hash": item.content_hash,
            "file_bytes_path": item.stored_path,
            "mime_type": item.media_type,
            "size_bytes": item.size_bytes,
            "category": item.category,
            "source_system": item.side.source_system,
            "source_identifier": item.landing_path,
            "ingested_at": item.stored_at,
            "ingested_by": INGESTED_BY,
            "metadata_json": _side_json(item),
            medallion.BATCH_COLUMN: item.batch_id,
        }
        for item in items
    ]
    types = {"size_bytes": pa.int64(), "ingested_at": pa.timestamp("us", "UTC")}
    return pa.Table.from_pylist(rows, schema=_text_schema(names, types))


def _log_rows(items: Iterable[Item]) -> pa.Table:
    names = medallion.BRONZE_INGESTION_LOG.column_names
    rows = [row for item in items for row in (_log_row(item), *_tombstone(item))]
    types = {"duration_ms": pa.int64(), "logged_at": pa.timestamp("us", "UTC")}
    return pa.Table.from_pylist(rows, schema=_text_schema(names, types))


def _log_row(item: Item) -> dict[str, object]:
    was_refused = item.state is State.QUARANTINED or (item.is_gone and bool(item.reason))
    return {
        "group_id": item.group_id,
        "engagement_id": item.engagement_id,
        "log_id": ingestion_log_id(item.item_id, __version__),
        "bronze_id": bronze_id(item.item_id),
        "evidence_item_id": item.item_id,
        "pipeline_version": __version__,
        "status": "failed" if was_refused else "success",
        "error_message": f"{item.reason}: {item.message}" if was_refused else None,
        "duration_ms": _milliseconds(item),
        "logged_at": item.stored_at,
        medallion.BATCH_COLUMN: item.batch_id,
    }


def _tombstone(item: Item) -> Iterator[dict[str, object]]:
    """The row that says that an item was deleted, by whom and what it was (AB-S12)."""
    if item.is_gone:
        yield {
            **_log_row(item),
            "log_id": deletion_log_id(item.item_id),
            "status": "deleted",
            "error_message": f"deleted by {item.deleted_by}; SHA-256 {item.content_hash}",
            "duration_ms": None,
            "logged_at": item.deleted_at,
        }


def _milliseconds(item: Item) -> int:
    """From first sight in landing to the confirmed store."""
    return int((item.stored_at - item.first_seen_at).total_seconds() * 1000)


def _side_json(item: Item) -> str:
    return json.dumps(item.side.as_dict(), sort_keys=True, ensure_ascii=False)


def _text_schema(names: Sequence[str], types: Mapping[str, pa.DataType]) -> pa.Schema:
    return pa.schema([(name, types.get(name, pa.string())) for name in names])
