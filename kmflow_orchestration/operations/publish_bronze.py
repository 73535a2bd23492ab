"""Evidence as received: the metadata row and the bronze rows of a day's batches (design AD3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from kmflow_orchestration import __version__
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.errors import BackendUnreachable
from kmflow_orchestration.identity import bronze_id, deletion_log_id, ingestion_log_id
from kmflow_orchestration.intake.evidence_register import EvidenceRegister
from kmflow_orchestration.intake.ledger import Batch, Item, Ledger, State, Step
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.batch_members import write_all
from kmflow_orchestration.operations.evidence_rows import side_json
from kmflow_orchestration.operations.metadata_outbox import MetadataWriting
from kmflow_orchestration.operations.remove_deleted import remove_files, remove_rows
from kmflow_orchestration.operations.side_by_side import side_by_side
from kmflow_orchestration.storage.evidence_stores import EvidenceStores, raise_first
from kmflow_orchestration.storage.interfaces import Lakehouse
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
    stores: EvidenceStores,
    lakehouse: Lakehouse,
    config: GroupConfig,
) -> PublishedBronze:
    """Write the metadata and bronze rows of a day's batches, each batch once more if asked again.

    A duplicate and a superseded item keep their rows: bronze is what came, not what counts. A
    deleted item keeps its bronze row alone; what its deletion left undone is done here.
    If a statement fails, the items stay `stored` and the batch unfinished; the next call goes on.

    Raises:
        BackendUnreachable: the file of a deleted item lies there; all else was written.
        AccessRefused: the file of a deleted item may not be removed.
        RemoteFault: a statement failed after our own retries.
    """
    rows = size_bytes = 0
    batches = ledger.batches(group, day, Step.BRONZE)
    away: list[BackendUnreachable] = []
    for batch in batches:
        with ledger.stages.measured(group, batch.batch_id, day=day, stage=Step.BRONZE) as tally:
            found = ledger.items(group, batch.batch_id)
            tally.came_in(found)
            leaving = [item for item in found if item.state is State.DELETING]
            left = remove_files(group, leaving, register=register, stores=stores).left
            leaving = [item for item in leaving if item.item_id not in left]
            if leaving:
                remove_rows(group, leaving, register=register, lakehouse=lakehouse, config=config)
            writing = _Writing(batch, lakehouse, config)
            items = write_all(group, batch.batch_id, ledger, writing.write)
            tally.came_in(items)
            writing.metadata.take_back(group, ledger, items)
            away += left.values()
            tally.failed(left.values())
            if not left:
                ledger.finish_step(group, batch.batch_id, Step.BRONZE)
            tally.output_count = len(items)
        rows += len(items)
        size_bytes += sum(item.size_bytes for item in items)
    raise_first(away)
    return PublishedBronze(group, day, tuple(b.batch_id for b in batches), rows, size_bytes)


class _Writing:
    """One batch's rows; remembers whose metadata it wrote."""

    def __init__(self, batch: Batch, lakehouse: Lakehouse, config: GroupConfig) -> None:
        self._batch = batch
        self._lakehouse = lakehouse
        self._table = config.namespace.bronze(medallion.BRONZE_EVIDENCE_RAW.name)
        self.metadata = MetadataWriting(lakehouse, config)

    def write(self, items: Sequence[Item]) -> None:
        """Metadata and bronze rows, side by side: neither table knows of the other."""

        def merge_metadata() -> None:
            self.metadata.write(items)

        def replace_bronze() -> None:
            matching = _batch_or_moved(self._batch)
            self._lakehouse.replace(self._table, _bronze_rows(items), matching=matching)

        for _ in side_by_side(lambda write: write(), (merge_metadata, replace_bronze), workers=2):
            pass


def write_ingestion_log(
    batch: Batch,
    items: Sequence[Item],
    *,
    lakehouse: Lakehouse,
    config: GroupConfig,
    away: Mapping[str, BackendUnreachable],
) -> None:
    """One log row per item of a batch: what became of it, after conversion was tried.

    `away` are items whose backend could not be reached, with the reason.
    """
    lakehouse.replace(
        config.namespace.bronze(medallion.BRONZE_INGESTION_LOG.name),
        _log_rows(items, away),
        matching=_batch_or_moved(batch),
    )


def _batch_or_moved(batch: Batch) -> dict[str, Sequence[str]]:
    return {
        medallion.BATCH_COLUMN: [batch.batch_id],
        medallion.EVIDENCE_COLUMN: list(batch.moved_item_ids),
    }


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
            "metadata_json": side_json(item),
            medallion.BATCH_COLUMN: item.batch_id,
        }
        for item in items
    ]
    types = {"size_bytes": pa.int64(), "ingested_at": pa.timestamp("us", "UTC")}
    return pa.Table.from_pylist(rows, schema=_text_schema(names, types))


def _log_rows(items: Iterable[Item], away: Mapping[str, BackendUnreachable]) -> pa.Table:
    names = medallion.BRONZE_INGESTION_LOG.column_names
    rows = [
        row for item in items for row in (_log_row(item, away.get(item.item_id)), *_tombstone(item))
    ]
    types = {"duration_ms": pa.int64(), "logged_at": pa.timestamp("us", "UTC")}
    return pa.Table.from_pylist(rows, schema=_text_schema(names, types))


def _log_row(item: Item, away: BackendUnreachable | None = None) -> dict[str, object]:
    was_refused = item.state is State.QUARANTINED or (item.is_gone and bool(item.reason))
    problem = f"{item.reason}: {item.message}" if was_refused else None
    if away is not None:
        problem = away.message
    return {
        "group_id": item.group_id,
        "engagement_id": item.engagement_id,
        "log_id": ingestion_log_id(item.item_id, __version__),
        "bronze_id": bronze_id(item.item_id),
        "evidence_item_id": item.item_id,
        "pipeline_version": __version__,
        "status": "success" if problem is None else "failed",
        "error_message": problem,
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


def _text_schema(names: Sequence[str], types: Mapping[str, pa.DataType]) -> pa.Schema:
    return pa.schema([(name, types.get(name, pa.string())) for name in names])
