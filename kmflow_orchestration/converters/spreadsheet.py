"""Workbooks (xlsx, xlsm, xlsb, xls, ods): every sheet with a value is a table (row D27)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from kmflow_orchestration.converters.content_look import (
    HEAD_BYTES,
    Container,
    container_of,
    look_at,
)
from kmflow_orchestration.converters.interface import (
    ConversionWarning,
    ConvertedTable,
    Source,
)
from kmflow_orchestration.converters.kinds import TableConverter
from kmflow_orchestration.converters.memory_table import Origin
from kmflow_orchestration.converters.reader_options import ReaderOptions, refused
from kmflow_orchestration.converters.spreadsheet_defined import defined_tables
from kmflow_orchestration.converters.spreadsheet_grid import GridTable
from kmflow_orchestration.converters.spreadsheet_layout import fill_merged, is_table
from kmflow_orchestration.converters.spreadsheet_options import SheetOptions
from kmflow_orchestration.converters.spreadsheet_patterned import (
    PatternedSheet,
    patterned_sheets,
)
from kmflow_orchestration.converters.spreadsheet_table import (
    NAME,
    VERSION,
    SheetPlace,
    SheetTable,
)
from kmflow_orchestration.converters.workbook_archive import CellCounts, cell_counts, check_archive
from kmflow_orchestration.converters.workbook_extras import extras_table
from kmflow_orchestration.errors import CorruptInput
from kmflow_orchestration.file_hash import sha256_of

AnyTable: TypeAlias = SheetTable | GridTable

_WORKBOOKS = (Container.XLSX, Container.XLSB, Container.XLS, Container.ODS)
_HIDDEN_LEFT_OUT = "hidden_left_out"
_EMPTY_CELLS = "error values and formulas without a result are empty cells, and not counted"
# What the reader cannot tell of a workbook, by what it is.
_UNKNOWN = {
    Container.XLSB: f"in .xlsb {_EMPTY_CELLS}; merged ranges are not known",
    Container.XLS: f"in .xls {_EMPTY_CELLS}",
    Container.ODS: f"in .ods {_EMPTY_CELLS}; merged ranges are not known",
}


class SpreadsheetConverter(TableConverter):
    """Each sheet's header is found below its title; formulas give their stored results."""

    name: ClassVar[str] = NAME
    version: ClassVar[str] = VERSION
    media_types: ClassVar[tuple[str, ...]] = (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.ms-excel.sheet.macroenabled.12",
        "application/vnd.ms-excel.sheet.binary.macroenabled.12",
        "application/vnd.ms-excel",
        "application/vnd.oasis.opendocument.spreadsheet",
    )
    suffixes: ClassVar[tuple[str, ...]] = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
    libraries: ClassVar[tuple[str, ...]] = ("python_calamine",)
    reader_options: ClassVar[type[ReaderOptions]] = SheetOptions

    def detect(self, source: Source, head: bytes) -> float:
        """Sure of a workbook's own members; less of a broken container with our suffix."""
        if container_of(source.path, head) in _WORKBOOKS:
            return 1.0
        is_container = look_at(head).is_container
        return 0.6 if is_container and source.suffix in self.suffixes else 0.0

    def open_tables(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Sequence[ConvertedTable]:
        """Tables of all sheets with a value, hidden ones too unless they are not wanted.

        A sheet that is no table is a list of its cells.

        Raises:
            CorruptInput: no workbook, a damaged one, one behind a password (`encrypted`), or an
                archive that unpacks beyond all measure.
            ConfigurationError: an option that `options` does not have, or a value it cannot have.
        """
        chosen = SheetOptions.parse(options)
        check_archive(source.path)
        with source.path.open("rb") as stream:
            kind = container_of(source.path, stream.read(HEAD_BYTES))
        if chosen.merged == "fill" and kind in (Container.XLSB, Container.ODS):
            raise refused("merged", f"cannot be fill: merged ranges of .{kind} are not known")
        opened = _Workbook(source, chosen, kind, sha256_of(source.path))
        tables, told = opened.read()
        shown: list[ConvertedTable] = list(tables)
        if chosen.extras and tables:
            shown += opened.extras(tables, told)
        if not tables and any(one.code == _HIDDEN_LEFT_OUT for one in told):
            raise refused("include_hidden", "leaves nothing", "each sheet with a value is hidden")
        if not tables:
            raise CorruptInput(f"in all sheets, {chosen.why_no_table}", reason="no_header")
        tables[0].add_warnings(tuple(told))
        return shown


@dataclass(frozen=True, slots=True)
class _Workbook:
    """One workbook, and how its sheets are to be read."""

    source: Source
    options: SheetOptions
    kind: Container
    content_hash: str

    def read(self) -> tuple[list[AnyTable], list[ConversionWarning]]:
        """Tables of all sheets, and what there is to tell of no table in particular."""
        import python_calamine as calamine

        try:
            with self.source.path.open("rb") as stream:
                # By content: a path would be opened as what its suffix says.
                workbook = calamine.CalamineWorkbook.from_filelike(
                    stream, load_tables=bool(self.options.table) and self.kind is Container.XLSX
                )
            if self.options.table:
                return [*defined_tables(workbook, self.options.table, self.content_hash)], []
            return self._of_sheets(workbook)
        except calamine.PasswordError as error:
            raise _needs_password() from error
        except (calamine.CalamineError, OSError, ValueError) as error:
            if self.kind is Container.ENCRYPTED:
                raise _needs_password() from error
            raise CorruptInput(f"the workbook cannot be read: {error}") from error

    def extras(
        self, tables: Sequence[AnyTable], told: list[ConversionWarning]
    ) -> Iterator[ConvertedTable]:
        """Links and comments of the sheets that these tables are of."""
        if self.kind not in (Container.XLSX, Container.ODS):
            text = f"links and comments of .{self.kind} are not read"
            told.append(ConversionWarning("extras_skipped", text))
            return
        parts = {table.part for table in tables}
        sheets = {table.receipt.options.get("sheet", table.part) for table in tables}
        origin = Origin(NAME, VERSION, self.content_hash)
        yield extras_table(self.source.path, sheets, parts, origin)

    def _of_sheets(self, workbook: Any) -> tuple[list[AnyTable], list[ConversionWarning]]:
        quick = self._patterned(workbook)
        known = {name: one.counts for name, one in quick.items()}
        counts = cell_counts(self.source.path, known)
        tables: list[AnyTable] = []
        told: list[ConversionWarning] = []
        for number, sheet in enumerate(workbook.sheets_metadata, start=1):
            location = f"sheet {sheet.name}"
            if _is_hidden(sheet) and not self.options.include_hidden:
                text = "the sheet is hidden and was left out, as asked"
                told.append(ConversionWarning(_HIDDEN_LEFT_OUT, text, location))
                continue
            own = counts.get(sheet.name, CellCounts())
            found = (
                [_with_facts(quick[sheet.name], own, sheet)]
                if sheet.name in quick
                else self._tables(workbook, sheet, number, own)
            )
            tables += found
            if not found:
                text = self.options.why_no_table
                told.append(ConversionWarning("sheet_skipped", text, location))
        if unknown := _UNKNOWN.get(self.kind):
            told.append(ConversionWarning("not_counted", unknown))
        return tables, told

    def _patterned(self, workbook: Any) -> dict[str, PatternedSheet]:
        """Sheets read the quick way, where nothing was asked for that takes the whole sheet."""
        usual = SheetOptions(include_hidden=self.options.include_hidden)
        if self.kind is not Container.XLSX or self.options != usual:
            return {}
        names = [one.name for one in workbook.sheets_metadata]
        wanted = {
            one.name: number
            for number, one in enumerate(workbook.sheets_metadata, start=1)
            if names.count(one.name) == 1 and (usual.include_hidden or not _is_hidden(one))
        }
        return patterned_sheets(self.source.path, self.content_hash, wanted)

    def _tables(self, workbook: Any, sheet: Any, number: int, counts: CellCounts) -> list[AnyTable]:
        import python_calamine as calamine

        try:
            cells = workbook.get_sheet_by_name(sheet.name)
        except calamine.WorksheetNotFound:
            # A chart sheet has a name and no cells.
            return []
        rows = cells.to_python(skip_empty_area=False)
        merged = cells.merged_cell_ranges or []
        filled = fill_merged(rows, merged) if self.options.merged == "fill" else 0
        outside = 0
        if self.options.cells is not None:
            rows, outside = self.options.cells.within(rows)
        tables = self._of_rows(sheet.name, number, rows)
        if tables:
            facts = _SheetFacts(counts, len(merged), filled, outside, _is_hidden(sheet))
            tables[0].add_warnings(tuple(facts.warnings(f"sheet {sheet.name}")))
        return tables

    def _of_rows(self, name: str, number: int, rows: Sequence[Sequence[Any]]) -> list[AnyTable]:
        options, location = self.options, f"sheet {name}"
        blocks = options.blocks(rows)
        is_grid = options.grid == "always"
        if options.may_be_grid and blocks and not is_table(rows, blocks[0]):
            is_grid = True
        if is_grid and blocks:
            grid = GridTable(name, number, rows, self.content_hash)
            if options.may_be_grid:
                text = "the sheet is no table: each cell is a row (--grid never reads it as one)"
                grid.add_warnings((ConversionWarning("sheet_as_cells", text, location),))
            return [grid]
        tables: list[AnyTable] = []
        for position, block in enumerate(blocks):
            # No sheet's name has a colon.
            part = f"{name}:{position + 1}" if position else name
            table = SheetTable(SheetPlace(part, name, number, block, self.content_hash), rows)
            if not block.has_header and not options.no_header:
                text = "the first row holds no name: it is data, too (--header-row says otherwise)"
                table.add_warnings((ConversionWarning("no_header", text, f"sheet {part}"),))
            tables.append(table)
        return tables


def _with_facts(quick: PatternedSheet, counts: CellCounts, sheet: Any) -> AnyTable:
    facts = _SheetFacts(counts, quick.merged_count, 0, 0, _is_hidden(sheet))
    quick.table.add_warnings(tuple(facts.warnings(f"sheet {sheet.name}")))
    return quick.table


def _needs_password() -> CorruptInput:
    return CorruptInput("the workbook needs a password", reason="encrypted")


def _is_hidden(sheet: Any) -> bool:
    import python_calamine as calamine

    return sheet.visible is not calamine.SheetVisibleEnum.Visible


@dataclass(frozen=True, slots=True)
class _SheetFacts:
    """What is to be told of a whole sheet."""

    counts: CellCounts
    merged_count: int
    filled_count: int
    outside_count: int
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
        if self.outside_count:
            text = f"{self.outside_count} cells outside the range were left out, as asked"
            yield ConversionWarning("outside_range", text, location)
        if self.is_hidden:
            yield ConversionWarning("hidden_sheet", "the sheet is hidden", location)
