"""Arrow columns of typed files in the type lattice, and as its texts."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute

from kmflow_orchestration.converters.json_text import as_json
from kmflow_orchestration.converters.text_values import observed_type, widened
from kmflow_orchestration.converters.type_lattice import (
    BOOLEAN,
    DATE,
    DOUBLE,
    EMPTY,
    STRING,
    TIMESTAMP,
    TIMESTAMP_NTZ,
    ColumnType,
    Kind,
    number,
)

# Its stubs know only some of the types its functions take.
pc: Any = pyarrow.compute
kinds: Any = pa.types
_MICROSECONDS = pa.timestamp("us")
_LONG = 1 << 63
# A zone may push the first and last year out of what a timestamp holds.
_FIRST, _LAST = datetime(2, 1, 1), datetime(9999, 1, 1)  # noqa: DTZ001 (both ways are compared)


def plain(values: Any) -> Any:
    """Values without dictionaries, extensions and views, which say nothing about them."""
    if isinstance(values, pa.ExtensionArray):
        values = values.storage
    if kinds.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if kinds.is_large_string(values.type) or str(values.type) == "string_view":
        return values.cast(pa.string())
    if kinds.is_date64(values.type):
        return values.cast(pa.date32())
    return values


def column_type(values: Any) -> ColumnType:
    """The narrowest type that holds every non-null value; text stays text."""
    kind = values.type
    if values.null_count == len(values) or kinds.is_null(kind):
        return EMPTY
    if kinds.is_boolean(kind):
        return BOOLEAN
    if kinds.is_integer(kind):
        return _integers(values)
    if kinds.is_floating(kind):
        return DOUBLE
    if kinds.is_decimal(kind):
        return observed_type(as_text(values))
    if kinds.is_date(kind):
        return DATE
    return _timestamps(values) if kinds.is_timestamp(kind) else STRING


def _integers(values: Any) -> ColumnType:
    bounds = pc.min_max(values).as_py()
    digits = max(len(str(abs(bound))) for bound in bounds.values())
    return number(digits, beyond_long=bounds["max"] >= _LONG)


def _timestamps(values: Any) -> ColumnType:
    try:
        moments = values.cast(pa.timestamp("us", values.type.tz))
        bounds = pc.min_max(moments.cast(_MICROSECONDS)).as_py()
    except (pa.ArrowInvalid, OverflowError, ValueError):
        # Nanoseconds that are not zero, or a year no text has.
        return STRING
    if bounds["min"] < _FIRST or bounds["max"] >= _LAST:
        return STRING
    return TIMESTAMP if values.type.tz else TIMESTAMP_NTZ


def as_type(values: Any, wanted: ColumnType) -> Any:
    """Values in a type at or above their own."""
    if wanted.kind in (Kind.STRING, Kind.EMPTY):
        return as_text(values)
    if wanted.kind in (Kind.TIMESTAMP, Kind.TIMESTAMP_NTZ):
        return _as_moments(values, wanted)
    if kinds.is_null(values.type):
        return values.cast(wanted.arrow)
    if kinds.is_integer(values.type) and wanted.arrow == pa.int64():
        return values.cast(pa.int64())
    return widened(values, wanted.arrow)


def _as_moments(values: Any, wanted: ColumnType) -> Any:
    if kinds.is_null(values.type):
        return values.cast(wanted.arrow)
    tz = values.type.tz if kinds.is_timestamp(values.type) else None
    moments = values.cast(pa.timestamp("us", tz))
    # Times without a zone are kept as the same clock time in UTC.
    return moments.cast(wanted.arrow) if tz else pc.assume_timezone(moments, "UTC")


def as_text(values: Any) -> pa.StringArray:
    """Values as texts: ISO moments, numbers in all digits, Base64 bytes, JSON for nested ones."""
    kind = values.type
    if kinds.is_timestamp(kind):
        zone = "Z" if kind.tz else ""
        moments = _in_microseconds(values)
        moments = moments.cast(pa.timestamp(moments.type.unit, "UTC")) if kind.tz else moments
        return _texts(pc.strftime(moments, format=f"%Y-%m-%dT%H:%M:%S{zone}"))
    if _has_texts(kind):
        return _texts(pc.cast(values, pa.string()))
    return pa.array([cell_text(value) for value in values.to_pylist()], pa.string())


def _in_microseconds(values: Any) -> Any:
    """Moments in microseconds where those hold them: the same moment has one text."""
    try:
        return values.cast(pa.timestamp("us", values.type.tz))
    except pa.ArrowInvalid:
        return values


def _has_texts(kind: pa.DataType) -> bool:
    is_number = kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_decimal(kind)
    is_clock = kinds.is_date(kind) or kinds.is_time(kind)
    is_plain = kinds.is_boolean(kind) or kinds.is_string(kind) or kinds.is_null(kind)
    return bool(is_number or is_clock or is_plain)


def _texts(values: Any) -> pa.StringArray:
    found: pa.StringArray = values
    return found


def cell_text(value: Any) -> str | None:
    """One value as `as_text` has it."""
    if value is None:
        return None
    found = _json_value(value)
    return found if type(found) is str else as_json(found)


def _json_value(value: Any) -> Any:
    """A Python value as what `as_json` takes."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float | Decimal):
        return (repr(value) if isinstance(value, float) else str(value)).encode()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return tuple((str(key), _json_value(inner)) for key, inner in value.items())
    if isinstance(value, list | tuple):
        return [_json_value(inner) for inner in value]
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return f"{value.total_seconds()} s"
    return str(value)
