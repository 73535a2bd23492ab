"""Fields of Avro records as Arrow columns: one type each where the schema gives one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from kmflow_orchestration.converters.arrow_values import cell_text

# A file whose records are no records has one column of this name.
VALUE = "value"
_PLAIN: Mapping[str, pa.DataType] = {
    "null": pa.null(),
    "boolean": pa.bool_(),
    "int": pa.int64(),
    "long": pa.int64(),
    "float": pa.float64(),
    "double": pa.float64(),
    "string": pa.string(),
    "enum": pa.string(),
    "bytes": pa.binary(),
    "fixed": pa.binary(),
}
_LOGICAL: Mapping[tuple[str, str], pa.DataType] = {
    ("int", "date"): pa.date32(),
    ("int", "time-millis"): pa.time64("us"),
    ("long", "time-micros"): pa.time64("us"),
    ("long", "timestamp-millis"): pa.timestamp("us", "UTC"),
    ("long", "timestamp-micros"): pa.timestamp("us", "UTC"),
    ("long", "local-timestamp-millis"): pa.timestamp("us"),
    ("long", "local-timestamp-micros"): pa.timestamp("us"),
}
_TEXT = pa.string()
_MOST_DIGITS = 76


@dataclass(frozen=True, slots=True)
class AvroColumn:
    """`type` is None for values of several types, and for nested ones: they become text."""

    name: str
    type: pa.DataType | None
    doc: str = ""

    @property
    def field(self) -> Any:
        return pa.field(self.name, _TEXT if self.type is None else self.type)

    def array(self, values: Sequence[Any]) -> Any:
        if self.type is None:
            return pa.array([cell_text(value) for value in values], _TEXT)
        return pa.array(values, self.type)


def columns_of(schema: Any) -> tuple[AvroColumn, ...]:
    """The columns of a file by the schema it was written with."""
    if is_record(schema):
        fields = schema.get("fields") or ()
        return tuple(
            AvroColumn(str(one["name"]), _arrow(one["type"]), str(one.get("doc") or ""))
            for one in fields
        )
    return (AvroColumn(VALUE, _arrow(schema)),)


def is_record(schema: Any) -> bool:
    """Whether each value of a file is a row with fields."""
    return isinstance(schema, Mapping) and schema.get("type") in ("record", "error")


def _arrow(schema: Any) -> pa.DataType | None:
    if isinstance(schema, str):
        return _PLAIN.get(schema)
    if isinstance(schema, list):
        branches = [one for one in schema if one != "null"]
        return _arrow(branches[0]) if len(branches) == 1 else _several(branches)
    kind, logical = schema.get("type"), schema.get("logicalType")
    if not isinstance(kind, str):
        return _arrow(kind)
    if logical == "decimal" and kind in ("bytes", "fixed"):
        return _decimal(schema)
    if logical == "uuid":
        return None
    return _LOGICAL.get((kind, str(logical)), _PLAIN.get(kind))


def _several(branches: Sequence[Any]) -> pa.DataType | None:
    """Whole numbers of both sizes are numbers; else only the text tells the values apart."""
    if not branches:
        return pa.null()
    is_whole = all(one in ("int", "long") for one in branches)
    return pa.int64() if is_whole else None


def _decimal(schema: Mapping[str, Any]) -> pa.DataType | None:
    precision, scale = schema.get("precision"), schema.get("scale", 0)
    if not isinstance(precision, int) or not isinstance(scale, int):
        return pa.binary()
    return pa.decimal256(precision, scale) if 0 < precision <= _MOST_DIGITS else None
