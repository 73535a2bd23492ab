"""Structured evidence into dataset tables, batch by batch (design AD3, AD9)."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.converters.interface import ConversionWarning, Receipt
from kmflow_orchestration.converters.staging import ConvertedItem, Outcome
from kmflow_orchestration.errors import BackendUnreachable, StorageUnavailable
from kmflow_orchestration.intake.ledger import Batch, Item, Ledger, State, Step
from kmflow_orchestration.intake.stage_log import StageTally
from kmflow_orchestration.metadata.dataset_drift import DatasetDrift
from kmflow_orchestration.metadata.dataset_tables import DatasetTables
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.batch_members import are_live, write_all
from kmflow_orchestration.operations.convert_evidence import StoredSource, convert_items
from kmflow_orchestration.operations.dataset_writing import (
    DatasetWriter,
    WrittenTable,
    WrittenTables,
)
from kmflow_orchestration.operations.publish_bronze import write_ingestion_log
from kmflow_orchestration.storage.evidence_stores import (
    EvidenceStores,
    StoredFiles,
    raise_first,
)
from kmflow_orchestration.storage.interfaces import Lakehouse

OnWritten = Callable[[str, tuple[WrittenTable, ...]], None]


@dataclass(frozen=True, slots=True)
class QuarantinedItem:
    """An item whose content could not be converted."""

    item_id: str
    file_name: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class ItemWarning:
    """A warning about one item's content."""

    item_id: str
    file_name: str
    warning: ConversionWarning


@dataclass(frozen=True, slots=True)
class ItemReceipt:
    """The receipt of one converted table; `source` is its file, with the sheet of a workbook."""

    item_id: str
    source: str
    receipt: Receipt

    @property
    def adds_up(self) -> bool:
        return self.receipt.adds_up

    def summary(self) -> dict[str, Any]:
        """For people and for JSON."""
        return {"source": self.source, **asdict(self.receipt)}


@dataclass(frozen=True, slots=True)
class PublishedDatasets:
    """What the batches of one day did to dataset tables; each table stands once.

    `converted` and `no_converter` count files. `drift` tells which columns these batches changed,
    now or when they were first written.
    """

    group: GroupId
    day: date
    batches: tuple[str, ...] = ()
    tables: tuple[WrittenTable, ...] = ()
    converted: int = 0
    no_converter: int = 0
    quarantined: tuple[QuarantinedItem, ...] = ()
    receipts: tuple[ItemReceipt, ...] = ()
    warnings: tuple[ItemWarning, ...] = ()
    drift: tuple[DatasetDrift, ...] = ()

    @property
    def rows_written(self) -> int:
        return sum(table.rows_written for table in self.tables)

    @property
    def rows_rescued(self) -> int:
        """Rows with fields that have no column."""
        return sum(receipt.receipt.rows_rescued for receipt in self.receipts)

    def __add__(self, later: PublishedDatasets) -> PublishedDatasets:
        return PublishedDatasets(
            self.group,
            self.day,
            self.batches + later.batches,
            _joined(self.tables, later.tables),
            self.converted + later.converted,
            self.no_converter + later.no_converter,
            self.quarantined + later.quarantined,
            self.receipts + later.receipts,
            self.warnings + later.warnings,
            self.drift + later.drift,
        )


def _joined(
    earlier: tuple[WrittenTable, ...], later: tuple[WrittenTable, ...]
) -> tuple[WrittenTable, ...]:
    """Each table as the later batch left it, with the rows and rebuilds of both."""
    found = {table.name: table for table in earlier}
    for table in later:
        before = found.get(table.name)
        if before is not None:
            rows = before.rows_written + table.rows_written
            table = replace(table, rows_written=rows, rebuilt=before.rebuilt or table.rebuilt)  # noqa: PLW2901
        found[table.name] = table
    return tuple(found[name] for name in sorted(found))


