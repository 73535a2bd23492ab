"""Texts in a type that somebody demands of them, and which of them do not fit it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute

# Its stubs know only some of the types its functions take.
pc: Any = pyarrow.compute

_WHOLE = r"^[+-]?[0-9]+$"
_DECIMAL = re.compile(r"decimal128\((\d+), (\d+)\)")
_TYPES: dict[str, pa.DataType] = {
    "string": pa.string(),
    "bool": pa.bool_(),
    "int8": pa.int8(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "double": pa.float64(),
    "date32[day]": pa.date32(),
    "timestamp[us]": pa.timestamp("us"),
    "timestamp[us, tz=UTC]": pa.timestamp("us", "UTC"),
}


def arrow_type(name: str) -> pa.DataType:
    """The Arrow type of a name that `type_name` gives. Raises KeyError for any other."""
    decimal = _DECIMAL.fullmatch(name)
    if decimal is not None:
        return pa.decimal128(int(decimal[1]), int(decimal[2]))
    return _TYPES[name]


def fitted(texts: pa.StringArray, wanted: pa.DataType) -> tuple[Any, list[int]]:
    """Values, NULL where a text does not fit, and the positions of those texts.

    A text fits that is a value of the type exactly; of decimals a double takes the nearest.
    """
    if wanted == pa.string():
        return texts, []
    if pa.types.is_integer(wanted):
        # Arrow takes 0x1F for a number, and no +.
        is_whole = pc.match_substring_regex(texts, _WHOLE)
        refused = _positions(pc.invert(is_whole))
        plain = pc.if_else(is_whole, pc.utf8_ltrim(texts, "+"), None)
    else:
        refused, plain = [], texts
    values, more = _cast(plain, lambda some: pc.cast(some, wanted))
    if pa.types.is_floating(wanted):
        infinite = pc.and_(pc.is_inf(values), pc.match_substring_regex(texts, "[0-9]"))
        beyond = _positions(infinite)
        if beyond:
            values, more = pc.if_else(infinite, None, values), [*more, *beyond]
    return values, sorted({*refused, *more})


def _positions(mask: Any) -> list[int]:
    found: list[int] = pc.indices_nonzero(pc.fill_null(mask, False)).to_pylist()
    return found


def _cast(texts: Any, cast: Callable[[Any], Any]) -> tuple[Any, list[int]]:
    """A cast of all tells nothing about which failed: halves are tried until it is known."""
    try:
        return cast(texts), []
    except pa.ArrowInvalid:
        if len(texts) == 1:
            return cast(pa.nulls(1, pa.string())), [0]
    middle = len(texts) // 2
    left, bad_left = _cast(texts.slice(0, middle), cast)
    right, bad_right = _cast(texts.slice(middle), cast)
    bad = [*bad_left, *(at + middle for at in bad_right)]
    return pa.concat_arrays([left, right]), bad
