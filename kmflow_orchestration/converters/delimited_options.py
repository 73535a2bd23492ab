"""What may be said about a delimited file; what is said wins over what would be found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kmflow_orchestration.converters.reader_options import (
    RESCUE,
    ReaderOptions,
    check_bad_lines,
    check_names,
    refused,
)
from kmflow_orchestration.converters.written_dates import DATE_ORDERS

_WORDS: Final = {
    "tab": "\t",
    "\\t": "\t",
    "space": " ",
    "comma": ",",
    "semicolon": ";",
    "pipe": "|",
}
_NONE: Final = "none"
_MARKS: Final = (".", ",")
_GROUPS: Final = (".", ",", " ", "'", "’", "\u00a0", "\u202f")


@dataclass(frozen=True, slots=True)
class DelimitedOptions(ReaderOptions):
    """Options of one file: '' and None mean to find out; a mark that is '' is not used at all."""

    encoding: str = ""
    delimiter: str = ""
    quote: str | None = None
    escape: str | None = None
    header: str = "auto"
    comment: str | None = None
    null: tuple[str, ...] = ()
    skip_lines: int = 0
    decimal: str = ""
    thousands: str = ""
    date_order: str = ""
    bad_lines: str = RESCUE

    @classmethod
    def parse(cls, given: Mapping[str, Any] | None) -> DelimitedOptions:
        """Options as a caller or a command line has them.

        `delimiter`, `quote`, `escape` and `comment` are characters or words such as `tab`; of
        these all but the delimiter may be `none`. `header` is `auto`, `none` or the number of the
        header's record, from 1. `null` is a list of words, or one text with commas.
        `date_order` decides between readings that all rows of a column allow, and nothing else.
        `bad_lines` says what becomes of a row with too few or too many fields: `rescue` pads it or
        keeps the surplus, `reject` leaves it out and counts it, `fail` ends with the first.

        Raises:
            ConfigurationError: an unknown option, or a value it cannot have; nothing was read.
        """
        values = dict(given or {})
        check_names(values, cls.defaults())
        found = cls(**{name: _READERS[name](name, value) for name, value in values.items()})
        if found.delimiter and found.delimiter in (found.quote, found.escape):
            raise refused("delimiter", "is the quote or the escape too", "name two characters")
        if found.decimal and found.decimal == found.thousands:
            raise refused("thousands", "is the decimal mark too", "name two characters")
        return found


def _text(name: str, value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise refused(name, f"is {value!r}", "give a text")
    return value


def _delimiter(name: str, value: Any) -> str:
    mark = _WORDS.get(_text(name, value).lower(), _text(name, value))
    if len(mark) > 1 or mark in ("\n", "\r", '"'):
        raise refused(name, f"is {value!r}", "give one character, or tab, space, comma, pipe")
    return mark


def _mark(name: str, value: Any) -> str | None:
    """One character, '' for none, None to find out."""
    if value is None or value == "auto":
        return None
    mark = _text(name, value)
    if mark.lower() == _NONE:
        return ""
    if len(mark) > 1 or mark in ("\n", "\r"):
        raise refused(name, f"is {value!r}", "give one character, or none")
    return mark


def _comment(name: str, value: Any) -> str | None:
    mark = None if value is None or value == "auto" else _text(name, value)
    return "" if mark and mark.lower() == _NONE else mark


def _header(name: str, value: Any) -> str:
    text = str(value).strip().lower()
    if text in ("auto", _NONE) or (text.isascii() and text.isdigit() and int(text) > 0):
        return text
    raise refused(name, f"is {value!r}", "give auto, none, or the number of a row, from 1")


def _words(name: str, value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        return tuple(word for word in value.split(",") if word)
    if isinstance(value, Sequence) and all(isinstance(word, str) for word in value):
        return tuple(value)
    raise refused(name, f"is {value!r}", "give a list of words, such as N/A,-")


def _count(name: str, value: Any) -> int:
    text = str(value)
    if isinstance(value, bool) or not (text.isascii() and text.isdigit()):
        raise refused(name, f"is {value!r}", "give a number of lines, 0 or more")
    return int(text)


def _decimal(name: str, value: Any) -> str:
    return _one_of(name, value, _MARKS)


def _thousands(name: str, value: Any) -> str:
    return _one_of(name, value, _GROUPS)


def _date_order(name: str, value: Any) -> str:
    return _one_of(name, value, tuple(DATE_ORDERS))


def _bad_lines(name: str, value: Any) -> str:
    word = _text(name, value) or RESCUE
    check_bad_lines(word)
    return word


def _one_of(name: str, value: Any, allowed: tuple[str, ...]) -> str:
    mark = _WORDS.get(_text(name, value), _text(name, value))
    if mark and mark not in allowed:
        raise refused(name, f"is {value!r}", f"give one of {' '.join(map(repr, allowed))}")
    return mark


_READERS: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    "encoding": _text,
    "delimiter": _delimiter,
    "quote": _mark,
    "escape": _mark,
    "header": _header,
    "comment": _comment,
    "null": _words,
    "skip_lines": _count,
    "decimal": _decimal,
    "thousands": _thousands,
    "date_order": _date_order,
    "bad_lines": _bad_lines,
}
