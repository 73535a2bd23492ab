"""Numbers as people write them: their marks, signs and units, read one way or another (row H13)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute

# Its stubs know only some of the types its functions take.
pc: Any = pyarrow.compute

_BLANK: Final = "[ \u00a0\u202f]"
_CODES: Final = "EUR|USD|GBP|CHF|JPY|CNY|INR|PLN|CZK|HUF|SEK|NOK|DKK|AUD|CAD|RUB|TRY|BRL|ZAR|MXN"
_UNIT: Final = rf"(?:[€$£¥₹₽%‰]|{_CODES}|zł|Kč|kr\.?|Fr\.)"
_MINUS: Final = "[-\u2212]"
_TICK: Final = "['\u2019]"
_CORE: Final = rf"[0-9](?:[0-9.,]|{_TICK}|{_BLANK})*[0-9]|[0-9]|[.,][0-9]+"
_WRITTEN: Final = (
    rf"^(?P<open>\(?)(?P<sign>{_MINUS}?)(?P<before>{_UNIT}?){_BLANK}?(?P<inner>{_MINUS}?)"
    rf"(?P<core>{_CORE}){_BLANK}?(?P<after>{_UNIT}?)(?P<behind>{_MINUS}?)(?P<close>\)?)$"
)
_GROUPS: Final[dict[str, str]] = {
    ",": ",",
    ".": r"\.",
    " ": _BLANK,
    "'": _TICK,
}
_NAMES: Final[dict[str, str]] = {",": "comma", ".": "point", " ": "space", "'": "apostrophe"}


@dataclass(frozen=True, slots=True)
class NumberForm:
    """A way to read numbers by its decimal mark and the mark between thousands."""

    decimal: str
    group: str

    @property
    def name(self) -> str:
        return f"{self.decimal_name}, {_NAMES[self.group]} between thousands"

    @property
    def decimal_name(self) -> str:
        return f"{_NAMES[self.decimal]} before decimals"

    def read(self, values: pa.StringArray) -> pa.StringArray:
        """Each value as a plain number such as -1234.56; NULL where this form does not fit."""
        parts = pc.extract_regex(values, pattern=_WRITTEN)
        fields = {name: pc.struct_field(parts, name) for name in _FIELDS}
        is_core = pc.match_substring_regex(fields["core"], self._pattern())
        negative, is_sound = _sign(fields)
        digits = pc.replace_substring_regex(fields["core"], _GROUPS[self.group], "")
        plain = pc.replace_substring(digits, self.decimal, ".")
        signed = pc.if_else(negative, pc.binary_join_element_wise("-", plain, ""), plain)
        fits = pc.fill_null(pc.and_(is_core, is_sound), False)
        found: pa.StringArray = pc.if_else(fits, signed, pa.scalar(None, pa.string()))
        return found

    def _pattern(self) -> str:
        group, decimal = _GROUPS[self.group], _GROUPS[self.decimal]
        # '007' is no number here either.
        whole = rf"(?:0|[1-9][0-9]*|[1-9][0-9]{{0,2}}(?:{group}[0-9]{{3}})+)"
        return rf"^(?:{whole}(?:{decimal}[0-9]+)?|{decimal}[0-9]+)$"


_FIELDS: Final = ("open", "sign", "before", "inner", "core", "after", "behind", "close")

NUMBER_FORMS: Final = (
    NumberForm(".", ","),
    NumberForm(",", "."),
    NumberForm(",", " "),
    NumberForm(".", " "),
    NumberForm(".", "'"),
    NumberForm(",", "'"),
)


def _sign(fields: dict[str, Any]) -> tuple[Any, Any]:
    """Which values are negative, and which have at most one sign and one unit, rightly paired."""
    is_paired = pc.equal(pc.binary_length(fields["open"]), pc.binary_length(fields["close"]))
    marks = [pc.cast(_is_set(fields[name]), pa.int8()) for name in _SIGNS]
    signs = marks[0]
    for mark in marks[1:]:
        signs = pc.add(signs, mark)
    units = pc.and_(_is_set(fields["before"]), _is_set(fields["after"]))
    is_sound = pc.and_(pc.and_(is_paired, pc.less_equal(signs, 1)), pc.invert(units))
    return pc.equal(signs, 1), is_sound


_SIGNS: Final = ("open", "sign", "inner", "behind")


def _is_set(values: Any) -> Any:
    return pc.greater(pc.binary_length(values), 0)


@dataclass(frozen=True, slots=True)
class NumberLook:
    """What numbers of a column are written with: units, and signs that may mean something else.

    `lengths` are the numbers of characters of those without decimals.
    """

    units: frozenset[str]
    has_plain: bool
    has_odd_sign: bool
    lengths: frozenset[int]


def look_at_numbers(values: pa.StringArray) -> NumberLook:
    """Values that all are written numbers."""
    parts = pc.extract_regex(values, pattern=_WRITTEN)
    fields = {name: pc.struct_field(parts, name) for name in _FIELDS}
    units = pc.unique(pc.binary_join_element_wise(fields["before"], fields["after"], ""))
    odd = pc.or_(_is_set(fields["open"]), _is_set(fields["behind"]))
    return NumberLook(
        frozenset(units.to_pylist()),
        bool(pc.any(pc.invert(odd)).as_py()),
        bool(pc.any(odd).as_py()),
        frozenset(pc.unique(pc.utf8_length(fields["core"])).to_pylist()),
    )


_LOOKS: Final = re.compile(_WRITTEN)


def looks_like_number(text: str) -> bool:
    """Whether a text is written as numbers are, with whatever marks, signs and unit."""
    return _LOOKS.match(text) is not None
