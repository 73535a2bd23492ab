"""Structured evidence into dataset tables, batch by batch (design AD3, AD9)."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.converters.staging import ConvertedItem, Outcome
from kmflow_orchestration.errors import BackendUnreachable, StorageUnavailable
from kmflow_orchestration.intake.corrections import CorrectionStore
from kmflow_orchestration.intake.ledger import Batch, Item, Ledger, State, Step
from kmflow_orchestration.intake.stage_log import StageTally
from kmflow_orchestration.metadata.dataset_tables import DatasetTables
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.batch_members import are_live, write_all
from kmflow_orchestration.operations.convert_evidence import (
    Convert,
    OnProgress,
    StoredSource,
    convert_items,
)
from kmflow_orchestration.operations.correction_plans import CorrectionPlan, correction_plan
from kmflow_orchestration.operations.dataset_writing import (
    DatasetWriter,
    WrittenTable,
    WrittenTables,
)
from kmflow_orchestration.operations.publish_bronze import write_ingestion_log
from kmflow_orchestration.operations.published_datasets import PublishedDatasets, batch_summary
from kmflow_orchestration.storage.evidence_stores import (
    EvidenceStores,
    StoredFiles,
    raise_first,
)
from kmflow_orchestration.storage.interfaces import Lakehouse

OnWritten = Callable[[str, tuple[WrittenTable, ...]], None]


def publish_datasets(
    group: GroupId,
    day: date,
    *,
    ledger: Ledger,
    stores: EvidenceStores,
    lakehouse: Lakehouse,
    registry: DatasetTables,
    corrections: CorrectionStore,
    config: GroupConfig,
    workers: int,
    work_dir: Path,
    on_written: OnWritten,
    on_progress: OnProgress | None = None,
) -> PublishedDatasets:
    """Convert a day's batches and write their dataset tables; a repeated call writes the same.

    A column has the narrowest type that holds every value of every live item, so the order of
    arrival decides nothing. What cannot be converted is quarantined and leaves its batch. Each
    batch is finished by itself: a fault leaves it, and those after it, for the next call. Items
    whose backend is away are left out; what can be written is, and the call then fails for them.
    A batch is finished by the `corrections` that hold at its end; what was written by older ones
    is written again.
    `work_dir` holds a copy and a staging file of what is being converted, and is emptied again.
    `on_written` hears which tables a batch changed before the batch is finished, and nothing of a
    replay, which changes none. `on_progress` hears of files that take long, see `convert_items`.

    Raises:
        BackendUnreachable: all else was written, and their batches are left unfinished.
        StorageUnavailable: stored bytes could not be read.
        RemoteFault: a statement failed after our own retries.
    """
    published = PublishedDatasets(group, day)
    convert = partial(
        convert_items, stored=StoredFiles(stores), workers=workers, on_progress=on_progress
    )
    publishing = _Publishing(
        group, ledger, lakehouse, registry, corrections, config, convert, work_dir, on_written
    )
    away: list[BackendUnreachable] = []
    for batch in ledger.batches(group, day, Step.DATASETS):
        found, missing = publishing.publish(batch)
        published += found
        away += missing
    raise_first(away)
    return published


@dataclass(frozen=True, slots=True)
class _Publishing:
    """Publishes one batch after the other."""

    group: GroupId
    ledger: Ledger
    lakehouse: Lakehouse
    registry: DatasetTables
    corrections: CorrectionStore
    config: GroupConfig
    convert: Convert
    work_dir: Path
    on_written: OnWritten

    def publish(self, batch: Batch) -> tuple[PublishedDatasets, tuple[BackendUnreachable, ...]]:
        """What was written, and why the batch is not finished; the batch is measured."""
        measured = self.ledger.stages.measured(
            self.group, batch.batch_id, day=batch.day, stage=Step.DATASETS
        )
        with measured as tally:
            published, problems = self._published(batch, tally)
            tally.failed(problems)
            tally.output_count = sum(one.receipt.rows_written for one in published.receipts)
        return published, problems

    def _published(
        self, batch: Batch, tally: StageTally
    ) -> tuple[PublishedDatasets, tuple[BackendUnreachable, ...]]:
        while True:
            # First their number: what is changed after it makes this try one too few.
            seen = self.corrections.last_number(self.group)
            plan = correction_plan(self.corrections.all(self.group), self.group, self.registry)
            published, problems = self._tried(batch, plan, tally)
            if problems or self.corrections.finish(self.group, batch.batch_id, seen):
                return published, problems

    def _tried(
        self, batch: Batch, plan: CorrectionPlan, tally: StageTally
    ) -> tuple[PublishedDatasets, tuple[BackendUnreachable, ...]]:
        group, ledger = self.group, self.ledger
        while True:
            items = ledger.items(group, batch.batch_id)
            tally.came_in(item for item in items if _counts(item))
            converted, written = self._written(batch, items, plan)
            if are_live(group, batch.batch_id, ledger, _marks(converted)):
                break
        ledger.mark_all_converted(group, _marks(converted))
        away = _unreachable(items, converted)
        log = partial(
            write_ingestion_log, batch, lakehouse=self.lakehouse, config=self.config, away=away
        )
        logged = write_all(group, batch.batch_id, ledger, log)
        tally.came_in(item for item in logged if _counts(item))
        tally.refused(logged)
        if not batch.is_finished(Step.DATASETS):
            self.on_written(batch.batch_id, written.tables)
        problems = (*away.values(), *written.stuck.values())
        parts = self.registry.of_items(group, converted)
        summary = batch_summary(batch, items, converted, written, plan, parts=parts)
        drift = self.registry.drift.of_batches(group, [batch.batch_id])
        return replace(summary, drift=tuple(drift)), problems

    def _written(
        self, batch: Batch, items: Sequence[Item], plan: CorrectionPlan
    ) -> tuple[dict[str, ConvertedItem], WrittenTables]:
        """Convert the live ones of a batch's items and write their tables."""
        folder = self.work_dir / batch.batch_id
        live = [item for item in items if item.is_live]
        plans = {item.item_id: plan.of(item) for item in live}
        ignored = {key for key, one in plans.items() if one.is_ignored}
        sources = [
            StoredSource.of(item, plans[item.item_id].reading)
            for item in live
            if item.item_id not in ignored
        ]
        try:
            converted = self.convert(sources, work_dir=folder)
            converted |= {key: ConvertedItem(key, Outcome.IGNORED) for key in sorted(ignored)}
            _check_bytes(live, converted)
            _quarantine(self.group, self.ledger, converted)
            writer = DatasetWriter(
                self.group,
                self.ledger,
                self.lakehouse,
                self.registry,
                self.config,
                self.convert,
                folder,
                plan,
            )
            return converted, writer.write(batch, items, converted)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _counts(item: Item) -> bool:
    """Whether conversion is about an item, also one that it refused before."""
    return item.is_live or item.state is State.QUARANTINED


