"""Where the tables of a sheet lie: its header, its blocks between empty rows, its merged cells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import Any

from kmflow_orchestration.converters.spreadsheet_values import as_text, is_empty

Row = Sequence[Any]
# How many filled rows are looked at for the header; below them nobody looks for it either.
_LOOKED_AT = 20
_SHOWN_CHARS = 200
_YEARS = range(1900, 2101)


@dataclass(frozen=True, slots=True)
class Block:
    """Rows `first` to before `end` of a sheet, counted from 0.

    `header_at` is the row right above the data: the header, unless there `has_header` is False.
    """

    first: int
    end: int
    header_at: int
    has_header: bool = True

    def above_header(self, rows: Sequence[Row]) -> tuple[int, str]:
        """How many rows with a value stand above the header, and what they say."""
        above = rows[self.first : max(self.header_at, self.first)]
        filled = [row for row in above if not is_blank(row)]
        said = " | ".join(as_text(cell) or "" for row in filled for cell in row if cell != "")
        return len(filled), said[:_SHOWN_CHARS]


def is_blank(row: Row) -> bool:
    return all(map(is_empty, row))


def without_header(rows: Sequence[Row]) -> list[Block]:
    """The sheet as one block of data alone; none when no row is filled."""
    first = next((at for at, row in enumerate(rows) if not is_blank(row)), None)
    return [] if first is None else [Block(first, len(rows), first - 1, has_header=False)]


def whole_sheet(rows: Sequence[Row], header_at: int | None = None) -> list[Block]:
    """The sheet as one block; none when no row, or not the row that is to be the header, is filled.

    `header_at` is the index of the header, found when it is None.
    """
    at = find_header(rows) if header_at is None else header_at
    if at is None or at >= len(rows) or is_blank(rows[at]):
        return []
    if header_at is None and not names_columns(rows, at):
        return [Block(at, len(rows), at - 1, has_header=False)]
    return [Block(0, len(rows), at)]


def is_table(rows: Sequence[Row], block: Block) -> bool:
    """Whether a block's columns are named, or at least its cells filled, by half.

    A form or a cover page is neither: few words above cells here and there.
    """
    if not block.has_header:
        return True
    named = _filled_cells(rows[block.header_at])
    below = rows[block.header_at + 1 : block.end]
    if 2 * named >= max(map(len, below), default=0):
        return True
    filled = [row for row in below if not is_blank(row)]
    used = {at for row in filled for at, cell in enumerate(row) if not is_empty(cell)}
    used |= {at for at, cell in enumerate(rows[block.header_at]) if not is_empty(cell)}
    count = sum(map(_filled_cells, filled))
    return 2 * named >= len(used) or 2 * count >= len(used) * len(filled)


def split_at_blank_rows(rows: Sequence[Row]) -> list[Block]:
    """A block of each stretch of filled rows.

    A stretch of one row is the title of what follows it, when anything does.
    """
    stretches = list(_stretches(rows))
    blocks: list[Block] = []
    begun: int | None = None
    for position, (first, end) in enumerate(stretches):
        start = first if begun is None else begun
        if end - first == 1 and position + 1 < len(stretches):
            begun = start
            continue
        header_at = first + (find_header(rows[first:end]) or 0)
        if names_columns(rows[:end], header_at):
            blocks.append(Block(start, end, header_at))
        else:
            blocks.append(Block(start, end, header_at - 1, has_header=False))
        begun = None
    return blocks


def _stretches(rows: Sequence[Row]) -> Iterator[tuple[int, int]]:
    begun: int | None = None
    for at, row in enumerate(rows):
        if is_blank(row):
            if begun is not None:
                yield begun, at
            begun = None
        elif begun is None:
            begun = at
    if begun is not None:
        yield begun, len(rows)


def find_header(rows: Sequence[Row]) -> int | None:
    """Index of the row that names the columns; None for a sheet without a value.

    The first filled row, when it fills at least half of the columns that are in use and is no
    single cell above a blank row. Else it is a title, and the header is the next row that fills
    more than half of them, if it holds nothing but texts: numbers and dates are data, and a header
    that names few columns is still the header.
    """
    filled = list(
        islice(((at, row) for at, row in enumerate(rows) if not is_blank(row)), _LOOKED_AT)
    )
    if not filled:
        return None
    first = filled[0][0]
    counts = [_filled_cells(row) for _, row in filled]
    half = max(counts) / 2
    is_above_gap = len(filled) > 1 and filled[1][0] > first + 1
    if counts[0] >= half and not (counts[0] == 1 < max(counts) and is_above_gap):
        return first
    wide, row = next(one for one, count in zip(filled, counts, strict=True) if count > half)
    return wide if _is_all_text(row) else first


def names_columns(rows: Sequence[Row], at: int) -> bool:
    """Whether a row with a value may be a header: it has a text, or counts years or days.

    Those are names when they are at least two, all different, and the next row goes on otherwise.
    """
    cells = [cell for cell in rows[at] if not is_empty(cell)]
    if any(isinstance(cell, str) for cell in cells):
        return True
    if len(cells) < 2 or len(set(cells)) < len(cells) or not all(map(_is_period, cells)):
        return False
    following = next((row for row in rows[at + 1 :] if not is_blank(row)), None)
    if following is None:
        return False
    return not all(_is_period(cell) for cell in following if not is_empty(cell))


def _is_period(cell: Any) -> bool:
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        return isinstance(cell, date)
    return cell in _YEARS


def _filled_cells(row: Row) -> int:
    return sum(not is_empty(cell) for cell in row)


def _is_all_text(row: Row) -> bool:
    return all(isinstance(cell, str) for cell in row if not is_empty(cell))


def fill_merged(rows: list[list[Any]], ranges: Iterable[tuple[Any, Any]]) -> int:
    """Put the value of each merged range into all of its cells; how many cells were filled.

    A range is its first and last cell as (row, column), counted from 0.
    """
    filled = 0
    for (top, left), (bottom, right) in ranges:
        if top >= len(rows) or left >= len(rows[top]):
            continue
        value = rows[top][left]
        for row in rows[top : bottom + 1]:
            for column in range(left, min(right + 1, len(row))):
                if is_empty(row[column]) and not is_empty(value):
                    row[column] = value
                    filled += 1
    return filled
