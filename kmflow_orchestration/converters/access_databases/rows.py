"""Rows of an Access table as the bytes of each column; None is NULL (D29)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from kmflow_orchestration.converters.access_databases.definition import (
    AccessColumn,
    Form,
    TableDefinition,
)
from kmflow_orchestration.converters.access_databases.pages import Pages
from kmflow_orchestration.errors import CorruptInput

_WIDTHS = {
    Form.BYTE: 1,
    Form.INTEGER: 2,
    Form.LONG: 4,
    Form.CURRENCY: 8,
    Form.SINGLE: 4,
    Form.DOUBLE: 8,
    Form.MOMENT: 8,
    Form.GUID: 16,
    Form.NUMERIC: 17,
    Form.COMPLEX: 4,
    Form.BIGINT: 8,
    Form.MOMENT_EXTENDED: 42,
}
_TRUE, _FALSE = b"\1", b"\0"


def rows_of(pages: Pages, table: TableDefinition) -> Iterator[list[bytes | None]]:
    """All rows in the order of their pages. Raises CorruptInput."""
    seen: set[int] = set()
    # Of each row the same is asked: what can be said beforehand is.
    cuts = [_cut_of(column, 1 if pages.is_old else 2) for column in table.columns]
    for number in pages.owned(table.map_row, table.map_page):
        if number in seen:
            raise CorruptInput(f"page {number} is in the map of its table twice")
        seen.add(number)
        for content in pages.rows_of(table.page, number):
            yield _cells(content, cuts, is_old=pages.is_old)


class _Kind(Enum):
    """How a column lies in a row."""

    BIT = auto()
    FIXED = auto()
    VARIABLE = auto()


@dataclass(frozen=True, slots=True)
class _Cut:
    """Where a column lies: as a bit of the mask, from `start` to `end`, or as one of the others."""

    name: str
    bit: int
    kind: _Kind
    start: int
    end: int


def _cut_of(column: AccessColumn, head: int) -> _Cut:
    start = column.place
    if column.form is Form.BOOLEAN and not column.is_calculated:
        return _Cut(column.name, column.number, _Kind.BIT, 0, 0)
    if not column.is_fixed:
        return _Cut(column.name, column.number, _Kind.VARIABLE, start, start + 1)
    # As `CHAR(8)` makes them.
    own = column.length if column.form in (Form.TEXT, Form.BINARY) else 0
    width = _WIDTHS.get(column.form, own)
    if not width:
        raise CorruptInput(f"column {column.name} cannot be of a fixed length")
    return _Cut(column.name, column.number, _Kind.FIXED, head + start, head + start + width)


def _cells(content: bytes, cuts: Sequence[_Cut], *, is_old: bool) -> list[bytes | None]:
    """A row: a number of columns, those of fixed length, the others, where these lie, a mask.

    One from before a column came has no bit for it, and no place.
    """
    head = 1 if is_old else 2
    count = int.from_bytes(content[:head], "little")
    end = len(content) - (count + 7) // 8
    if end < head:
        raise CorruptInput("a row is shorter than its own mask")
    mask = int.from_bytes(content[end:], "little") & ((1 << count) - 1)
    places: list[int] | None = None
    cells: list[bytes | None] = []
    for cut in cuts:
        is_set = mask >> cut.bit & 1
        if cut.kind is _Kind.BIT:
            cells.append(_TRUE if is_set else _FALSE)
        elif not is_set:
            cells.append(None)
        elif cut.kind is _Kind.FIXED:
            if cut.end > end:
                raise CorruptInput(f"a row is too short for its column {cut.name}")
            cells.append(content[cut.start : cut.end])
        else:
            if places is None:
                places = (_old_places if is_old else _places)(content, end)
            if cut.end >= len(places):
                cells.append(None)
                continue
            first, last = places[cut.start], places[cut.end]
            if not head <= first <= last <= end:
                raise CorruptInput(f"column {cut.name} lies outside of its row")
            cells.append(content[first:last])
    return cells


def _places(content: bytes, end: int) -> list[int]:
    """Where the variable columns begin, and the last one ends; told from behind."""
    count = int.from_bytes(content[end - 2 : end], "little")
    first = end - 2 - 2 * (count + 1)
    if end < 2 or first < 2:
        raise CorruptInput(f"a row cannot have {count} columns of any length")
    return list(reversed(struct.unpack_from(f"<{count + 1}H", content, first)))


def _old_places(content: bytes, end: int) -> list[int]:
    """The same where one byte tells a place, and others at which column 256 is passed."""
    if end < 1:
        raise CorruptInput("a row is shorter than its own mask")
    count = content[end - 1]
    jumps = (len(content) - 1) // 256
    last = end - 2 - jumps
    if last - count < 1:
        raise CorruptInput(f"a row cannot have {count} columns of any length")
    if (last - count) // 256 < jumps:
        # The last one is for nothing.
        jumps -= 1
    places, passed = [], 0
    for at in range(count + 1):
        while passed < jumps and content[end - 2 - passed] == at:
            passed += 1
        places.append(content[last - at] + 256 * passed)
    return places
