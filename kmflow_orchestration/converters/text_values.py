"""Which type text values need, and their values in that type: whole columns at a time.

A cast alone proves nothing (readers take '007' for 7 and drop time zones without a word), so each
type has a pattern for the forms it holds exactly, and the cast comes after.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute

from kmflow_orchestration.converters.type_lattice import (
    BOOLEAN,
    DATE,
    EMPTY,
    STRING,
    TIMESTAMP,
    TIMESTAMP_NTZ,
    ColumnType,
    Kind,
    join,
    number,
)

# Its stubs know only some of the types its functions take.
pc: Any = pyarrow.compute

# '007', '+5' and '-0' are text: as numbers they would not come back as they were.
_INTEGER = r"^(0|-?[1-9][0-9]*)$"
_DECIMAL = r"^-?(0|[1-9][0-9]*)?\.[0-9]+$"
_EXPONENT = r"^-?((0|[1-9][0-9]*)(\.[0-9]+)?|\.[0-9]+)[eE][+-]?[0-9]{1,3}$"
_BOOLEAN = r"^(?i:true|false)$"
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_CLOCK = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6}0{0,3})?)?"
_TIMESTAMP_NTZ = _CLOCK + "$"
_TIMESTAMP = _CLOCK + r"(Z|[+-][0-9]{2}(:?[0-9]{2})?)$"
# Beyond microseconds only zeros may be cut.
_SPARE_ZEROS = r"(\.[0-9]{6})0+"
# A zone may push the first and last year out of what a timestamp holds.
_FIRST_YEAR, _LAST_YEAR = "0002", "9998"
_DATE_LENGTH, _MICROSECOND_LENGTH = len("2026-11-20"), len("2026-11-20T10:00:00.123456")
_LONG_DIGITS = 18
_PROBE = 64


Values: TypeAlias = "pa.Array[Any]"


@dataclass(frozen=True, slots=True)
class _Form:
    pattern: str
    type_of: Callable[[pa.StringArray], ColumnType]


def observed_type(values: pa.StringArray, known: ColumnType = EMPTY) -> ColumnType:
    """Join of `known` and the types of all non-null values."""
    if known.kind is Kind.STRING or values.null_count == len(values):
        return known
    present = values.drop_null() if values.null_count else values
    # A text column shows itself at once; the whole column then need not be matched six times.
    if _type_of_mix(present.slice(0, _PROBE)).kind is Kind.STRING:
        return STRING
    return join(known, _type_of_mix(present))


def _type_of_mix(values: pa.StringArray) -> ColumnType:
    found, rest = EMPTY, values
    for form in _FORMS:
        fits = pc.match_substring_regex(rest, form.pattern)
        if not pc.any(fits).as_py():
            continue
        is_pure = pc.all(fits).as_py()
        found = join(found, form.type_of(rest if is_pure else rest.filter(fits)))
        if is_pure or found.kind is Kind.STRING:
            return found
        rest = rest.filter(pc.invert(fits))
    return STRING if len(rest) else found


def _most(numbers: Values) -> int:
    return int(pc.max(numbers).as_py())


def _digits(values: pa.StringArray) -> Values:
    digits: Values = pc.binary_length(pc.utf8_ltrim(values, "-"))
    return digits


def _integer(values: pa.StringArray) -> ColumnType:
    digits = _most(_digits(values))
    return number(
        digits, beyond_long=digits > _LONG_DIGITS and not _is_castable(values, pa.int64())
    )


def _decimal(values: pa.StringArray) -> ColumnType:
    plain = pc.utf8_ltrim(values, "-0")
    before = pc.find_substring(plain, ".")
    after = pc.subtract(pc.subtract(pc.binary_length(plain), before), 1)
    return number(
        _most(before), _most(after), significant=_most(pc.add(before, after)), beyond_long=False
    )


def _exponent(values: pa.StringArray) -> ColumnType:
    mantissa = pc.replace_substring_regex(values, r"[eE].*$", "")
    digits = pc.binary_length(pc.utf8_ltrim(pc.replace_substring(mantissa, ".", ""), "-0"))
    doubles = pc.abs(pc.cast(values, pa.float64()))
    is_zero = pc.equal(digits, 0)
    # Normal doubles only: near zero they lose digits.
    is_held = pc.and_(pc.is_finite(doubles), pc.greater_equal(doubles, 2.3e-308))
    if not pc.all(pc.or_(is_zero, is_held)).as_py():
        return STRING
    return number(0, 0, significant=_most(digits), approximate=True)


def _date(values: pa.StringArray) -> ColumnType:
    return DATE if _is_castable(values, pa.date32()) else STRING


def _timestamp_ntz(values: pa.StringArray) -> ColumnType:
    return _checked_timestamp(values, TIMESTAMP_NTZ)


def _timestamp(values: pa.StringArray) -> ColumnType:
    return _checked_timestamp(values, TIMESTAMP)


def _checked_timestamp(values: pa.StringArray, found: ColumnType) -> ColumnType:
    years = pc.utf8_slice_codeunits(values, 0, 4)
    bounds = pc.min_max(years).as_py()
    if bounds["min"] < _FIRST_YEAR or bounds["max"] > _LAST_YEAR:
        return STRING
    try:
        _as_timestamps(values, found)
    except pa.ArrowInvalid:
        return STRING
    return found


def _is_castable(values: pa.StringArray, target: pa.DataType) -> bool:
    try:
        pc.cast(values, target)
    except pa.ArrowInvalid:
        return False
    return True


_FORMS = (
    _Form(_INTEGER, _integer),
    _Form(_DECIMAL, _decimal),
    _Form(_DATE, _date),
    _Form(_TIMESTAMP_NTZ, _timestamp_ntz),
    _Form(_TIMESTAMP, _timestamp),
    _Form(_BOOLEAN, lambda _: BOOLEAN),
    _Form(_EXPONENT, _exponent),
)


def typed_values(values: pa.StringArray, wanted: ColumnType) -> Values:
    """Text values in a type at or above the one `observed_type` found for them."""
    if wanted.kind in (Kind.STRING, Kind.EMPTY):
        return values
    if wanted.kind in (Kind.TIMESTAMP, Kind.TIMESTAMP_NTZ):
        return _as_timestamps(values, wanted)
    is_boolean = wanted.kind is Kind.BOOLEAN
    found: Values = (
        pc.equal(pc.utf8_lower(values), "true") if is_boolean else pc.cast(values, wanted.arrow)
    )
    return found


def _as_timestamps(values: pa.StringArray, wanted: ColumnType) -> Values:
    is_zoned = wanted.kind is Kind.TIMESTAMP
    lengths = pc.binary_length(values)
    bounds = pc.min_max(lengths).as_py()
    full = values
    if (bounds["max"] or 0) > _MICROSECOND_LENGTH:
        full = pc.replace_substring_regex(full, _SPARE_ZEROS, r"\1")
    if bounds["min"] == _DATE_LENGTH:
        midnight = pc.binary_join_element_wise(full, "T00:00Z" if is_zoned else "T00:00", "")
        full = pc.if_else(pc.equal(lengths, _DATE_LENGTH), midnight, full)
    moments: Values = (
        pc.cast(full, wanted.arrow)
        if is_zoned
        else pc.assume_timezone(pc.cast(full, pa.timestamp("us")), "UTC")
    )
    return moments


def widened(values: Values, wanted: pa.DataType) -> Values:
    """Typed values in a wider type of the same family, exactly (integer to decimal, …)."""
    if values.type == wanted:
        return values
    if values.null_count == len(values):
        return pa.array([None] * len(values), wanted)
    kinds = pa.types
    # Arrow asks for 19 digits whatever an integer holds, and rounds decimals on the way to doubles.
    is_by_text = kinds.is_decimal(values.type) or kinds.is_decimal(wanted)
    through = pc.cast(values, pa.string()) if is_by_text else values
    wider: Values = pc.cast(through, wanted)
    return wider
