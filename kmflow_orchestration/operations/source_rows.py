"""Rows of an evidence item as they stand in its stored original, read again by its converter."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute

from kmflow_orchestration.converters.delimited_lines import RawRecord, raw_records
from kmflow_orchestration.converters.interface import RESCUED_DATA, SOURCE_ROW
from kmflow_orchestration.converters.media_types import PACKED
from kmflow_orchestration.converters.receipt_words import MEMBER
from kmflow_orchestration.converters.staged_files import numbered_batches
from kmflow_orchestration.converters.staging import (
    ConvertedItem,
    Outcome,
    ReadsOtherwise,
    StagedTable,
)
from kmflow_orchestration.converters.type_lattice import STRING
from kmflow_orchestration.errors import AccessRefused, RemoteFault
from kmflow_orchestration.intake.ledger import Item
from kmflow_orchestration.metadata.dataset_tables import DatasetPart
from kmflow_orchestration.operations.convert_evidence import StoredSource, convert_items
from kmflow_orchestration.operations.correction_receipts import reading_of
from kmflow_orchestration.storage.evidence_stores import StoredFiles

# Its stubs know only some of the types its functions take.
pc: Any = pyarrow.compute

_SHOWN = 10_000
_DELIMITED = "delimited"

Rows = Mapping[str, Collection[int]]
"""By part, numbers of rows."""


@dataclass(frozen=True, slots=True)
class SourceCell:
    """A cell: the table's column, the header it has in the source, and the text as it stands.

    Of a text beyond 10 000 characters the rest is `left_out`, in characters.
    """

    column: str
    header: str
    text: str | None
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class SourceLine:
    """The text of a row in a delimited file, and the line it begins on, from 1."""

    number: int
    text: str
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row of the original; without cells `problem` says why it could not be read."""

    cells: tuple[SourceCell, ...] = ()
    rescued: str = ""
    line: SourceLine | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class SourceReader:
    """Reads originals of one group; not more than a batch of rows of a file is held at a time."""

    stored: StoredFiles
    workers: int
    work_dir: Path

    def rows(
        self, item: Item, wanted: Rows, parts: Iterable[DatasetPart]
    ) -> dict[tuple[str, int], SourceRow]:
        """Rows by part and number, each there; of `parts` the columns are taken."""
        known = [part for part in parts if not part.has_left]
        columns = {part.part: [column.name for column in part.columns] for part in known}
        # As it was told to be read when its rows were written: by now others may hold.
        reading = next((found for part in known if (found := reading_of(part))), None)
        try:
            return self._read(item, wanted, columns, reading)
        except (AccessRefused, RemoteFault) as error:
            return _all(wanted, f"the original cannot be read now: {error}")

    def _read(
        self,
        item: Item,
        wanted: Rows,
        columns: Mapping[str, Collection[str]],
        reading: ReadsOtherwise | None,
    ) -> dict[tuple[str, int], SourceRow]:
        types = {part: dict.fromkeys(columns.get(part, ()), STRING) for part in wanted}
        source = StoredSource.of(item, reading, types)
        self.work_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="trace-", dir=self.work_dir) as folder:
            converted = convert_items(
                [source], self.stored, workers=self.workers, work_dir=Path(folder)
            )[item.item_id]
            problem = _problem(item, converted)
            if problem:
                return _all(wanted, problem)
            tables = {table.part: table for table in converted.tables}
            found: dict[tuple[str, int], SourceRow] = {}
            for part, rows in wanted.items():
                if part not in tables or part not in columns:
                    found |= _all({part: rows}, "the original is not read as such a part any more")
                    continue
                table = tables[part]
                read = _rows_of(table, rows)
                lines = self._lines(item, table, rows)
                for row in rows:
                    one = read.get(row)
                    found[part, row] = (
                        SourceRow(problem="the original has no such row any more")
                        if one is None
                        else _with_line(one, lines.get(row), table)
                    )
            return found

    def _lines(self, item: Item, table: StagedTable, rows: Collection[int]) -> dict[int, RawRecord]:
        """Records of a delimited file; none where they cannot be told from other text."""
        about = table.receipt.options
        is_packed = item.media_type in PACKED or MEMBER in about
        if is_packed or table.receipt.converter != _DELIMITED:
            return {}
        try:
            with self.stored.open_read(item.backend, item.stored_path) as stream:
                return raw_records(stream, about, rows)
        except (OSError, UnicodeDecodeError):
            # It was there a moment ago, and its cells are known.
            return {}


def _problem(item: Item, converted: ConvertedItem) -> str:
    if converted.outcome is not Outcome.CONVERTED:
        return f"the original cannot be read: {converted.message or converted.outcome}"
    if any(table.receipt.content_hash != item.content_hash for table in converted.tables):
        return f"{item.stored_path} does not hold what was stored"
    return ""


def _all(wanted: Rows, problem: str) -> dict[tuple[str, int], SourceRow]:
    return {
        (part, row): SourceRow(problem=problem) for part, rows in wanted.items() for row in rows
    }


def _rows_of(table: StagedTable, rows: Collection[int]) -> dict[int, SourceRow]:
    headers = [(fact.name, fact.source_name) for fact in table.facts]
    numbers = pa.array(sorted(rows), pa.int64())
    found: dict[int, SourceRow] = {}
    for batch in numbered_batches(table.path):
        chosen = batch.filter(pc.is_in(batch.column(SOURCE_ROW), value_set=numbers))
        for row in chosen.to_pylist():
            cells = tuple(SourceCell(name, header, *_cut(row[name])) for name, header in headers)
            found[row[SOURCE_ROW]] = SourceRow(cells, row[RESCUED_DATA] or "")
        if len(found) == len(rows):
            break
    return found


def _cut(value: object) -> tuple[str | None, int]:
    if value is None:
        return None, 0
    # A column that came with a newer reader was not asked for as text.
    text = value if isinstance(value, str) else str(value)
    return text[:_SHOWN], max(len(text) - _SHOWN, 0)


def _with_line(row: SourceRow, record: RawRecord | None, table: StagedTable) -> SourceRow:
    """With the record's text, if it is this very row: its fields are the row's cells."""
    if record is None:
        return row
    nulls = {*table.receipt.options.get("null", "").split(","), None, ""}
    fields = [*record.fields, *[None] * len(row.cells)][: len(row.cells)]
    for cell, text in zip(row.cells, fields, strict=True):
        is_null = cell.text is None and text in nulls
        if not is_null and (cell.text, cell.left_out) != _cut(text):
            return row
    text, left_out = _cut(record.text)
    return SourceRow(row.cells, row.rescued, SourceLine(record.line, text or "", left_out))
