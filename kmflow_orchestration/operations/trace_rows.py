"""From rows of a group's tables to file, part and row of the evidence they came from (CD-N2)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from kmflow_orchestration.access.caller import Caller
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.converters.cell_addresses import cell_address
from kmflow_orchestration.intake.file_history import FileHistory, FileRecord
from kmflow_orchestration.intake.ledger import Item, Ledger
from kmflow_orchestration.metadata.dataset_tables import DatasetPart, DatasetTables
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.source_rows import SourceReader, SourceRow
from kmflow_orchestration.operations.traced_table import (
    PART_COLUMN,
    ROW_COLUMN,
    TracedTable,
    traced_table,
)
from kmflow_orchestration.storage.evidence_stores import EvidenceStores, StoredFiles
from kmflow_orchestration.storage.interfaces import Lakehouse
from kmflow_orchestration.tables.medallion import SILVER_EVIDENCE_FRAGMENTS

MAX_ROWS = 1000
_FRAGMENT, _ABOUT = "fragment_id", "metadata_json"


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedFile:
    """The evidence a row came from; `version` of so many `versions` its landing path had.

    `run` is the Dagster run that stored it, '' for a process outside of one.
    """

    item_id: str
    engagement_id: str
    landing_path: str
    file_name: str
    version: int
    versions: int
    content_hash: str
    size_bytes: int
    received_on: date
    stored_at: datetime
    state: str
    backend: str
    stored_path: str
    batch_id: str
    run: str
    converter_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedRow:
    """A row of a table and where it came from.

    `part` and `row` are of its file, `address` the cells of a workbook. `location` is the place of
    a text in its document. `receipt` says how that part was read, options that were asked for
    included.
    """

    values: Mapping[str, Any]
    item_id: str
    file: TracedFile | None
    part: str = ""
    row: int | None = None
    address: str = ""
    location: str = ""
    receipt: Mapping[str, Any] = field(default_factory=dict)
    source: SourceRow | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """Rows that fit; `has_more` says that there are others beyond the limit."""

    group: GroupId
    table: str
    rows: tuple[TracedRow, ...]
    has_more: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether each row's file is known, and its original could be read."""
        return all(one.file and not (one.source and one.source.problem) for one in self.rows)


def trace_rows(
    group: str,
    table: str,
    keys: Sequence[str],
    *,
    caller: Caller,
    config: GroupConfig,
    lakehouse: Lakehouse,
    ledger: Ledger,
    history: FileHistory,
    registry: DatasetTables,
    stores: EvidenceStores,
    workers: int,
    work_dir: Path,
    limit: int = 10,
) -> Trace:
    """Trace the rows that every key fits: `COLUMN=VALUE`, or `EVIDENCE_ID:PART:ROW`.

    The originals of traced dataset rows are read again, one after the other, in processes that
    may die for it. An original that is away is that row's problem alone.

    Raises:
        CallerRefused: the group is none of the caller's.
        InvalidSettings: there is no such table or column, a value is of another type, or rows of
            the table came from no file.
        RemoteFault: the table could not be read.
    """
    own = caller.require(Role.VIEWER, group)
    limit = min(max(limit, 1), MAX_ROWS)
    found = traced_table(table, config.namespace, lakehouse)
    sql, parameters = found.query(keys, limit + 1)
    rows = lakehouse.query(sql, {"group_id": own, **parameters}).to_pylist()
    tracing = _Tracing(own, found, ledger, history, registry, lakehouse, config)
    reader = SourceReader(StoredFiles(stores), workers, work_dir)
    return Trace(own, found.name.text, tracing.traced(rows[:limit], reader), len(rows) > limit)


