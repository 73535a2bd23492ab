"""Values and types of a result as the Statement Execution API writes them in JSON_ARRAY."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from kmflow_orchestration.sail.types import spark_from_arrow

_TYPE_NAMES = {
    "BIGINT": "LONG",
    "SMALLINT": "SHORT",
    "TINYINT": "BYTE",
    "VOID": "NULL",
    "TIMESTAMP_NTZ": "TIMESTAMP",
}


def described_columns(schema: pa.Schema) -> list[dict[str, Any]]:
    """Columns of a result's manifest."""
    return [_column(position, field) for position, field in enumerate(schema)]


def _column(position: int, field: pa.Field[Any]) -> dict[str, Any]:
    text = spark_from_arrow(field.type)
    word = text.partition("<")[0].partition("(")[0].partition(" ")[0]
    column: dict[str, Any] = {
        "name": field.name,
        "position": position,
        "type_name": _TYPE_NAMES.get(word, word),
        "type_text": text,
    }
    if pa.types.is_decimal(field.type):
        column["type_precision"] = field.type.precision
        column["type_scale"] = field.type.scale
    return column


def row_texts(batch: pa.RecordBatch) -> list[list[str | None]]:
    """Rows of a batch, every value a text or None."""
    columns = [[text_of(value) for value in column.to_pylist()] for column in batch.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def text_of(value: Any) -> str | None:
    """A value as its text; collections as JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list | dict | tuple):
        return json.dumps(_plain(value), separators=(",", ":"), ensure_ascii=False)
    return _scalar(value)


def _scalar(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return java_double(value)
        case Decimal():
            return f"{value:f}"
        case datetime():
            return timestamp_text(value)
        case date():
            return value.isoformat()
        case bytes():
            return base64.b64encode(value).decode()
        case timedelta():
            return _interval(value)
        case _:
            return str(value)


def timestamp_text(moment: datetime) -> str:
    """`2026-11-20T09:00:00.000Z`; without Z for TIMESTAMP_NTZ, six digits when they count."""
    digits = "microseconds" if moment.microsecond % 1000 else "milliseconds"
    text = moment.replace(tzinfo=None).isoformat(timespec=digits)
    return f"{text}Z" if moment.tzinfo is not None else text


def java_double(value: float) -> str:
    """A double as Spark prints it: `1.0E20`, `1.5`, `NaN`, `Infinity`."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        text = f"{Decimal(repr(value)):f}"
        return text if "." in text else f"{text}.0"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    figures = "".join(map(str, digits))
    power = int(exponent) + len(figures) - 1
    return f"{'-' if sign else ''}{figures[0]}.{figures[1:] or '0'}E{power}"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        if value and all(isinstance(part, tuple) and len(part) == 2 for part in value):
            return {str(text_of(key)): _plain(part) for key, part in value}  # a MAP
        return [_plain(part) for part in value]
    return value if value is None or isinstance(value, str | bool | int | float) else _scalar(value)


def _interval(value: timedelta) -> str:
    sign = "-" if value < timedelta() else ""
    value = abs(value)
    hours, rest = divmod(value.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{sign}{value.days} {hours:02}:{minutes:02}:{seconds:02}.{value.microseconds:06}000"