def publish_datasets(
    group: GroupId,
    day: date,
    *,
    ledger: Ledger,
    stores: EvidenceStores,
    lakehouse: Lakehouse,
    registry: DatasetTables,
    config: GroupConfig,
    workers: int,
    work_dir: Path,
    on_written: OnWritten,
) -> PublishedDatasets:
    """Convert a day's batches and write their dataset tables; a repeated call writes the same.

    A column has the narrowest type that holds every value of every live item, so the order of
    arrival decides nothing. What cannot be converted is quarantined and leaves its batch. Each
    batch is finished by itself: a fault leaves it, and those after it, for the next call. Items
    whose backend is away are left out; what can be written is, and the call then fails for them.
    `work_dir` holds a copy and a staging file of what is being converted, and is emptied again.
    `on_written` hears which tables a batch changed before the batch is finished, and nothing of a
    replay, which changes none.

    Raises:
        BackendUnreachable: all else was written, and their batches are left unfinished.
        StorageUnavailable: stored bytes could not be read.
        RemoteFault: a statement failed after our own retries.
    """
    published = PublishedDatasets(group, day)
    stored = StoredFiles(stores)
    publishing = _Publishing(
        group, ledger, stored, lakehouse, registry, config, workers, work_dir, on_written
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
    stored: StoredFiles
    lakehouse: Lakehouse
    registry: DatasetTables
    config: GroupConfig
    workers: int
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
        group, ledger = self.group, self.ledger
        while True:
            items = ledger.items(group, batch.batch_id)
            tally.came_in(item for item in items if _counts(item))
            converted, written = self._written(batch, items)
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
        if not problems:
            ledger.finish_step(group, batch.batch_id, Step.DATASETS)
        summary = _summary(group, batch, items, converted, written.tables)
        drift = self.registry.drift.of_batches(group, [batch.batch_id])
        return replace(summary, drift=tuple(drift)), problems

    def _written(
        self, batch: Batch, items: Sequence[Item]
    ) -> tuple[dict[str, ConvertedItem], WrittenTables]:
        """Convert the live ones of a batch's items and write their tables."""
        folder = self.work_dir / batch.batch_id
        live = [item for item in items if item.is_live]
        sources = [_source(item) for item in live]
        try:
            converted = convert_items(sources, self.stored, workers=self.workers, work_dir=folder)
            _check_bytes(live, converted)
            _quarantine(self.group, self.ledger, converted)
            writer = DatasetWriter(
                self.group,
                self.ledger,
                self.stored,
                self.lakehouse,
                self.registry,
                self.config,
                self.workers,
                folder,
            )
            return converted, writer.write(batch, items, converted)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _counts(item: Item) -> bool:
    """Whether conversion is about an item, also one that it refused before."""
    return item.is_live or item.state is State.QUARANTINED


def _source(item: Item) -> StoredSource:
    return StoredSource(
        item.item_id, item.file_name, item.stored_path, item.backend, item.media_type
    )


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
        if item.outcome in {Outcome.CONVERTED, Outcome.NO_CONVERTER}
    }


def _summary(
    group: GroupId,
    batch: Batch,
    items: Sequence[Item],
    converted: Mapping[str, ConvertedItem],
    tables: tuple[WrittenTable, ...],
) -> PublishedDatasets:
    names = {item.item_id: item.file_name for item in items}
    found = [converted[item.item_id] for item in items if item.item_id in converted]
    outcomes = Counter(item.outcome for item in found)
    return PublishedDatasets(
        group,
        batch.day,
        (batch.batch_id,),
        tables,
        converted=outcomes[Outcome.CONVERTED],
        no_converter=outcomes[Outcome.NO_CONVERTER],
        quarantined=tuple(
            QuarantinedItem(item.item_id, names[item.item_id], item.code, item.message)
            for item in found
            if item.outcome is Outcome.QUARANTINED
        ),
        receipts=tuple(
            ItemReceipt(item.item_id, _source_name(names[item.item_id], table.part), table.receipt)
            for item in found
            for table in item.tables
        ),
        warnings=tuple(
            ItemWarning(item.item_id, names[item.item_id], warning)
            for item in found
            for warning in dict.fromkeys(_warnings(item))
        ),
    )


def _source_name(file_name: str, part: str) -> str:
    return f"{file_name} [{part}]" if part else file_name


def _warnings(converted: ConvertedItem) -> Iterator[ConversionWarning]:
    yield from converted.warnings
    for table in converted.tables:
        yield from table.warnings
