"""Addresses of cells as people read them in a workbook."""

from __future__ import annotations

from collections.abc import Mapping


def cell_address(read_as: Mapping[str, str], row: int) -> str:
    """The cells of a workbook's row, such as `'My sheet'!A7:F7`; '' of other files."""
    sheet, columns = read_as.get("sheet"), read_as.get("columns")
    if sheet is None or not columns:
        return ""
    first, _, last = columns.partition(":")
    named = sheet if sheet.isalpha() else "'" + sheet.replace("'", "''") + "'"
    return f"{named}!{first}{row}:{last}{row}"
