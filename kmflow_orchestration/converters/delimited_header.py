"""Which rows of a table name its columns: none, one, or several that are read as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from kmflow_orchestration.converters.cell_kinds import Look, look_of
from kmflow_orchestration.converters.delimited_records import Record

MAX_HEADER_ROWS = 4
_SAMPLE = 300
_CLEAR_SHARE = 0.85
_YEARS = range(1900, 2101)


@dataclass(frozen=True, slots=True)
class Header:
    """`rows` is how many rows the header takes, 0 for none; `reason` says what spoke for it."""

    rows: int
    names: tuple[str | None, ...]
    reason: str


def column_looks(rows: Sequence[Record], width: int) -> list[Look]:
    """What each column looks like; EMPTY where no row has a value."""
    looks = []
    for at in range(width):
        cells = [row[at] for row in rows[:_SAMPLE] if at < len(row)]
        seen = Counter(look_of(cell or "") for cell in cells)
        del seen[Look.EMPTY]
        look, count = seen.most_common(1)[0] if seen else (Look.EMPTY, 0)
        looks.append(look if count >= _CLEAR_SHARE * seen.total() else Look.TEXT)
    return looks


def find_header(rows: Sequence[Record], width: int) -> Header:
    """The header of a table whose first rows these are, blank ones and comments left out."""
    first, body = rows[0], rows[1:]
    if not body:
        return _header(rows, 1, width, "the only row")
    looks = column_looks(body, width)
    score, reason = _header_score(first, body, looks)
    if score < 0:
        return Header(0, (None,) * width, reason)
    count = 1
    while count < MAX_HEADER_ROWS and _goes_on(rows, count, width):
        count += 1
    return _header(rows, count, width, reason)


def _header_score(first: Record, body: Sequence[Record], looks: Sequence[Look]) -> tuple[int, str]:
    """Columns that speak for the first row naming them, less those that speak against it."""
    if _are_years(first, body):
        return 1, "the first row counts years"
    speaks_for = against = 0
    for at, look in enumerate(looks):
        cell = first[at] if at < len(first) else None
        if cell is None or look is Look.EMPTY:
            continue
        own = look_of(cell)
        if look is Look.TEXT:
            repeats = sum(at < len(row) and row[at] == cell and row != first for row in body)
            against += own is Look.TEXT and repeats > 0
        elif own is look:
            against += 1
        elif own is Look.TEXT:
            speaks_for += 1
    reason = (
        f"{speaks_for} columns have another kind of value below the first row, {against} the same"
    )
    return speaks_for - against, reason


def _are_years(first: Record, body: Sequence[Record]) -> bool:
    """Whether at least two cells of a row are years in sequence, and no cell below is one."""
    years = [(at, int(cell)) for at, cell in enumerate(first) if cell and _is_year(cell)]
    steps = {b - a for (_, a), (_, b) in pairwise(years)}
    if not steps or not steps <= {-1, 0, 1}:
        return False
    below = [row[at] for row in body[:_SAMPLE] for at, _ in years if at < len(row)]
    return sum(_is_year(cell or "") for cell in below) < len(below) / 2


def _is_year(cell: str) -> bool:
    return len(cell) == 4 and cell.isascii() and cell.isdigit() and int(cell) in _YEARS


def _goes_on(rows: Sequence[Record], count: int, width: int) -> bool:
    """Whether the row after `count` header rows names columns too.

    Its texts stand over at least two columns of other values, or it fills the gaps of a row above
    that names groups of columns.
    """
    row, body = rows[count], rows[count + 1 :]
    if len(body) < 3 or not len(rows[0]) == len(row) == width:
        return False
    looks = column_looks(body, width)
    typed = [at for at, look in enumerate(looks) if look not in (Look.TEXT, Look.EMPTY)]
    own = [look_of(row[at] or "") for at in typed]
    if any(look is looks[at] for look, at in zip(own, typed, strict=True)):
        return False
    texts = sum(look is Look.TEXT for look in own)
    if row == rows[count - 1]:
        return bool(typed)
    enough = 2 if None not in rows[0] else 1
    return texts >= enough and texts == len(typed) - own.count(Look.EMPTY)


def _header(rows: Sequence[Record], count: int, width: int, reason: str) -> Header:
    lines = [[*row[:width], *[None] * (width - len(row))] for row in rows[:count]]
    spread = [_spread(line) for line in lines[:-1]] + [lines[-1]]
    names = tuple(_joined(cells) for cells in zip(*spread, strict=True))
    extra = tuple(rows[0][width:]) if count == 1 else ()
    return Header(count, names + extra, reason)


def _spread(line: Record) -> Record:
    """A group's name stands over its first column only: the others below it get it too."""
    filled: Record = []
    for cell in line:
        filled.append(cell if cell is not None or not filled else filled[-1])
    return filled


def _joined(cells: Sequence[str | None]) -> str | None:
    parts: list[str] = []
    for cell in cells:
        if cell and cell.strip() and cell not in parts:
            parts.append(cell)
    if len(cells) == 1:
        return cells[0]
    return " ".join(part.strip() for part in parts) or None
