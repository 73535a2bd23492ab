"""How the sheets of a workbook are read: the options of its converter (row D27)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from kmflow_orchestration.converters.reader_options import ReaderOptions, refused
from kmflow_orchestration.converters.spreadsheet_layout import (
    Block,
    split_at_blank_rows,
    whole_sheet,
    without_header,
)
from kmflow_orchestration.converters.spreadsheet_range import CellRange

MERGED = ("top-left", "fill")
GRID = ("auto", "always", "never")


@dataclass(frozen=True, slots=True)
class SheetOptions(ReaderOptions):
    """How the sheets of a workbook are read.

    `header_row` counts from 1, 0 finds it; with `no_header` all is data. `merged` is `top-left`,
    where a merged range has its value in its first cell alone, or `fill`, where each of its cells
    has it. `split_tables` makes a table of each stretch of rows between blank ones. `range` leaves
    out what lies outside, `table` reads only the tables defined under these names. `grid` is
    `auto`, where a sheet that is no table becomes a list of its cells, `always` or `never`. With
    `extras` links and comments are a table, too.
    """

    header_row: int = 0
    no_header: bool = False
    merged: str = "top-left"
    split_tables: bool = False
    include_hidden: bool = True
    range: str = ""
    table: list[str] = field(default_factory=list)
    grid: str = "auto"
    extras: bool = False

    def check(self) -> None:
        """See ReaderOptions."""
        if self.header_row < 0:
            raise refused("header_row", f"is {self.header_row}", "rows count from 1")
        if self.merged not in MERGED:
            raise refused("merged", f"is {self.merged!r}", f"use {' or '.join(MERGED)}")
        if self.grid not in GRID:
            raise refused("grid", f"is {self.grid!r}", f"use {', '.join(GRID)}")
        if not all(isinstance(name, str) for name in self.table):
            raise refused("table", f"cannot be {self.table!r}")
        self._check_ways()
        if self.range:
            try:
                CellRange.parse(self.range)
            except ValueError as error:
                raise refused("range", f"{self.range!r} {error}", "such as A5:F200") from error

    def _check_ways(self) -> None:
        """What says where a table lies excludes what says it otherwise."""
        ways = {"table": bool(self.table), "range": bool(self.range), **self._table_ways}
        chosen = [name for name, is_chosen in ways.items() if is_chosen]
        if self.table and len(chosen) > 1:
            raise refused("table", f"excludes {chosen[1]}", "a defined table has its own place")
        if self.grid == "always" and (self.table or any(self._table_ways.values())):
            raise refused("grid", "excludes options about tables", "a list of cells has no header")

    @property
    def _table_ways(self) -> dict[str, bool]:
        return {
            "header_row": self.header_row > 0,
            "no_header": self.no_header,
            "split_tables": self.split_tables,
        }

    @property
    def may_be_grid(self) -> bool:
        """Whether a sheet is looked at for being no table: not when it was said to be one."""
        return self.grid == "auto" and not any(self._table_ways.values())

    @property
    def cells(self) -> CellRange | None:
        return CellRange.parse(self.range) if self.range else None

    @property
    def why_no_table(self) -> str:
        is_named = self.header_row and not self.split_tables and not self.no_header
        if is_named:
            return f"row {self.header_row} is no header"
        return f"there is no value in {self.range}" if self.range else "the sheet holds no value"

    def blocks(self, rows: Sequence[Sequence[Any]]) -> list[Block]:
        if self.no_header:
            return without_header(rows)
        if self.split_tables:
            return split_at_blank_rows(rows)
        return whole_sheet(rows, self.header_row - 1 if self.header_row else None)
