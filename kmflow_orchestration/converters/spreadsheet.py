"""Workbooks (xlsx, xlsm, xls, ods): every sheet with a value is a table (row D27)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress, zip_longest
from typing import Any, ClassVar

import pyarrow as pa

from kmflow_orchestration.converters.column_names import column_names
from kmflow_orchestration.converters.content_look import Container, container_of, look_at
from kmflow_orchestration.converters.interface import (
    RESCUED_DATA,
    SOURCE_ROW,
    ColumnFact,
    ConversionWarning,
    Receipt,
    Source,
)
from kmflow_orchestration.converters.kinds import TableConverter
from kmflow_orchestration.converters.reader_options import ReaderOptions, refused
from kmflow_orchestration.converters.spreadsheet_columns import observed_column, typed_column
from kmflow_orchestration.converters.spreadsheet_layout import (
    Block,
    fill_merged,
    split_at_blank_rows,
    whole_sheet,
    without_header,
)
from kmflow_orchestration.converters.spreadsheet_values import as_text, is_empty
from kmflow_orchestration.converters.type_lattice import EMPTY, ColumnType, Kind, join
from kmflow_orchestration.converters.workbook_archive import CellCounts, cell_counts, check_archive
from kmflow_orchestration.errors import CorruptInput
from kmflow_orchestration.file_hash import sha256_of

MERGED = ("top-left", "fill")
_BATCH_ROWS = 8192
_WORKBOOKS = (Container.XLSX, Container.XLS, Container.ODS)


class SpreadsheetConverter(TableConverter):
    """Each sheet's header is found below its title; formulas give their stored results."""

    name: ClassVar[str] = "spreadsheet"
    version: ClassVar[str] = "2"
    media_types: ClassVar[tuple[str, ...]] = (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.ms-excel.sheet.macroenabled.12",
        "application/vnd.ms-excel",
        "application/vnd.oasis.opendocument.spreadsheet",
    )
    suffixes: ClassVar[tuple[str, ...]] = (".xlsx", ".xlsm", ".xls", ".ods")
    libraries: ClassVar[tuple[str, ...]] = ("python_calamine",)

    def detect(self, source: Source, head: bytes) -> float:
        """Sure of a workbook's own members; less of a broken container with our suffix."""
        if container_of(source.path, head) in _WORKBOOKS:
            return 1.0
        is_container = look_at(head).is_container
        return 0.6 if is_container and source.suffix in self.suffixes else 0.0

    def options(self) -> Mapping[str, Any]:
        """See SheetOptions."""
        return SheetOptions.defaults()

    def open_tables(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Sequence[SheetTable]:
        """Tables of all sheets with a header, hidden ones too.

        Raises:
            CorruptInput: no workbook, a damaged one, one behind a password (`encrypted`), or an
                archive that unpacks beyond all measure.
            ConfigurationError: an option that `options` does not have, or a value it cannot have.
        """
        chosen = SheetOptions.parse(options)
        check_archive(source.path)
        content_hash = sha256_of(source.path)
        counts = cell_counts(source.path)
        sheets = _read_sheets(source, chosen, content_hash, counts)
        skipped = tuple(
            ConversionWarning("sheet_skipped", chosen.why_no_table, f"sheet {name}")
            for name, found in sheets
            if not found
        )
        tables = [table for _, found in sheets for table in found]
        if not tables:
            raise CorruptInput(f"in all sheets, {chosen.why_no_table}", reason="no_header")
        tables[0].add_warnings(skipped)
        return tables


@dataclass(frozen=True, slots=True)
class SheetOptions(ReaderOptions):
    """How the sheets of a workbook are read.

    `header_row` counts from 1, 0 finds it; with `no_header` all is data. `merged` is `top-left`,
    where a merged range has its value in its first cell alone, or `fill`, where each of its cells
    has it. `split_tables` makes a table of each stretch of rows between blank ones.
    """

    header_row: int = 0
    no_header: bool = False
    merged: str = "top-left"
    split_tables: bool = False

    def check(self) -> None:
        """See ReaderOptions."""
        if self.header_row < 0:
            raise refused("header_row", f"is {self.header_row}", "rows count from 1")
        if self.merged not in MERGED:
            raise refused("merged", f"is {self.merged!r}", f"use {' or '.join(MERGED)}")

    @property
    def why_no_table(self) -> str:
        is_named = self.header_row and not self.split_tables and not self.no_header
        return f"row {self.header_row} is no header" if is_named else "the sheet holds no value"

    def blocks(self, rows: Sequence[Sequence[Any]]) -> list[Block]:
        if self.no_header:
            return without_header(rows)
        if self.split_tables:
            return split_at_blank_rows(rows)
        return whole_sheet(rows, self.header_row - 1 if self.header_row else None)


def _read_sheets(
    source: Source, options: SheetOptions, content_hash: str, counts: Mapping[str, CellCounts]
) -> list[tuple[str, list[SheetTable]]]:
    import python_calamine as calamine

    try:
        workbook = calamine.CalamineWorkbook.from_path(str(source.path))
        return [
            (sheet.name, _tables(workbook, sheet, options, content_hash, counts))
            for sheet in workbook.sheets_metadata
        ]
    except calamine.PasswordError as error:
        raise CorruptInput("the workbook needs a password", reason="encrypted") from error
    except (calamine.CalamineError, OSError, ValueError) as error:
        raise CorruptInput(f"the workbook cannot be read: {error}") from error


def _tables(
    workbook: Any,
    sheet: Any,
    options: SheetOptions,
    content_hash: str,
    counts: Mapping[str, CellCounts],
) -> list[SheetTable]:
    import python_calamine as calamine

    try:
        cells = workbook.get_sheet_by_name(sheet.name)
    except calamine.WorksheetNotFound:
        # A chart sheet has a name and no cells.
        return []
    rows = cells.to_python(skip_empty_area=False)
    merged = cells.merged_cell_ranges or []
    filled = fill_merged(rows, merged) if options.merged == "fill" else 0
    tables = []
    for position, block in enumerate(options.blocks(rows)):
        # No sheet's name has a colon.
        part = f"{sheet.name}:{position + 1}" if position else sheet.name
        tables.append(SheetTable(_Sheet(part, block, content_hash), rows))
    if tables:
        is_hidden = sheet.visible is not calamine.SheetVisibleEnum.Visible
        counted = counts.get(sheet.name, CellCounts())
        facts = _SheetFacts(counted, len(merged), filled, is_hidden)
        tables[0].add_warnings(tuple(facts.warnings(f"sheet {sheet.name}")))
    return tables


@dataclass(frozen=True, slots=True)
class _SheetFacts:
    """What is to be told of a whole sheet."""

    counts: CellCounts
    merged_count: int
    filled_count: int
    is_hidden: bool

    def warnings(self, location: str) -> Iterator[ConversionWarning]:
        if self.counts.errors:
            text = f"{self.counts.errors} cells with an error value became NULL"
            yield ConversionWarning("error_cells", text, location)
        if self.counts.uncalculated:
            text = f"{self.counts.uncalculated} formulas have no stored result: NULL"
            yield ConversionWarning("uncalculated_formulas", text, location)
        if self.filled_count:
            text = f"{self.filled_count} cells got the value of their merged range"
            yield ConversionWarning("merged_cells", text, location)
        elif self.merged_count:
            text = f"{self.merged_count} merged ranges have their value in their first cell"
            yield ConversionWarning("merged_cells", text, location)
        if self.is_hidden:
            yield ConversionWarning("hidden_sheet", "the sheet is hidden", location)


@dataclass(frozen=True, slots=True)
class _Sheet:
    """A table of a sheet: its part's name, and the rows it takes of those from A1 on."""

    name: str
    block: Block
    content_hash: str


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Rows that hold a value, by column; `numbers` are their row numbers in the sheet."""

    numbers: list[int]
    columns: list[tuple[Any, ...]]


class SheetTable:
    """One sheet; columns are those with a header or a value."""

    def __init__(self, sheet: _Sheet, rows: Sequence[Sequence[Any]]) -> None:
        """`rows` are all rows of the sheet, from A1 on."""
        self._sheet, block = sheet, sheet.block
        self._extra: tuple[ConversionWarning, ...] = ()
        header = rows[block.header_at] if block.has_header else ()
        width = max(map(len, rows))
        headers = [as_text(cell) or "" for cell in header] + [""] * (width - len(header))
        self._above = block.above_header(rows)
        self._read = block.end - block.header_at - 1
        self._chunks = list(_chunks(rows[: block.end], block.header_at + 1, width))
        self._skipped = self._read - sum(len(chunk.numbers) for chunk in self._chunks)
        types, nulls = _observed(self._chunks, width)
        self._columns = [
            at for at in range(width) if headers[at] or types[at].kind is not Kind.EMPTY
        ]
        names = column_names([headers[at] for at in self._columns])
        self._facts = tuple(
            ColumnFact(name, headers[at], types[at], nulls[at])
            for name, at in zip(names, self._columns, strict=True)
        )

    @property
    def part(self) -> str:
        return self._sheet.name

    @property
    def facts(self) -> tuple[ColumnFact, ...]:
        return self._facts

    @property
    def receipt(self) -> Receipt:
        return Receipt(
            SpreadsheetConverter.name,
            SpreadsheetConverter.version,
            self._sheet.content_hash,
            rows_read=self._read,
            rows_written=self._read - self._skipped,
            rows_skipped=self._skipped,
            options={"sheet": self._sheet.name, "header_row": str(self._sheet.block.header_at + 1)},
        )

    @property
    def warnings(self) -> tuple[ConversionWarning, ...]:
        found = []
        location = f"sheet {self._sheet.name}"
        if self._skipped:
            text = f"{self._skipped} rows without any value skipped"
            found.append(ConversionWarning("blank_rows", text, location))
        count, said = self._above
        if count:
            text = f"{count} rows above the header are no part of the table: {said}"
            found.append(ConversionWarning("above_header", text, location))
        return (*found, *self._extra)

    def add_warnings(self, warnings: tuple[ConversionWarning, ...]) -> None:
        """Warnings of the workbook that belong to no table, told with its first one."""
        self._extra = (*self._extra, *warnings)

    def batches(self, types: Mapping[str, ColumnType] | None = None) -> Iterator[pa.RecordBatch]:
        """See ConvertedTable."""
        wanted = [(types or {}).get(fact.name, fact.type) for fact in self._facts]
        names = [SOURCE_ROW, *(fact.name for fact in self._facts), RESCUED_DATA]
        for chunk in self._chunks:
            numbers = pa.array(chunk.numbers, pa.int64())
            values = [
                typed_column(chunk.columns[at], kind)
                for at, kind in zip(self._columns, wanted, strict=True)
            ]
            rescued = pa.nulls(len(numbers), pa.string())
            yield pa.RecordBatch.from_arrays([numbers, *values, rescued], names=names)


def _chunks(rows: Sequence[Sequence[Any]], first: int, width: int) -> Iterator[_Chunk]:
    """Rows from an index on, without the blank ones."""
    for start in range(first, len(rows), _BATCH_ROWS):
        chunk = rows[start : start + _BATCH_ROWS]
        columns = list(zip_longest(*chunk, fillvalue=""))
        columns += [("",) * len(chunk)] * (width - len(columns))
        numbers = list(range(start + 1, start + 1 + len(chunk)))
        if blank := _blank_rows(columns, len(chunk)):
            kept = [at not in blank for at in range(len(chunk))]
            numbers = list(compress(numbers, kept))
            columns = [tuple(compress(cells, kept)) for cells in columns]
        if numbers:
            yield _Chunk(numbers, columns)


def _blank_rows(columns: Sequence[tuple[Any, ...]], count: int) -> set[int]:
    """Rows without a value: few are left after a column or two."""
    blank = set(range(count))
    for cells in columns:
        blank = {at for at in blank if is_empty(cells[at])}
        if not blank:
            break
    return blank


def _observed(chunks: Sequence[_Chunk], width: int) -> tuple[list[ColumnType], list[int]]:
    """Types and NULLs of each column."""
    types, nulls = [EMPTY] * width, [0] * width
    for chunk in chunks:
        for at, cells in enumerate(chunk.columns):
            found, empty = observed_column(cells)
            types[at] = join(types[at], found)
            nulls[at] += empty
    return types, nulls
