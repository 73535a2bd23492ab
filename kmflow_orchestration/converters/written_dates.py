"""Dates as people write them: which part is the day, the month and the year (row H13)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute

# Its stubs know only some of the types its functions take.
pc: Any = pyarrow.compute

# January to December in English, German, French, Spanish, Italian and Portuguese.
_MONTHS: Final = (
    "january jan januar jän jänner janvier janv enero ene gennaio gen janeiro",
    "february feb februar février févr fév febrero febbraio fevereiro fev",
    "march mar märz mär mrz mars marzo março",
    "april apr avril avr abril abr aprile",
    "may mai mayo maggio mag maio",
    "june jun juni juin junio giugno giu junho",
    "july jul juli juillet juil julio luglio lug julho",
    "august aug août aoû agosto ago",
    "september sep sept septembre septiembre settembre set setembro",
    "october oct oktober okt octobre octubre ottobre ott outubro out",
    "november nov novembre noviembre novembro",
    "december dec dezember dez décembre déc diciembre dic dicembre dezembro",
)
_NUMBERS: Final = {name: at for at, names in enumerate(_MONTHS, 1) for name in names.split()}
_NAME_SET: Final = pa.array(list(_NUMBERS), pa.string())
_NUMBER_OF: Final = pa.array(list(_NUMBERS.values()), pa.int64())
_DAYS_IN: Final = pa.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], pa.int64())
_TIME: Final = r"(?P<time>(?:[ T]|, )(?:[01]?[0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?)?$"
_GAP: Final = r"(?:[./-] ?|,? |\. | de )"
_UNNAMED: Final = re.compile(r"\(\?P<[a-z]+>")
_WORD: Final = "[A-Za-zÀ-ÿ]+"
_FIRST_YEAR_OF_CENTURY: Final = 69


class Order(StrEnum):
    """Which part comes first, second and third."""

    DAY_MONTH_YEAR = "day, month, year"
    MONTH_DAY_YEAR = "month, day, year"
    YEAR_MONTH_DAY = "year, month, day"


@dataclass(frozen=True, slots=True)
class DateForm:
    """A way to read dates by the order of their parts; months may have names."""

    order: Order

    @property
    def name(self) -> str:
        return self.order.value

    def read(self, values: pa.StringArray) -> pa.StringArray:
        """Each value as an ISO date, with its time if it has one; NULL where it does not fit."""
        parts = pc.extract_regex(values, pattern=_PATTERNS[self.order])
        day, year = (pc.struct_field(parts, name) for name in ("day", "year"))
        month = _month(pc.struct_field(parts, "month"))
        years = _year(year)
        days = pc.cast(day, pa.int64())
        fits = pc.fill_null(_is_date(days, month, years), False)
        date = pc.binary_join_element_wise(
            _padded(years, 4), _padded(month, 2), _padded(days, 2), "-"
        )
        time = _clock(pc.struct_field(parts, "time"))
        moment = pc.binary_join_element_wise(date, time, "")
        found: pa.StringArray = pc.if_else(fits, moment, pa.scalar(None, pa.string()))
        return found


DATE_ORDERS: Final = {
    "dmy": Order.DAY_MONTH_YEAR,
    "mdy": Order.MONTH_DAY_YEAR,
    "ymd": Order.YEAR_MONTH_DAY,
}
"""The orders by the words that options have for them."""
DATE_FORMS: Final = tuple(DateForm(order) for order in Order)

_DAY: Final = r"(?P<day>[0-9]{1,2})"
_MONTH: Final = r"(?P<month>[0-9]{1,2})"
_NAMED: Final = rf"(?P<month>[0-9]{{1,2}}|{_WORD})"
_YEAR: Final = r"(?P<year>[0-9]{4}|[0-9]{2})"
_NTH: Final = r"(?:st|nd|rd|th|er|º|\.)?"
_PATTERNS: Final[dict[Order, str]] = {
    Order.DAY_MONTH_YEAR: rf"^{_DAY}{_NTH}{_GAP}{_NAMED}\.?{_GAP}{_YEAR}{_TIME}",
    Order.MONTH_DAY_YEAR: rf"^{_NAMED}\.?{_GAP}{_DAY}{_NTH}{_GAP}{_YEAR}{_TIME}",
    # Years of two digits before a month's name are not written; the day comes first there.
    Order.YEAR_MONTH_DAY: rf"^(?P<year>[0-9]{{4}}|[0-9]{{2}}){_GAP}{_MONTH}{_GAP}{_DAY}{_TIME}",
}


def _month(text: Any) -> Any:
    """Numbers of months, from digits or names; NULL for any other word."""
    named = pc.take(_NUMBER_OF, pc.index_in(pc.utf8_lower(text), value_set=_NAME_SET))
    is_digit = pc.match_substring_regex(text, "^[0-9]+$")
    digits = pc.cast(pc.if_else(is_digit, text, pa.scalar(None, pa.string())), pa.int64())
    return pc.coalesce(digits, named)


def _year(text: Any) -> Any:
    """Years of two digits are those from 1969 to 2068, as POSIX has it."""
    years = pc.cast(text, pa.int64())
    century = pc.if_else(pc.greater_equal(years, _FIRST_YEAR_OF_CENTURY), 1900, 2000)
    return pc.if_else(pc.equal(pc.binary_length(text), 2), pc.add(years, century), years)


def _is_date(days: Any, months: Any, years: Any) -> Any:
    is_month = pc.and_(pc.greater_equal(months, 1), pc.less_equal(months, 12))
    at = pc.if_else(pc.fill_null(is_month, False), pc.subtract(months, 1), 0)
    is_leap = pc.and_(
        pc.equal(_rest(years, 4), 0),
        pc.or_(pc.not_equal(_rest(years, 100), 0), pc.equal(_rest(years, 400), 0)),
    )
    extra = pc.cast(pc.and_(is_leap, pc.equal(months, 2)), pa.int64())
    longest = pc.add(pc.take(_DAYS_IN, at), extra)
    is_day = pc.and_(pc.greater_equal(days, 1), pc.less_equal(days, longest))
    return pc.and_(pc.and_(is_month, is_day), pc.greater_equal(years, 1))


def _rest(numbers: Any, by: int) -> Any:
    return pc.subtract(numbers, pc.multiply(pc.divide(numbers, by), by))


def _padded(numbers: Any, width: int) -> Any:
    return pc.utf8_lpad(pc.cast(numbers, pa.string()), width=width, padding="0")


def _clock(text: Any) -> Any:
    """`T09:05` or `T09:05:30` for a time, '' without one."""
    digits = pc.utf8_ltrim(pc.fill_null(text, ""), characters="T ,")
    # An hour of one digit is followed by its colon at once.
    padded = pc.replace_substring_regex(digits, r"^([0-9]):", r"0\1:")
    has_time = pc.greater(pc.binary_length(padded), 0)
    return pc.if_else(has_time, pc.binary_join_element_wise("T", padded, ""), "")


_LOOKS: Final = re.compile("|".join(_UNNAMED.sub("(?:", text) for text in _PATTERNS.values()))


def looks_like_date(text: str) -> bool:
    """Whether a text is written as dates are, in any order."""
    return _LOOKS.match(text) is not None
