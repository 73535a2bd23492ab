"""A sheet that is no table: every cell with a value as a row (row D27).

Such as a form or a cover page. Its values stand where they stood, and none becomes a header.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import Any, NamedTuple

import pyarrow as pa

from kmflow_orchestration.converters.interface import (
    RESCUED_DATA,
    SOURCE_ROW,
    ColumnFact,
    ConversionWarning,
    Receipt,
)
from kmflow_orchestration.converters.spreadsheet_range import column_letters
from kmflow_orchestration.converters.spreadsheet_table import NAME, VERSION
from kmflow_orchestration.converters.spreadsheet_values import as_text, is_empty
from kmflow_orchestration.converters.type_lattice import STRING, ColumnType, Kind, number

_BATCH_ROWS = 8192
_END = ".grid"
# In this order: a truth value is a number to Python, a moment a day.
_WORDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "boolean"),
    ((int, float), "number"),
    (datetime, "datetime"),
    (date, "date"),
    (time, "time"),
    (timedelta, "duration"),
)


class _Cell(NamedTuple):
    row: int
    column: str
    value: str
    type: str


class GridTable:
    """Columns `row` (from 1), `column` (its letters), `value` (as text) and `type`."""

    def __init__(
        self, sheet: str, number_of: int, rows: Sequence[Sequence[Any]], content_hash: str
    ) -> None:
        """The sheet's name and number from 1; `rows` are all of its rows, from A1 on."""
        self._sheet, self._number, self._content_hash = sheet, number_of, content_hash
        self._cells = list(_cells(rows))
        self._extra: tuple[ConversionWarning, ...] = ()
        largest = max((cell.row for cell in self._cells), default=0)
        whole = number(len(str(largest)))
        self._facts = tuple(
            ColumnFact(name, name, whole if name == "row" else STRING) for name in _Cell._fields
        )

    @property
    def part(self) -> str:
        return f"{self._sheet}{_END}"

    @property
    def facts(self) -> tuple[ColumnFact, ...]:
        return self._facts

    @property
    def receipt(self) -> Receipt:
        count = len(self._cells)
        options = {"sheet": self._sheet, "sheet_number": str(self._number), "layout": "grid"}
        return Receipt(
            NAME, VERSION, self._content_hash, rows_read=count, rows_written=count, options=options
        )

    @property
    def warnings(self) -> tuple[ConversionWarning, ...]:
        return self._extra

    def add_warnings(self, warnings: tuple[ConversionWarning, ...]) -> None:
        """Warnings of the workbook that belong to no table, told with its first one."""
        self._extra = (*self._extra, *warnings)

    def batches(self, types: Mapping[str, ColumnType] | None = None) -> Iterator[pa.RecordBatch]:
        """See ConvertedTable."""
        wanted = [(types or {}).get(fact.name, fact.type) for fact in self._facts]
        names = [SOURCE_ROW, *_Cell._fields, RESCUED_DATA]
        cells = iter(self._cells)
        while chunk := list(islice(cells, _BATCH_ROWS)):
            numbers = pa.array([cell.row for cell in chunk], pa.int64())
            columns = [
                pa.array([_as(cell[at], kind) for cell in chunk], kind.arrow)
                for at, kind in enumerate(wanted)
            ]
            rescued = pa.nulls(len(chunk), pa.string())
            yield pa.RecordBatch.from_arrays([numbers, *columns, rescued], names=names)


def _as(value: int | str, kind: ColumnType) -> int | str:
    return str(value) if kind.kind is Kind.STRING else value


def _cells(rows: Sequence[Sequence[Any]]) -> Iterator[_Cell]:
    for at, row in enumerate(rows, start=1):
        for column, cell in enumerate(row):
            if not is_empty(cell):
                yield _Cell(at, column_letters(column), as_text(cell) or "", _word(cell))


def _word(cell: Any) -> str:
    return next((word for kind, word in _WORDS if isinstance(cell, kind)), "text")
