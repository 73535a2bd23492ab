"""Values of spreadsheet cells: their type in the lattice, and as a given type.

A text cell is text, whatever it looks like: the workbook says so.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from kmflow_orchestration.converters.type_lattice import (
    BOOLEAN,
    DATE,
    DOUBLE,
    DOUBLE_DIGITS,
    STRING,
    TIMESTAMP_NTZ,
    ColumnType,
    Kind,
    number,
)

# Below it a double tells an integer from its neighbours, and 15 digits are safe.
LARGEST_INTEGER = 10**DOUBLE_DIGITS


def is_empty(cell: Any) -> bool:
    """Whether a cell holds nothing; error values are read as empty too."""
    return cell is None or (isinstance(cell, str) and not cell)


def observed_cell_type(cell: Any) -> ColumnType:
    """The narrowest type of one non-empty cell.

    Numbers are stored as doubles: those without a fraction and of at most 15 digits are integers.
    """
    if isinstance(cell, bool):
        return BOOLEAN
    if isinstance(cell, int | float):
        is_integer = abs(cell) < LARGEST_INTEGER and cell == int(cell)
        return number(len(str(abs(int(cell))))) if is_integer else DOUBLE
    if isinstance(cell, datetime):
        return TIMESTAMP_NTZ
    return DATE if isinstance(cell, date) else STRING


def as_type(cell: Any, wanted: ColumnType) -> Any:
    """A cell as the Python value of a type at or above its own; None when empty."""
    if is_empty(cell):
        return None
    if wanted.kind in (Kind.STRING, Kind.EMPTY):
        return as_text(cell)
    if wanted.kind is Kind.NUMBER:
        return _as_number(cell, wanted)
    if wanted.kind in (Kind.TIMESTAMP, Kind.TIMESTAMP_NTZ):
        moment = cell if isinstance(cell, datetime) else datetime.combine(cell, time())
        return moment.replace(tzinfo=UTC)
    return cell


def _as_number(cell: float, wanted: ColumnType) -> int | float | Decimal:
    if wanted.is_double:
        return float(cell)
    return Decimal(int(cell)) if wanted.sql.startswith("DECIMAL") else int(cell)


def as_text(cell: Any) -> str | None:
    """The one text form of a cell: integers without a point, ISO dates and times, `true`/`false`.

    A duration is `hours:minutes:seconds`; hours may pass 24.
    """
    if is_empty(cell):
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if abs(cell) < LARGEST_INTEGER and cell.is_integer() else repr(cell)
    if isinstance(cell, timedelta):
        return _duration(cell)
    return cell.isoformat() if isinstance(cell, date | time) else str(cell)


def _duration(length: timedelta) -> str:
    sign = "-" if length < timedelta() else ""
    seconds, rest = divmod(abs(length), timedelta(seconds=1))
    fraction = f".{rest.microseconds:06d}" if rest else ""
    return f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{fraction}"