@dataclass(frozen=True, slots=True)
class _Tracing:
    """One question: rows of one table of one group."""

    group: GroupId
    table: TracedTable
    ledger: Ledger
    history: FileHistory
    registry: DatasetTables
    lakehouse: Lakehouse
    config: GroupConfig

    def traced(
        self, rows: Sequence[Mapping[str, Any]], reader: SourceReader
    ) -> tuple[TracedRow, ...]:
        ids = [str(row[self.table.evidence_column]) for row in rows]
        items = self.ledger.find_items(self.group, ids)
        files = {key: self._file(item) for key, item in items.items()}
        if not self.table.is_dataset:
            told = self._locations(rows)
            return tuple(
                TracedRow(values=row, item_id=key, file=files.get(key), location=told.get(at, ""))
                for at, (key, row) in enumerate(zip(ids, rows, strict=True))
            )
        parts = self.registry.of_items(self.group, items)
        known = {part.key: part for part in parts}
        places = [
            (key, row[PART_COLUMN] or "", row[ROW_COLUMN])
            for key, row in zip(ids, rows, strict=True)
        ]
        sources = _sources(items, places, parts, reader)
        return tuple(
            _traced(row, place, files.get(place[0]), known.get(place[:2]), sources.get(place))
            for row, place in zip(rows, places, strict=True)
        )

    def _file(self, item: Item) -> TracedFile:
        record = self.history.of_path(self.group, item.landing_path)
        seen = list(dict.fromkeys(one.item_id for one in record.events if one.item_id))
        if item.item_id not in seen:  # from before histories were kept
            seen.insert(0, item.item_id)
        return TracedFile(
            item_id=item.item_id,
            engagement_id=item.engagement_id,
            landing_path=item.landing_path,
            file_name=item.file_name,
            version=seen.index(item.item_id) + 1,
            versions=len(seen),
            content_hash=item.content_hash,
            size_bytes=item.size_bytes,
            received_on=item.received_on,
            stored_at=item.stored_at,
            state=str(item.state),
            backend=item.backend,
            stored_path=item.stored_path,
            batch_id=item.batch_id,
            run=record.runs.get(_stored_in(item, record), ""),
            converter_version=item.converter_version,
        )

    def _locations(self, rows: Sequence[Mapping[str, Any]]) -> dict[int, str]:
        """Of rows that are texts, or were found in one: where in its document that stands."""
        about = {at: row.get(_ABOUT) for at, row in enumerate(rows) if _FRAGMENT in row}
        lacking = sorted({str(rows[at][_FRAGMENT]) for at, text in about.items() if text is None})
        if lacking:
            fragments = self.config.namespace.silver(SILVER_EVIDENCE_FRAGMENTS.name)
            names = {f"id_{at}": one for at, one in enumerate(lacking)}
            told = self.lakehouse.query(
                f"SELECT {_FRAGMENT}, {_ABOUT} FROM {fragments.sql} WHERE group_id = :group_id"
                f" AND {_FRAGMENT} IN ({', '.join(f':{name}' for name in names)})",
                {"group_id": self.group, **names},
            )
            by_id = {row[_FRAGMENT]: row[_ABOUT] for row in told.to_pylist()}
            about = {at: text or by_id.get(rows[at][_FRAGMENT]) for at, text in about.items()}
        return {at: _location(text) for at, text in about.items() if text}


def _stored_in(item: Item, record: FileRecord) -> str:
    """The batch that brought its bytes: a retry or a return puts it into another, without a run."""
    batches = (
        one.batch_id for one in record.events if one.item_id == item.item_id and one.batch_id
    )
    return next(batches, item.batch_id)


def _sources(
    items: Mapping[str, Item],
    places: Iterable[tuple[str, str, int]],
    parts: Sequence[DatasetPart],
    reader: SourceReader,
) -> dict[tuple[str, str, int], SourceRow]:
    wanted: dict[str, dict[str, set[int]]] = {}
    for key, part, row in places:
        wanted.setdefault(key, {}).setdefault(part, set()).add(row)
    found: dict[tuple[str, str, int], SourceRow] = {}
    for key, rows in wanted.items():
        if key not in items:
            continue
        item = items[key]
        if item.is_gone:
            gone = SourceRow(problem=f"{item.deleted_by} deleted the file")
            found |= {(key, part, row): gone for part in rows for row in rows[part]}
            continue
        own = [one for one in parts if one.item_id == key]
        for (part, row), source in reader.rows(item, rows, own).items():
            found[key, part, row] = source
    return found


def _traced(
    values: Mapping[str, Any],
    place: tuple[str, str, int],
    file: TracedFile | None,
    part: DatasetPart | None,
    source: SourceRow | None,
) -> TracedRow:
    receipt = dict(part.receipt) if part is not None else {}
    return TracedRow(
        values=values,
        item_id=place[0],
        file=file,
        part=place[1],
        row=place[2],
        address=cell_address(receipt.get("options") or {}, place[2]),
        receipt=receipt,
        source=source,
    )


def _location(about: str) -> str:
    told = json.loads(about)
    return ", ".join(str(told[name]) for name in ("location", "heading") if told.get(name))
