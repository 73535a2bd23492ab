"""Columns of numbers and dates as people write them, with what each may mean, made from a seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from random import Random
from typing import Final

MONTHS: Final[dict[str, tuple[str, ...]]] = {
    "English": ("January", "March", "May", "October", "December"),
    "German": ("Januar", "März", "Mai", "Oktober", "Dezember"),
    "French": ("janvier", "mars", "mai", "octobre", "décembre"),
    "Spanish": ("enero", "marzo", "mayo", "octubre", "diciembre"),
    "Italian": ("gennaio", "marzo", "maggio", "ottobre", "dicembre"),
    "Portuguese": ("janeiro", "março", "maio", "outubro", "dezembro"),
}
_NAMED: Final = (1, 3, 5, 10, 12)
Value = Decimal | date


@dataclass(frozen=True)
class WrittenColumn:
    """Texts of a column, and their values; None where several readings fit, or none."""

    kind: str
    texts: tuple[str, ...]
    values: tuple[Value, ...] | None
    is_ambiguous: bool


def written_column(number: int) -> WrittenColumn:
    """The column of that number; the kinds take turns."""
    random = Random(f"column {number}")
    kind = list(_KINDS)[number % len(_KINDS)]
    return _KINDS[kind](random, kind)


def _numbers(
    mark: str, group: str, dress: Callable[[str, bool], str]
) -> Callable[[Random, str], WrittenColumn]:
    """Columns with these marks; `dress` puts signs and units around the digits."""

    def make(random: Random, kind: str) -> WrittenColumn:
        scale = random.choice([0, 2, 3])
        largest = random.choice([50, 5000, 9_000_000])
        values, texts = [], []
        for _ in range(random.randint(2, 30)):
            value = Decimal(random.randint(1, largest * 10**scale)).scaleb(-scale)
            is_negative = random.random() < 0.3
            digits = f"{value:,f}".replace(",", "\x00").replace(".", mark).replace("\x00", group)
            texts.append(dress(digits, is_negative))
            values.append(-value if is_negative else value)
        is_ambiguous = _reads_both_ways(texts)
        found = None if is_ambiguous else tuple(values)
        return WrittenColumn(kind, tuple(texts), found, is_ambiguous)

    return make


def _reads_both_ways(texts: list[str]) -> bool:
    """Whether points or commas stand in a column, and could part thousands as well as decimals."""
    cores = ["".join(char for char in text if char.isdigit() or char in ".,' ") for text in texts]
    cores = [core.strip() for core in cores]
    marks = {char for core in cores for char in core if not char.isdigit()}
    return len(marks) == 1 and marks <= {".", ","} and _all_single(cores, marks.pop())


def _all_single(cores: list[str], mark: str) -> bool:
    """Whether a mark stands at most once, before three digits and behind one to three."""
    for core in cores:
        whole, sign, rest = core.partition(mark)
        is_grouped = len(rest) == 3 and rest.isdigit() and 1 <= len(whole) <= 3
        if sign and not (is_grouped and not whole.startswith("0")):
            return False
    return True


def _plain(digits: str, is_negative: bool) -> str:
    return f"-{digits}" if is_negative else digits


def _in_brackets(digits: str, is_negative: bool) -> str:
    return f"({digits})" if is_negative else digits


def _behind(digits: str, is_negative: bool) -> str:
    return f"{digits}-" if is_negative else digits


def _percent(digits: str, is_negative: bool) -> str:
    return f"{_plain(digits, is_negative)} %"


def _euro(digits: str, is_negative: bool) -> str:
    return f"{_plain(digits, is_negative)} €"


def _dollar(digits: str, is_negative: bool) -> str:
    return f"-${digits}" if is_negative else f"${digits}"


def _dates(order: str, separator: str, year_digits: int) -> Callable[[Random, str], WrittenColumn]:
    def make(random: Random, kind: str) -> WrittenColumn:
        last = random.choice([12, 28])
        days = [
            date(random.randint(1970, 2060), random.randint(1, 12), random.randint(1, last))
            for _ in range(random.randint(2, 30))
        ]
        texts = [_written(day, order, separator, year_digits) for day in days]
        others = [other for other in ("dmy", "mdy", "ymd") if other != order]
        readings = [_read(texts, other, separator, year_digits) for other in others]
        is_ambiguous = any(reading not in (None, days) for reading in readings)
        return WrittenColumn(
            kind, tuple(texts), None if is_ambiguous else tuple(days), is_ambiguous
        )

    return make


def _written(day: date, order: str, separator: str, year_digits: int) -> str:
    parts = {"d": f"{day.day:02d}", "m": f"{day.month:02d}", "y": f"{day.year}"[-year_digits:]}
    return separator.join(parts[part] for part in order)


def _read(texts: list[str], order: str, separator: str, year_digits: int) -> list[date] | None:
    """The same texts in another order of their parts; None when that is no date for each."""
    found = []
    for text in texts:
        parts = dict(zip(order, text.split(separator), strict=True))
        if len(parts["y"]) != year_digits or len(parts["d"]) > 2 or len(parts["m"]) > 2:
            return None
        year = int(parts["y"])
        if year_digits == 2:
            year += 1900 if year >= 69 else 2000
        try:
            found.append(date(year, int(parts["m"]), int(parts["d"])))
        except ValueError:
            return None
    return found


def _named_dates(language: str) -> Callable[[Random, str], WrittenColumn]:
    def make(random: Random, kind: str) -> WrittenColumn:
        texts, days = [], []
        for _ in range(random.randint(2, 20)):
            at = random.randrange(len(_NAMED))
            day = date(random.randint(1990, 2030), _NAMED[at], random.randint(1, 28))
            name = MONTHS[language][at]
            texts.append(
                f"{name} {day.day}, {day.year}"
                if language == "English"
                else f"{day.day}. {name} {day.year}" if language == "German"
                else f"{day.day} {name} {day.year}"
            )  # fmt: skip
            days.append(day)
        return WrittenColumn(kind, tuple(texts), tuple(days), is_ambiguous=False)

    return make


def _mixed(random: Random, kind: str) -> WrittenColumn:
    """One row that no reading of the others fits: the text stays, and nothing is ambiguous."""
    column = _dates("dmy", ".", 4)(random, kind)
    texts = [*column.texts, random.choice(["n/a", "2026-13-45", "soon", "12,5"])]
    random.shuffle(texts)
    return WrittenColumn(kind, tuple(texts), None, is_ambiguous=False)


_KINDS: Final[dict[str, Callable[[Random, str], WrittenColumn]]] = {
    "1.234,56": _numbers(",", ".", _plain),
    "1,234.56": _numbers(".", ",", _plain),
    "1 234,56": _numbers(",", " ", _plain),
    "1'234.56": _numbers(".", "'", _plain),
    "(1,234.56)": _numbers(".", ",", _in_brackets),
    "1.234,56-": _numbers(",", ".", _behind),
    "12,5 %": _numbers(",", ".", _percent),
    "1.234,56 €": _numbers(",", ".", _euro),
    "$1,234.56": _numbers(".", ",", _dollar),
    "31.12.2026": _dates("dmy", ".", 4),
    "31/12/2026": _dates("dmy", "/", 4),
    "12/31/2026": _dates("mdy", "/", 4),
    "31.12.26": _dates("dmy", ".", 2),
    "12/31/26": _dates("mdy", "/", 2),
    "2026/12/31": _dates("ymd", "/", 4),
    **{f"{language} months": _named_dates(language) for language in MONTHS},
    "a misfit": _mixed,
}
