"""One table of a sheet: the rows below its header, its columns typed on every row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress, zip_longest
from typing import Any

import pyarrow as pa

from kmflow_orchestration.converters.column_names import column_names
from kmflow_orchestration.converters.interface import (
    RESCUED_DATA,
    SOURCE_ROW,
    ColumnFact,
    ConversionWarning,
    Receipt,
)
from kmflow_orchestration.converters.spreadsheet_columns import observed_column, typed_column
from kmflow_orchestration.converters.spreadsheet_layout import Block
from kmflow_orchestration.converters.spreadsheet_range import column_letters
from kmflow_orchestration.converters.spreadsheet_times import warnings_of_times
from kmflow_orchestration.converters.spreadsheet_values import as_text, is_empty
from kmflow_orchestration.converters.type_lattice import EMPTY, ColumnType, Kind, join

# Of the converter: every table of it gives a receipt.
NAME, VERSION = "spreadsheet", "3"
BATCH_ROWS = 8192


@dataclass(frozen=True, slots=True)
class SheetPlace:
    """A table of a sheet: its part's name, and the rows it takes of those from A1 on.

    `number` is the sheet's in the workbook, from 1. `headers` are given where the workbook keeps
    them apart from the cells.
    """

    name: str
    sheet: str
    number: int
    block: Block
    content_hash: str
    headers: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows that hold a value, by column; `numbers` are their row numbers in the sheet.

    A column is its cells, or an Arrow array of numbers or texts where the gaps are NULL.
    """

    numbers: list[int]
    columns: list[Any]


class SheetTable:
    """One sheet; columns are those with a header or a value."""

    def __init__(
        self,
        sheet: SheetPlace,
        rows: Sequence[Sequence[Any]],
        chunks: Sequence[Chunk] | None = None,
    ) -> None:
        """`rows` are all rows of the sheet, from A1 on; with `chunks` those down to the header."""
        self._sheet, block = sheet, sheet.block
        self._extra: tuple[ConversionWarning, ...] = ()
        header: Sequence[Any] = rows[block.header_at] if block.has_header else ()
        if sheet.headers is not None:
            header = sheet.headers
        width = max([len(header), *map(len, rows), *(len(one.columns) for one in chunks or ())])
        headers = [as_text(cell) or "" for cell in header] + [""] * (width - len(header))
        self._above = block.above_header(rows)
        self._read = block.end - block.header_at - 1
        if chunks is None:
            chunks = list(_chunks(rows[: block.end], block.header_at + 1, width))
        self._chunks = chunks
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
        self._times = tuple(self._warnings_of_times())

    def _warnings_of_times(self) -> Iterator[ConversionWarning]:
        for fact, at in zip(self._facts, self._columns, strict=True):
            columns = (chunk.columns[at] for chunk in self._chunks)
            pieces = [cells for cells in columns if not isinstance(cells, pa.Array)]
            header = fact.source_name or fact.name
            yield from warnings_of_times(pieces, fact.type, f"sheet {self.part}, column {header}")

    @property
    def part(self) -> str:
        return self._sheet.name

    @property
    def facts(self) -> tuple[ColumnFact, ...]:
        return self._facts

    @property
    def receipt(self) -> Receipt:
        return Receipt(
            NAME,
            VERSION,
            self._sheet.content_hash,
            rows_read=self._read,
            rows_written=self._read - self._skipped,
            rows_skipped=self._skipped,
            options={
                "sheet": self._sheet.sheet,
                "sheet_number": str(self._sheet.number),
                "header_row": str(self._sheet.block.header_at + 1),
                **self._span(),
            },
        )

    def _span(self) -> dict[str, str]:
        """From which column to which it reaches, by their letters."""
        if not self._columns:
            return {}
        first, last = column_letters(self._columns[0]), column_letters(self._columns[-1])
        return {"columns": f"{first}:{last}"}

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
        return (*found, *self._times, *self._extra)

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


def _chunks(rows: Sequence[Sequence[Any]], first: int, width: int) -> Iterator[Chunk]:
    """Rows from an index on, without the blank ones."""
    for start in range(first, len(rows), BATCH_ROWS):
        chunk = rows[start : start + BATCH_ROWS]
        columns = list(zip_longest(*chunk, fillvalue=""))
        columns += [("",) * len(chunk)] * (width - len(columns))
        numbers = list(range(start + 1, start + 1 + len(chunk)))
        if blank := _blank_rows(columns, len(chunk)):
            kept = [at not in blank for at in range(len(chunk))]
            numbers = list(compress(numbers, kept))
            columns = [tuple(compress(cells, kept)) for cells in columns]
        if numbers:
            yield Chunk(numbers, columns)


def _blank_rows(columns: Sequence[tuple[Any, ...]], count: int) -> set[int]:
    """Rows without a value: few are left after a column or two."""
    blank = set(range(count))
    for cells in columns:
        blank = {at for at in blank if is_empty(cells[at])}
        if not blank:
            break
    return blank


def _observed(chunks: Sequence[Chunk], width: int) -> tuple[list[ColumnType], list[int]]:
    """Types and NULLs of each column."""
    types, nulls = [EMPTY] * width, [0] * width
    for chunk in chunks:
        for at, cells in enumerate(chunk.columns):
            found, empty = observed_column(cells)
            types[at] = join(types[at], found)
            nulls[at] += empty
    return types, nulls
