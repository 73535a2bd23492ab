"""The measures once more, in plain Python from the words of the specification.

Written without a look at the SQL, so that two independent readings meet in the tests.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

_FILL_WORDS = ("blank", "error", "missing", "tbd", "n/a", "#na", "none", "null", "unknown")
_FILLS = {form.format(word) for word in _FILL_WORDS for form in ("{}", "({})", "[{}]")}
_INVISIBLE = {0xA0, 0x2009, *range(0x200B, 0x2010), 0x202F, 0x3000, 0xFEFF, 0x7F}
_NUMBER = re.compile(r"[+-]?[$€£¥]?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?%?", re.ASCII)
_DATE_FORMATS = ("%Y%m%d", "%Y-%m-%d", "%m/%d/%Y", "%m-%d-%Y", "%d %b %Y", "%d %B %Y")
_SHAPES = {
    "%Y%m%d": r"\d{8}",
    "%Y-%m-%d": r"\d{4}-\d\d-\d\d",
    "%m/%d/%Y": r"\d\d/\d\d/\d{4}",
    "%m-%d-%Y": r"\d\d-\d\d-\d{4}",
    "%d %b %Y": r"\d\d [A-Za-z]{3} \d{4}",
    "%d %B %Y": r"\d\d [A-Za-z]{3,9} \d{4}",
}
_TIMESTAMP = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d):(\d\d)(:(\d\d)([.,]\d+)?)?( ?(Z|[+-]\d\d(:?\d\d)?))?", re.ASCII
)


def pattern(text: str) -> str:
    """Letters as A or a, digits as N, all else as it is."""
    return "".join(_pattern_char(char) for char in text)


def _pattern_char(char: str) -> str:
    category = unicodedata.category(char)
    if category in {"Lu", "Lt"}:
        return "A"
    if category in {"Ll", "Lo", "Lm"}:
        return "a"
    return "N" if category == "Nd" else char


def is_filler(text: str) -> bool:
    dots = len(text) >= 1 and set(text) <= set(".-? ")
    digits = len(text) >= 2 and set(text.lower()) <= set("09xz")
    return dots or digits or text.lower() in _FILLS


def is_invisible(text: str) -> bool:
    return any(
        ord(char) in _INVISIBLE or (unicodedata.category(char) == "Cc" and char not in "\t\r\n")
        for char in text
    )


def is_date(text: str) -> bool:
    day = _day(text)
    return day is not None and 1800 <= day.year <= 2200


def _day(text: str) -> date | None:
    for form in _DATE_FORMATS:
        if re.fullmatch(_SHAPES[form], text, re.ASCII):
            return _parsed(text, form)
    if re.fullmatch(r"\d\d-\d\d-\d\d", text, re.ASCII):
        century = "20" if text[6:] < "70" else "19"
        return _parsed(text[:6] + century + text[6:], "%m-%d-%Y")
    stamp = _TIMESTAMP.fullmatch(text)
    if stamp and int(stamp[2]) < 24 and int(stamp[3]) < 60 and int(stamp[5] or 0) < 60:
        return _parsed(stamp[1], "%Y-%m-%d")
    return None


def _parsed(text: str, form: str) -> date | None:
    forms = {"%d %b %Y": ("%d %b %Y", "%d %B %Y"), "%d %B %Y": ("%d %B %Y",)}.get(form, (form,))
    for one in forms:
        try:
            return datetime.strptime(text, one).date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            continue
    return None


def text_measures(values: Sequence[str | None]) -> dict[str, Any]:
    """All measures of a text column that need no tolerance."""
    texts = [value for value in values if value is not None]
    patterns = [pattern(text) for text in texts]
    upper = sum("A" in p and "a" not in p for p in patterns)
    lower = sum("a" in p and "A" not in p for p in patterns)
    no_letter = sum("a" not in p and "A" not in p for p in patterns)
    real = [text for text in texts if text]
    stripped = [text.strip(" ") for text in texts]
    strip = str.maketrans("", "", " ',.-")
    longest = max((len(text) for text in texts), default=0)
    shown = [pattern(text) for text in texts if text.strip(" ")]
    return {
        "record_count": len(values),
        "value_count": len(texts),
        "null_count": len(values) - len(texts),
        "distinct_count": len(set(texts)),
        "min_length": min(map(len, texts), default=None),
        "max_length": max(map(len, texts), default=None),
        "distinct_std_count": len({text.translate(strip).upper() for text in texts}),
        "zero_length_count": texts.count(""),
        "zero_value_count": sum(bool(re.fullmatch(r"0(\.0+)?", text)) for text in texts),
        "lead_space_count": sum(text.startswith(" ") for text in texts),
        "quoted_value_count": sum(
            len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"" for text in texts
        ),
        "includes_digit_count": sum("N" in pattern(text) for text in texts),
        "filled_value_count": sum(map(is_filler, texts)),
        "min_text": min(real, default=None),
        "max_text": max(real, default=None),
        "upper_case_count": upper,
        "lower_case_count": lower,
        "non_alpha_count": no_letter,
        "mixed_case_count": len(texts) - upper - lower - no_letter,
        "non_printing_count": sum(map(is_invisible, texts)),
        "numeric_count": sum(bool(_NUMBER.fullmatch(text)) for text in texts),
        "date_count": sum(map(is_date, texts)),
        "distinct_pattern_count": len(set(shown)) if 3 <= longest <= 25 else None,
        "embedded_space_count": sum(" " in text for text in stripped),
        "non_ascii_count": sum(not text.isascii() for text in texts),
    }


def top(values: Sequence[str], limit: int) -> list[tuple[str, int]]:
    """Most frequent first, equals in the order of their text."""
    return sorted(Counter(values).items(), key=lambda entry: (-entry[1], entry[0]))[:limit]


def date_measures(days: Sequence[date | None], today: date) -> dict[str, Any]:
    """All measures of a DATE column."""
    known = [day for day in days if day is not None]
    return {
        "value_count": len(known),
        "distinct_count": len(set(known)),
        "before_1yr_date_count": sum(day < _years_before(today, 1) for day in known),
        "before_5yr_date_count": sum(day < _years_before(today, 5) for day in known),
        "before_20yr_date_count": sum(day < _years_before(today, 20) for day in known),
        "before_100yr_date_count": sum(day < _years_before(today, 100) for day in known),
        "within_1yr_date_count": sum(0 <= (today - day).days <= 365 for day in known),
        "within_1mo_date_count": sum(0 <= (today - day).days <= 30 for day in known),
        "future_date_count": sum(day > today for day in known),
        "distant_future_date_count": sum(day > _years_before(today, -20) for day in known),
        "date_days_present": len(set(known)),
        "date_weeks_present": len({day - timedelta(days=day.weekday()) for day in known}),
        "date_months_present": len({(day.year, day.month) for day in known}),
        "date_span_days": (max(known) - min(known)).days if known else None,
    }


def _years_before(day: date, years: int) -> date:
    return day.replace(year=day.year - years)
