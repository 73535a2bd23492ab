"""Columns of SPSS, Stata and SAS files: numbers that may be moments, proven on every value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import pyarrow as pa
import pyarrow.compute

from kmflow_orchestration.converters.arrow_values import as_type, column_type
from kmflow_orchestration.converters.type_lattice import (
    DOUBLE,
    EMPTY,
    STRING,
    ColumnType,
    join,
    number,
)

# Its stubs know only some of the types its functions take.
pc: Any = pyarrow.compute
_SECOND, _MILLISECOND = 1_000_000, 1_000
_DAY = 86_400 * _SECOND
_MAX_WHOLE = 1 << 53
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 (none of these files knows of zones)
_DIGITS = re.compile(r"[\d.]*$")


class Clock(StrEnum):
    """What kind of moment the numbers of a column are; '' for plain numbers."""

    NONE = ""
    DATE = "date"
    MOMENT = "moment"
    TIME = "time"


_NONE = Clock.NONE


@dataclass(frozen=True, slots=True)
class Calendar:
    """How a family of files counts: from when, and which of its formats count in what."""

    origin: datetime
    clocks: Mapping[str, Clock]
    date_unit: int
    moment_unit: int = _SECOND


def _clocks(dates: str, moments: str, times: str) -> Mapping[str, Clock]:
    names = ((Clock.DATE, dates), (Clock.MOMENT, moments), (Clock.TIME, times))
    return {name: clock for clock, found in names for name in found.split()}


_SPSS = Calendar(
    datetime(1582, 10, 14),  # noqa: DTZ001
    _clocks("DATE ADATE EDATE JDATE SDATE QYR MOYR WKYR", "DATETIME YMDHMS", "TIME DTIME"),
    date_unit=_SECOND,
)
_SAS = Calendar(
    datetime(1960, 1, 1),  # noqa: DTZ001
    _clocks(
        "DATE DAY DDMMYY DDMMYYB DDMMYYC DDMMYYD DDMMYYN DDMMYYP DDMMYYS E8601DA B8601DA "
        "JULIAN MMDDYY MMDDYYB MMDDYYC MMDDYYD MMDDYYN MMDDYYP MMDDYYS MMYY MONYY WEEKDATE "
        "WEEKDATX WORDDATE WORDDATX YYMM YYMMDD YYMMDDB YYMMDDC YYMMDDD YYMMDDN YYMMDDP "
        "YYMMDDS YYMON YYQ IS8601DA ND8601DA NLDATE",
        "DATETIME DATEAMPM DTDATE DTMONYY E8601DT B8601DT IS8601DT MDYAMPM NLDATM",
        "TIME HHMM TIMEAMPM TOD E8601TM B8601TM IS8601TM MMSS",
    ),
    date_unit=_DAY,
)
CALENDARS: Mapping[str, Calendar] = {
    "sav": _SPSS,
    "por": _SPSS,
    "dta": Calendar(
        datetime(1960, 1, 1),  # noqa: DTZ001
        _clocks("%td %d", "%tc", ""),
        date_unit=_DAY,
        moment_unit=_MILLISECOND,
    ),
    "sas7bdat": _SAS,
    "xpt": _SAS,
}


def clock_of(kind: str, shown_as: str) -> Clock:
    """By the format a column is shown in."""
    clocks = CALENDARS[kind].clocks
    if kind == "dta" and shown_as.startswith("%tcHH"):
        return Clock.TIME
    if kind == "dta":
        # `%tcHH:MM:SS`: what comes after the kind says only how it looks.
        return next((found for mark, found in clocks.items() if shown_as.startswith(mark)), _NONE)
    return clocks.get(_DIGITS.sub("", shown_as.upper()), _NONE)


@dataclass(slots=True)
class StatisticsColumn:
    """What is known of one column so far; mutable while its values come in.

    `clock_was` is what its format promised and its values did not keep.
    """

    name: str
    kind: str
    clock: Clock
    is_text: bool
    notes: tuple[tuple[str, str], ...] = ()
    nulls: int = 0
    has_numbers: bool = False
    is_whole: bool = True
    digits: int = 1
    found: ColumnType = field(default=EMPTY)
    clock_was: Clock = _NONE

    def look_at(self, values: Any) -> None:
        """More values: texts, or numbers as doubles."""
        self.nulls += values.null_count
        if values.null_count == len(values):
            return
        if self.is_text:
            self.found = STRING
            return
        self._look_at_numbers(values)
        if self.clock:
            moments = _moments(values, self)
            if moments is None:
                self.clock_was, self.clock = self.clock, _NONE
            else:
                self.found = join(self.found, column_type(moments))

    def _look_at_numbers(self, values: Any) -> None:
        self.has_numbers = True
        bounds = pc.min_max(values).as_py()
        most = max(abs(bounds["min"]), abs(bounds["max"]))
        fits = most < _MAX_WHOLE and pc.all(pc.equal(pc.floor(values), values)).as_py()
        self.is_whole = self.is_whole and bool(fits)
        if self.is_whole:
            self.digits = max(self.digits, len(str(int(most))))

    @property
    def type(self) -> ColumnType:
        if self.is_text or self.clock:
            return self.found
        if not self.has_numbers:
            return EMPTY
        return number(self.digits) if self.is_whole else DOUBLE

    def typed(self, values: Any, wanted: ColumnType) -> Any:
        """Values in a type at or above the column's own."""
        if self.is_text:
            return as_type(values, wanted)
        if self.clock:
            return as_type(_moments(values, self), wanted)
        return as_type(values.cast(pa.int64()) if self.is_whole else values, wanted)


def _moments(values: Any, column: StatisticsColumn) -> Any:
    """Numbers as what they stand for; None where some stand for nothing that can be."""
    calendar = CALENDARS[column.kind]
    unit = calendar.date_unit if column.clock is Clock.DATE else calendar.moment_unit
    try:
        ticks = _microseconds(values, unit)
        if column.clock is Clock.TIME:
            return _times(ticks)
        start = (calendar.origin - _EPOCH).days * _DAY
        ticks = pc.add_checked(ticks, start)
        if column.clock is Clock.MOMENT:
            moments = ticks.cast(pa.timestamp("us"))
            return None if column_type(moments) == STRING else moments
        return _dates(ticks)
    except (pa.ArrowInvalid, OverflowError, ValueError):
        return None


def _microseconds(values: Any, unit: int) -> Any:
    """The part after the point by itself: one product would lose the last digits of both."""
    whole = pc.floor(values)
    rest = pc.round(pc.multiply(pc.subtract(values, whole), float(unit)))
    ticks = pc.multiply_checked(whole.cast(pa.int64()), unit)
    return pc.add_checked(ticks, rest.cast(pa.int64()))


def _dates(ticks: Any) -> Any:
    days = pc.divide(ticks, _DAY)
    if not pc.all(pc.equal(pc.multiply(days, _DAY), ticks)).as_py():
        return None
    dates = days.cast(pa.int32()).cast(pa.date32())
    # Years that no date of ours has.
    return None if column_type(dates.cast(pa.timestamp("us"))) == STRING else dates


def _times(ticks: Any) -> Any:
    """Times of day and durations: hours are as many as they are."""
    if pc.any(pc.less(ticks, 0)).as_py():
        return None
    texts = [None if tick is None else _time(tick) for tick in ticks.to_pylist()]
    return pa.array(texts, pa.string())


def _time(tick: int) -> str:
    seconds, fraction = divmod(tick, _SECOND)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{fraction:06}" if fraction else text
