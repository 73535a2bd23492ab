"""Workbooks (xlsx, xlsm, xls, ods): every sheet with a value is a table."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar

import pyarrow as pa

from kmflow_orchestration.converters.column_names import column_names
from kmflow_orchestration.converters.content_look import Container, container_of, look_at
from kmflow_orchestration.converters.interface import (
    RESCUED_DATA,
    SOURCE_ROW,
    ColumnFact,
    ConversionWarning,
    OutputKind,
    Receipt,
    Source,
    TextBlock,
)
from kmflow_orchestration.converters.spreadsheet_values import (
    as_text,
    as_type,
    is_empty,
    observed_cell_type,
)
from kmflow_orchestration.converters.type_lattice import EMPTY, ColumnType, Kind, join
from kmflow_orchestration.converters.workbook_archive import check_archive, error_cells
from kmflow_orchestration.errors import CorruptInput

_BATCH_ROWS = 8192
_WORKBOOKS = (Container.XLSX, Container.XLS, Container.ODS)


class SpreadsheetConverter:
    """Each sheet's first non-empty row is its header; formulas give their stored results."""

    name: ClassVar[str] = "spreadsheet"
    version: ClassVar[str] = "1"
    media_types: ClassVar[tuple[str, ...]] = (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.ms-excel.sheet.macroenabled.12",
        "application/vnd.ms-excel",
        "application/vnd.oasis.opendocument.spreadsheet",
    )
    suffixes: ClassVar[tuple[str, ...]] = (".xlsx", ".xlsm", ".xls", ".ods")
    output: ClassVar[OutputKind] = OutputKind.TABLES
    priority: ClassVar[int] = 0
    libraries: ClassVar[tuple[str, ...]] = ("python_calamine",)

    def detect(self, source: Source, head: bytes) -> float:
        """Sure of a workbook's own members; less of a broken container with our suffix."""
        if container_of(source.path, head) in _WORKBOOKS:
            return 1.0
        is_container = look_at(head).is_container
        return 0.6 if is_container and source.suffix in self.suffixes else 0.0

    def options(self) -> Mapping[str, Any]:
        return {}

    def open_tables(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Sequence[SheetTable]:
        """Tables of all sheets with a header, hidden ones too.

        Raises:
            CorruptInput: no workbook, a damaged one, one behind a password (`encrypted`), or an
                archive that unpacks beyond all measure.
        """
        check_archive(source.path)
        with source.path.open("rb") as stream:
            content_hash = hashlib.file_digest(stream, "sha256").hexdigest()
        errors = error_cells(source.path)
        sheets = _read_sheets(source, content_hash, errors)
        skipped = tuple(
            ConversionWarning("sheet_skipped", "the sheet holds no value", f"sheet {name}")
            for name, sheet in sheets
            if sheet is None
        )
        tables = [sheet for _, sheet in sheets if sheet is not None]
        if not tables:
            raise CorruptInput("no sheet of the workbook holds a value", reason="no_header")
        tables[0].add_warnings(skipped)
        return tables

    def open_text(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Iterator[TextBlock]:
        return iter(())


def _read_sheets(
    source: Source, content_hash: str, errors: Mapping[str, int]
) -> list[tuple[str, SheetTable | None]]:
    import python_calamine as calamine

    try:
        workbook = calamine.CalamineWorkbook.from_path(str(source.path))
        return [
            (name, _table(workbook, name, content_hash, errors.get(name, 0)))
            for name in workbook.sheet_names
        ]
    except calamine.PasswordError as error:
        raise CorruptInput("the workbook needs a password", reason="encrypted") from error
    except (calamine.CalamineError, OSError, ValueError) as error:
        raise CorruptInput(f"the workbook cannot be read: {error}") from error


def _table(workbook: Any, name: str, content_hash: str, errors: int) -> SheetTable | None:
    import python_calamine as calamine

    try:
        rows = workbook.get_sheet_by_name(name).to_python(skip_empty_area=False)
    except calamine.WorksheetNotFound:
        # A chart sheet has a name and no cells.
        return None
    header_at = next((at for at, row in enumerate(rows) if not all(map(is_empty, row))), None)
    if header_at is None:
        return None
    return SheetTable(_Sheet(name, rows, header_at, content_hash, errors))


@dataclass(frozen=True, slots=True)
class _Sheet:
    """Cells from A1 on; `header_at` is the index of the header row."""

    name: str
    rows: list[list[Any]]
    header_at: int
    content_hash: str
    error_count: int


class SheetTable:
    """One sheet; columns are those with a header or a value."""

    def __init__(self, sheet: _Sheet) -> None:
        self._sheet = sheet
        self._extra: tuple[ConversionWarning, ...] = ()
        header = sheet.rows[sheet.header_at]
        width = max(len(row) for row in sheet.rows)
        headers = [as_text(cell) or "" for cell in header] + [""] * (width - len(header))
        types, nulls, self._read, self._skipped = _observed(self._data(), width)
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
            options={"sheet": self._sheet.name, "header_row": str(self._sheet.header_at + 1)},
        )

    @property
    def warnings(self) -> tuple[ConversionWarning, ...]:
        found = []
        location = f"sheet {self._sheet.name}"
        if self._skipped:
            text = f"{self._skipped} rows without any value skipped"
            found.append(ConversionWarning("blank_rows", text, location))
        if self._sheet.error_count:
            text = f"{self._sheet.error_count} cells with an error value became NULL"
            found.append(ConversionWarning("error_cells", text, location))
        return (*found, *self._extra)

    def add_warnings(self, warnings: tuple[ConversionWarning, ...]) -> None:
        """Warnings of the workbook that belong to no table, told with its first one."""
        self._extra = (*self._extra, *warnings)

    def batches(self, types: Mapping[str, ColumnType] | None = None) -> Iterator[pa.RecordBatch]:
        """See ConvertedTable."""
        wanted = [(types or {}).get(fact.name, fact.type) for fact in self._facts]
        names = [SOURCE_ROW, *(fact.name for fact in self._facts), RESCUED_DATA]
        rows = ((at, row) for at, row in self._data() if not all(map(is_empty, row)))
        while chunk := list(islice(rows, _BATCH_ROWS)):
            numbers = pa.array([at for at, _ in chunk], pa.int64())
            values = [
                pa.array([as_type(_cell(row, at), kind) for _, row in chunk], kind.arrow)
                for at, kind in zip(self._columns, wanted, strict=True)
            ]
            rescued = pa.nulls(len(chunk), pa.string())
            yield pa.RecordBatch.from_arrays([numbers, *values, rescued], names=names)

    def _data(self) -> Iterator[tuple[int, list[Any]]]:
        """Rows below the header with their number in the sheet."""
        first = self._sheet.header_at + 1
        return enumerate(islice(self._sheet.rows, first, None), start=first + 1)


def _cell(row: list[Any], at: int) -> Any:
    return row[at] if at < len(row) else ""


def _observed(
    rows: Iterator[tuple[int, list[Any]]], width: int
) -> tuple[list[ColumnType], list[int], int, int]:
    """Types and NULLs of each column, rows read, rows without a value."""
    types, nulls, read, skipped = [EMPTY] * width, [0] * width, 0, 0
    for _, row in rows:
        read += 1
        if all(map(is_empty, row)):
            skipped += 1
            continue
        for at in range(width):
            cell = _cell(row, at)
            if is_empty(cell):
                nulls[at] += 1
            elif types[at].kind is not Kind.STRING:
                types[at] = join(types[at], observed_cell_type(cell))
    return types, nulls, read, skipped
