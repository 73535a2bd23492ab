"""What publishing dataset tables did, for checks, metadata and people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from itertools import chain
from typing import Any

from kmflow_orchestration.converters.interface import ConversionWarning, Receipt
from kmflow_orchestration.converters.staging import ConvertedItem, Outcome
from kmflow_orchestration.intake.ledger import Batch, Item
from kmflow_orchestration.metadata.dataset_drift import DatasetDrift
from kmflow_orchestration.metadata.dataset_tables import DatasetPart
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.correction_plans import CorrectionPlan, correction_sentence
from kmflow_orchestration.operations.dataset_writing import WrittenTable, WrittenTables

_MOST_COLUMNS = 50


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
    """The receipt of one converted table; `source` is its file, with the sheet of a workbook.

    `corrections` are those of its file that meant something to its reader, in words. `table` is the
    dataset table it went to, `columns` are names and types of its own. `size_bytes` and `seconds`
    are of the whole file, `warnings` how many there are about the table.
    """

    item_id: str
    source: str
    receipt: Receipt
    corrections: tuple[str, ...] = ()
    table: str = ""
    columns: tuple[tuple[str, str], ...] = ()
    size_bytes: int = 0
    seconds: float = 0.0
    warnings: int = 0

    @property
    def adds_up(self) -> bool:
        return self.receipt.adds_up

    def summary(self) -> dict[str, Any]:
        """For people and for JSON; of many columns the first."""
        corrections = {"corrections": list(self.corrections)} if self.corrections else {}
        return {
            "source": self.source,
            "table": self.table,
            **asdict(self.receipt),
            **corrections,
            "columns": len(self.columns),
            "types": dict(self.columns[:_MOST_COLUMNS]),
            "size_bytes": self.size_bytes,
            "seconds": round(self.seconds, 3),
            "warnings": self.warnings,
        }

    def __str__(self) -> str:
        receipt = self.receipt
        return (
            f"{self.source}: {receipt.rows_written:,} rows, {len(self.columns)} columns into "
            f"{self.table}; {receipt.rows_rejected:,} rejected, {self.warnings} warnings; "
            f"{self.size_bytes:,} bytes, {self.seconds:.1f} s, sha256 {receipt.content_hash}"
        )


@dataclass(frozen=True, slots=True)
class PublishedDatasets:
    """What the batches of one day did to dataset tables; each table stands once.

    `converted`, `no_converter` and `ignored` count files. `corrections` are those that had an
    effect on a file or table, in words. `drift` tells which columns these batches changed, now or
    when they were first written.
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
    ignored: int = 0
    corrections: tuple[str, ...] = ()
    drift: tuple[DatasetDrift, ...] = ()

    @property
    def rows_written(self) -> int:
        return sum(table.rows_written for table in self.tables)

    @property
    def rows_rescued(self) -> int:
        """Rows with fields that have no column."""
        return sum(receipt.receipt.rows_rescued for receipt in self.receipts)

    @property
    def rows_rejected(self) -> int:
        return sum(receipt.receipt.rows_rejected for receipt in self.receipts)

    @property
    def size_bytes(self) -> int:
        """Of the files that became tables; one of several tables counts once."""
        return sum({one.item_id: one.size_bytes for one in self.receipts}.values())

    @property
    def seconds(self) -> float:
        """What converting them took, one beside the other or not."""
        return sum({one.item_id: one.seconds for one in self.receipts}.values())

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
            self.ignored + later.ignored,
            tuple(dict.fromkeys(self.corrections + later.corrections)),
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


def batch_summary(
    batch: Batch,
    items: Sequence[Item],
    converted: Mapping[str, ConvertedItem],
    written: WrittenTables,
    plan: CorrectionPlan,
    *,
    parts: Iterable[DatasetPart],
) -> PublishedDatasets:
    """What one batch did; `parts` are those of its items."""
    full_names = {one.name: one.table.text for one in written.tables}
    tables = {part.key: full_names.get(part.table_name, part.table_name) for part in parts}
    sizes = {item.item_id: item.size_bytes for item in items}
    names = {item.item_id: item.file_name for item in items}
    found = [converted[item.item_id] for item in items if item.item_id in converted]
    outcomes = Counter(item.outcome for item in found)
    effective = {
        item.item_id: plan.of(item).effective(converted[item.item_id].told)
        for item in items
        if item.item_id in converted
    }
    types = [one for table in written.tables for one in plan.types_of(table.name).values()]
    return PublishedDatasets(
        GroupId(batch.group_id),
        batch.day,
        (batch.batch_id,),
        written.tables,
        converted=outcomes[Outcome.CONVERTED],
        no_converter=outcomes[Outcome.NO_CONVERTER],
        quarantined=tuple(
            QuarantinedItem(item.item_id, names[item.item_id], item.code, item.message)
            for item in found
            if item.outcome is Outcome.QUARANTINED
        ),
        receipts=tuple(
            ItemReceipt(
                item.item_id,
                _source_name(names[item.item_id], table.part),
                table.receipt,
                tuple(map(correction_sentence, effective[item.item_id])),
                table=tables.get((item.item_id, table.part), ""),
                columns=tuple((name, kind.sql) for name, kind in table.types.items()),
                size_bytes=sizes[item.item_id],
                seconds=item.seconds,
                warnings=len(table.warnings),
            )
            for item in found
            for table in item.tables
        ),
        warnings=(
            *(
                ItemWarning(item.item_id, names[item.item_id], warning)
                for item in found
                for warning in dict.fromkeys(_warnings(item))
            ),
            *(ItemWarning(key, names[key], warning) for key, warning in written.misfits),
        ),
        ignored=outcomes[Outcome.IGNORED],
        corrections=tuple(
            dict.fromkeys(map(correction_sentence, chain(*effective.values(), types))),
        ),
    )


def _source_name(file_name: str, part: str) -> str:
    return f"{file_name} [{part}]" if part else file_name


def _warnings(converted: ConvertedItem) -> Iterator[ConversionWarning]:
    yield from converted.warnings
    for table in converted.tables:
        yield from table.warnings
