"""Tables that a workbook defines under a name of their own (`--table`); only .xlsx has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kmflow_orchestration.converters.reader_options import refused
from kmflow_orchestration.converters.spreadsheet_layout import Block
from kmflow_orchestration.converters.spreadsheet_range import CellRange
from kmflow_orchestration.converters.spreadsheet_table import SheetPlace, SheetTable


def defined_tables(workbook: Any, wanted: Sequence[str], content_hash: str) -> list[SheetTable]:
    """The tables of these names, in any case, in the order of the names; without their totals.

    Raises:
        ConfigurationError: the workbook defines no such table, or none at all.
    """
    import python_calamine as calamine

    try:
        known = {name.casefold(): name for name in workbook.table_names}
    except (calamine.TablesNotSupported, calamine.TablesNotLoaded):
        hint = "--range reads a part of a sheet"
        raise refused("table", "is for .xlsx and .xlsm alone", hint) from None
    tables = []
    for name in dict.fromkeys(one.casefold() for one in wanted):
        if name not in known:
            there = ", ".join(sorted(known.values())) or "none"
            raise refused("table", f"cannot be {name!r}", f"the workbook defines {there}")
        tables.append(_table(workbook, known[name], content_hash))
    return tables


def _table(workbook: Any, name: str, content_hash: str) -> SheetTable:
    found = workbook.get_table_by_name(name)
    headers = tuple(found.columns)
    number = workbook.sheet_names.index(found.sheet) + 1
    if found.start is None:
        nowhere = Block(0, 0, -1)
        return SheetTable(SheetPlace(name, found.sheet, number, nowhere, content_hash, headers), ())
    top, left = found.start
    bottom, right = found.end
    # Whole rows of the sheet, so that each keeps its number.
    rows = workbook.get_sheet_by_name(found.sheet).to_python(skip_empty_area=False)
    inside, _ = CellRange(top, left, bottom, right).within(rows)
    block = Block(top, len(inside), top - 1, has_header=False)
    padded = ("",) * left + headers
    return SheetTable(SheetPlace(name, found.sheet, number, block, content_hash, padded), inside)
