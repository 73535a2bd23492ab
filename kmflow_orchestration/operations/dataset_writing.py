"""The dataset tables that one batch touches: rows in, columns widened, superseded rows out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.converters.archives.member_names import file_name_of
from kmflow_orchestration.converters.interface import ConversionWarning
from kmflow_orchestration.converters.receipt_words import MEMBER, MEMBER_PART
from kmflow_orchestration.converters.staging import ConvertedItem, Outcome, StagedTable
from kmflow_orchestration.converters.type_lattice import ColumnType
from kmflow_orchestration.errors import BackendUnreachable, CorruptInput
from kmflow_orchestration.intake.ledger import Batch, Item, Ledger
from kmflow_orchestration.metadata.dataset_drift import DatasetDrift
from kmflow_orchestration.metadata.dataset_tables import DatasetPart, DatasetTables, PartColumn
from kmflow_orchestration.names import EngagementId, GroupId, TableName
from kmflow_orchestration.operations.asked_types import looked_at
from kmflow_orchestration.operations.convert_evidence import Convert, StoredSource
from kmflow_orchestration.operations.correction_plans import CorrectionPlan
from kmflow_orchestration.operations.correction_receipts import about_corrections, reading_of
from kmflow_orchestration.operations.dataset_evolution import ColumnChange, column_changes
from kmflow_orchestration.operations.dataset_names import shared_key, table_names
from kmflow_orchestration.operations.dataset_rows import (
    PartRows,
    can_widen,
    have_same_types,
    needed_types,
    rows_of,
    staged_types,
    table_columns,
)
from kmflow_orchestration.operations.undecided_columns import UNDECIDED, undecided_in
from kmflow_orchestration.storage.interfaces import Lakehouse
from kmflow_orchestration.tables.arrow_types import arrow_schema
from kmflow_orchestration.tables.definition import Column, TableDefinition
from kmflow_orchestration.tables.medallion import BATCH_COLUMN, DATASET_EVIDENCE_COLUMN

PartKey = tuple[str, str]
"""Item id and part."""


@dataclass(frozen=True, slots=True)
class WrittenTable:
    """A dataset table that a batch wrote to.

    `rows_written` counts the rows of this write, `rows_total` all that live items have in it;
    `rebuilt` says that its columns or types changed. `columns` are names and Spark SQL types.
    `left_out` are files it had to be written without, because their backend is away.
    """

    table: TableName
    engagement: EngagementId
    rows_written: int
    rows_total: int
    rebuilt: bool
    columns: tuple[tuple[str, str], ...]
    left_out: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.table.name


@dataclass(frozen=True, slots=True)
class WrittenTables:
    """What became of the tables of a batch.

    `stuck` are those that were left as they are, by name: rows would have gone whose file cannot
    be read again now. `misfits` are about columns by item: not of the type that was set for them.
    """

    tables: tuple[WrittenTable, ...]
    stuck: Mapping[str, BackendUnreachable]
    misfits: tuple[tuple[str, ConversionWarning], ...] = ()


@dataclass(frozen=True, slots=True)
class DatasetWriter:
    """Writes the tables of one batch after the other.

    The registry learns of new parts before a table is written and forgets old ones after: whatever
    the moment of a crash, the next run finds every table that must change, and asks the table
    itself whether its columns are right.
    """

    group: GroupId
    ledger: Ledger
    lakehouse: Lakehouse
    registry: DatasetTables
    config: GroupConfig
    convert: Convert
    work_dir: Path
    plan: CorrectionPlan

    def write(
        self, batch: Batch, items: Sequence[Item], converted: Mapping[str, ConvertedItem]
    ) -> WrittenTables:
        """Write every table that gets, changes or loses rows by this batch.

        `items` are all of the batch, whatever became of them; `converted` those that live. Of an
        item that is unreachable all stays as it is.

        Raises:
            StorageUnavailable: the bytes of an older item in the active backend could not be read.
            RemoteFault: a statement failed after our own retries.
        """
        staged = _by_key(converted)
        by_id = {item.item_id: item for item in items}
        parts = [
            self._part(by_id[item_id], table, converted[item_id])
            for (item_id, _), table in staged.items()
        ]
        away = {
            key: BackendUnreachable(by_id[key].backend, one.message)
            for key, one in converted.items()
            if one.outcome is Outcome.UNREACHABLE
        }
        known = self.registry.of_items(self.group, {*batch.replaced_item_ids, *by_id} - away.keys())
        left = _left(known, parts)
        # Rows that must go, with their tables: those of replaced items, of members that have no
        # rows any more, those that an item has no longer, and those that went to another table.
        gone = {part.key: part.table_name for part in (*known, *left) if part.key not in staged}
        self.registry.record(self.group, [*left, *parts])
        work = _Work(batch, staged, frozenset(gone), away)
        names = {part.table_name for part in parts} | set(gone.values())
        written: list[WrittenTable] = []
        stuck: dict[str, BackendUnreachable] = {}
        for name in sorted(names):
            try:
                written.append(self._settled_table(name, work))
            except BackendUnreachable as error:
                stuck[name] = error
        self.registry.remove(self.group, (key for key, name in gone.items() if name not in stuck))
        return WrittenTables(tuple(written), stuck, tuple(_misfits(parts, self.plan)))

    def _part(self, item: Item, table: StagedTable, converted: ConvertedItem) -> DatasetPart:
        engagement = EngagementId(item.engagement_id)
        file_name, part = _origin(item, table)
        plan = self.plan.of(item)
        key = shared_key(part) if table.is_shared else plan.dataset_key(file_name, part)
        names = table_names(engagement, key)
        name = self.registry.table_name(self.group, engagement, key, names)
        words = self.plan.words_of(name)
        undecided = undecided_in(table)
        columns = (
            PartColumn(fact.name, fact.source_name, fact.type.text, fact.null_count)
            for fact in table.facts
        )
        return DatasetPart(
            group_id=self.group,
            item_id=item.item_id,
            part=table.part,
            engagement_id=engagement,
            table_name=name,
            batch_id=item.batch_id,
            received_on=item.received_on,
            file_name=item.file_name,
            media_type=item.media_type,
            content_hash=item.content_hash,
            columns=tuple(
                looked_at(one, words[one.name], table) if one.name in words else one
                for one in columns
            ),
            row_count=table.receipt.rows_written,
            receipt={
                **asdict(table.receipt),
                **about_corrections(self.plan, plan, name, converted.told),
                **({UNDECIDED: undecided} if undecided else {}),
            },
        )

    def _settled_table(self, name: str, work: _Work) -> WrittenTable:
        """Writes a table until no other run, of another day, has added to it meanwhile.

        A rebuild writes the rows of every day: one that did not know of the other run's parts
        would have taken their rows away.
        """
        must_rebuild = False
        while True:
            known = self.registry.of_table(self.group, name)
            written = self._write_table(name, known, work, must_rebuild=must_rebuild)
            if self.registry.of_table(self.group, name) == known:
                return written
            must_rebuild = written.rebuilt

    def _write_table(
        self, name: str, known: Sequence[DatasetPart], work: _Work, *, must_rebuild: bool
    ) -> WrittenTable:
        table = self.config.namespace.bronze(name)
        # What was deleted has no bytes to be converted again, even before its own batch is written.
        deleted = self.registry.deleted_items(self.group, name)
        live = [
            part
            for part in known
            if part.key not in work.gone and part.item_id not in deleted and not part.has_left
        ]
        actual = self.lakehouse.columns(table)
        types = needed_types(live, self.plan.words_of(name))
        columns = table_columns(live, types) if live else actual
        left_out: list[DatasetPart] = []
        if columns is None:
            # The last live item went before the table was ever made: there is nothing to empty.
            columns, rows, fits = (), 0, True
        else:
            mine = [part for part in live if part.batch_id == work.batch.batch_id]
            is_right = (
                len(mine) == len(live) if actual is None else have_same_types(columns, actual)
            )
            fits = is_right and not must_rebuild
            wanted = mine if fits else live
            with self._staged(wanted, types, work) as staged:
                had = {one.part.key for one in staged}
                left_out = [part for part in wanted if part.key not in had]
                if actual is not None:
                    self._keep_rows_of(left_out, table, work)
                changes = column_changes(
                    actual, columns, known=known, live=live, batch_id=work.batch.batch_id
                )
                self._note_drift(known, changes, work)
                write = self._replace if fits else self._rebuild
                rows = write(table, columns, rows_of(staged, columns, types), work)
        return WrittenTable(
            table,
            EngagementId(known[0].engagement_id),
            rows_written=rows,
            rows_total=sum(part.row_count for part in live if part not in left_out),
            rebuilt=not fits,
            columns=tuple((column.name, column.type) for column in columns),
            left_out=tuple(sorted(part.file_name for part in left_out)),
        )

    def _note_drift(
        self, known: Sequence[DatasetPart], changes: Sequence[ColumnChange], work: _Work
    ) -> None:
        """Before the table is written: a write that is repeated finds nothing to tell."""
        at = self.ledger.clock.now()
        found = [
            DatasetDrift(
                table_name=known[0].table_name,
                engagement_id=known[0].engagement_id,
                item_id=one.part.item_id if one.part else "",
                file_name=one.part.file_name if one.part else "",
                batch_id=work.batch.batch_id,
                at=at,
                kind=one.kind,
                column_name=one.column,
                old_type=one.old,
                new_type=one.new,
            )
            for one in changes
        ]
        self.registry.drift.record(self.group, found)

    def _keep_rows_of(self, left_out: Sequence[DatasetPart], table: TableName, work: _Work) -> None:
        """Raises BackendUnreachable if the table has rows that would be gone after this write."""
        if not left_out:
            return
        query = f"SELECT DISTINCT {DATASET_EVIDENCE_COLUMN} FROM {table.sql}"
        found = set(self.lakehouse.query(query).column(0).to_pylist())
        for part in left_out:
            if part.item_id in found:
                raise work.away[part.item_id]

    def _rebuild(
        self,
        table: TableName,
        columns: Sequence[Column],
        rows: Iterator[pa.RecordBatch],
        work: _Work,
    ) -> int:
        return self.lakehouse.rebuild(table, columns, rows, schema=arrow_schema(columns))

    def _replace(
        self,
        table: TableName,
        columns: Sequence[Column],
        rows: Iterator[pa.RecordBatch],
        work: _Work,
    ) -> int:
        definition = TableDefinition("bronze", table.name, tuple(columns), comment="Dataset")
        self.lakehouse.ensure_table(table, definition)
        replaced = {*work.batch.replaced_item_ids, *(item_id for item_id, _ in work.gone)}
        matching = {
            BATCH_COLUMN: [work.batch.batch_id],
            DATASET_EVIDENCE_COLUMN: sorted(replaced),
        }
        return self.lakehouse.replace(table, rows, schema=arrow_schema(columns), matching=matching)

    @contextmanager
    def _staged(
        self, parts: Sequence[DatasetPart], types: Mapping[str, ColumnType], work: _Work
    ) -> Iterator[list[PartRows]]:
        """Staging files that hold these parts as the table's types need them.

        What this batch staged serves as it is, or widened. A column that became text needs the
        text of its source, and older items are not staged at all: both are converted again. A
        part whose backend is away is not among them.
        """
        staged = {
            part.key: work.staged[part.key]
            for part in parts
            if part.key in work.staged
            and can_widen(work.staged[part.key], staged_types(part, types))
        }
        missing = [
            part for part in parts if part.key not in staged and part.item_id not in work.away
        ]
        folder = self.work_dir / "again"
        try:
            staged.update(self._converted_again(missing, types, folder, work))
            yield [PartRows(part, staged[part.key].path) for part in parts if part.key in staged]
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _converted_again(
        self,
        parts: Sequence[DatasetPart],
        types: Mapping[str, ColumnType],
        folder: Path,
        work: _Work,
    ) -> dict[PartKey, StagedTable]:
        by_item: dict[str, list[DatasetPart]] = {}
        for part in parts:
            by_item.setdefault(part.item_id, []).append(part)
        # Where the bytes are is the item's to say: it may have been moved since.
        items = self.ledger.find_items(self.group, by_item)
        sources = [_source(items[key], some, types) for key, some in by_item.items()]
        converted = self.convert(sources, work_dir=folder)
        for key, outcome in converted.items():
            if outcome.outcome is Outcome.UNREACHABLE:
                work.away[key] = BackendUnreachable(items[key].backend, outcome.message)
        found = _by_key(converted)
        for part in parts:
            if part.key not in found and part.item_id not in work.away:
                raise CorruptInput(
                    f"{part.file_name} cannot be converted again: "
                    f"{converted[part.item_id].message or 'its table is gone'}",
                    hint=f"its stored bytes lie in {items[part.item_id].stored_path}",
                )
        return found


def _by_key(converted: Mapping[str, ConvertedItem]) -> dict[PartKey, StagedTable]:
    return {
        (item_id, table.part): table
        for item_id, outcome in converted.items()
        for table in outcome.tables
    }


def _origin(item: Item, table: StagedTable) -> tuple[str, str]:
    """The file whose table it is, and the part: a file in an archive stands for itself."""
    about = table.receipt.options
    if MEMBER not in about:
        return item.file_name, table.part
    return file_name_of(about[MEMBER]), about[MEMBER_PART]


def _left(known: Sequence[DatasetPart], parts: Sequence[DatasetPart]) -> list[DatasetPart]:
    """What stays known of parts that are another table's from now on."""
    tables = {part.key: part.table_name for part in parts}
    return [
        part.left_behind()
        for part in known
        if tables.get(part.key, part.table_name) != part.table_name
    ]


def _misfits(
    parts: Sequence[DatasetPart], plan: CorrectionPlan
) -> Iterator[tuple[str, ConversionWarning]]:
    """What to say of columns that are not of the type that was set for them."""
    for part in parts:
        for column in part.columns:
            if column.misfit:
                one = plan.types_of(part.table_name)[column.name]
                text = (
                    f"column {column.name} of {part.table_name} was to be {one.value}"
                    f" (correction {one.number} by {one.set_by}), which does not fit"
                    f" {column.misfit}; it has a type that holds all values"
                )
                where = column.misfit.partition(":")[0]
                yield part.item_id, ConversionWarning("type_not_kept", text, where)


def _source(
    item: Item, parts: Sequence[DatasetPart], types: Mapping[str, ColumnType]
) -> StoredSource:
    # As when its columns were found: what was corrected since has a batch to be done again.
    reading = reading_of(parts[0])
    return StoredSource.of(item, reading, {part.part: staged_types(part, types) for part in parts})


@dataclass(frozen=True, slots=True)
class _Work:
    """One batch: its staged tables, the parts that go, and items found to be out of reach."""

    batch: Batch
    staged: Mapping[PartKey, StagedTable]
    gone: frozenset[PartKey]
    away: dict[str, BackendUnreachable]