def _unreachable(
    items: Sequence[Item], converted: Mapping[str, ConvertedItem]
) -> dict[str, BackendUnreachable]:
    """Items that were left out, each with what is wrong with its backend."""
    return {
        item.item_id: BackendUnreachable(
            item.backend,
            f"{item.file_name} of {item.engagement_id}: {converted[item.item_id].message}",
            hint="bring its settings and credentials back and run the day again, or its files: "
            f"kmflow rollback plan --group {item.group_id}",
        )
        for item in items
        if item.item_id in converted and converted[item.item_id].outcome is Outcome.UNREACHABLE
    }


def _check_bytes(items: Sequence[Item], converted: Mapping[str, ConvertedItem]) -> None:
    """What was converted is what intake hashed: a damaged store must not become a table."""
    for item in items:
        for table in converted[item.item_id].tables:
            if table.receipt.content_hash != item.content_hash:
                raise StorageUnavailable(
                    f"{item.stored_path} does not hold what was stored",
                    hint="restore the file, or drop it into landing again under another name",
                )


def _quarantine(group: GroupId, ledger: Ledger, converted: Mapping[str, ConvertedItem]) -> None:
    """Before anything is written: what is written are the batch's live members."""
    for item in converted.values():
        if item.outcome is Outcome.QUARANTINED:
            ledger.quarantine_item(group, item.item_id, item.code, item.message)


def _marks(converted: Mapping[str, ConvertedItem]) -> dict[str, tuple[str, bool]]:
    """What the ledger is told of each item that was looked into and not quarantined."""
    return {
        item.item_id: (item.converter_version, item.outcome is Outcome.NO_CONVERTER)
        for item in converted.values()
        if item.outcome in {Outcome.CONVERTED, Outcome.NO_CONVERTER, Outcome.IGNORED}
    }
