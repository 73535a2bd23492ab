"""What to tell of days and times in a workbook, whose calendar has a day that never was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time
from typing import Any

from kmflow_orchestration.converters.interface import ConversionWarning
from kmflow_orchestration.converters.type_lattice import ColumnType, Kind

_DATED = frozenset({Kind.DATE, Kind.TIMESTAMP_NTZ})
_DAYS = frozenset({date, datetime})
# Excel counts a 29th of February 1900, which the reader gives as the day before.
_DOUBLED = date(1900, 2, 28)


def warnings_of_times(
    pieces: Iterable[Sequence[Any]], kind: ColumnType, location: str
) -> Iterator[ConversionWarning]:
    """Of one column: days that may be another, and times of day that may have lost theirs."""
    if kind.kind not in _DATED and kind.kind is not Kind.STRING:
        return
    doubled = times = days = 0
    for cells in pieces:
        kinds = set(map(type, cells))
        if kinds & _DAYS:
            days += 1
            doubled += cells.count(_DOUBLED)
        if datetime in kinds:
            doubled += sum(type(cell) is datetime and cell.date() == _DOUBLED for cell in cells)
        if time in kinds:
            times += sum(type(cell) is time for cell in cells)
    if doubled:
        text = f"{doubled} cells hold 1900-02-28, or the 29th that workbooks count and never was"
        yield ConversionWarning("early_dates", text, location)
    if times and days:
        text = f"{times} cells among dates have a time and no day: theirs is 0, or before day 1"
        yield ConversionWarning("times_among_dates", text, location)
