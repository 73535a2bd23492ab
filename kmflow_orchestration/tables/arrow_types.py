"""The Arrow type that holds every value of a Spark SQL type exactly."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow as pa

from kmflow_orchestration.tables.definition import Column

_SIMPLE: dict[str, pa.DataType] = {
    "BOOLEAN": pa.bool_(),
    "TINYINT": pa.int8(),
    "BYTE": pa.int8(),
    "SMALLINT": pa.int16(),
    "SHORT": pa.int16(),
    "INT": pa.int32(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "LONG": pa.int64(),
    "FLOAT": pa.float32(),
    "REAL": pa.float32(),
    "DOUBLE": pa.float64(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us", tz="UTC"),
    "TIMESTAMP_NTZ": pa.timestamp("us"),
    "STRING": pa.string(),
    "BINARY": pa.binary(),
    "VOID": pa.null(),
    "NULL": pa.null(),
}
_DECIMAL = re.compile(r"(?:DECIMAL|NUMERIC|DEC)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?")
_TEXT = re.compile(r"(?:VARCHAR|CHAR)\s*\(\s*\d+\s*\)")


def arrow_type(spark_type: str) -> pa.DataType:
    """Arrow's type for a Spark SQL type name. Raises ValueError for nested or unknown types."""
    name = spark_type.strip().upper()
    if name in _SIMPLE:
        return _SIMPLE[name]
    if match := _DECIMAL.fullmatch(name):
        return pa.decimal128(int(match[1] or 10), int(match[2] or 0))
    if _TEXT.fullmatch(name):
        return pa.string()
    raise ValueError(f"no Arrow type for {spark_type!r}")


def arrow_schema(columns: Sequence[Column]) -> pa.Schema:
    """Arrow schema of a table's columns, every field nullable."""
    return pa.schema([pa.field(column.name, arrow_type(column.type)) for column in columns])


def canonical(table: pa.Table) -> pa.Table:
    """The same rows in the one Arrow form we use: plain texts, times in UTC microseconds."""
    schema = pa.schema([pa.field(field.name, _plain(field.type)) for field in table.schema])
    return table if schema == table.schema else table.cast(schema)


_PLAIN: dict[str, pa.DataType] = {
    "large_string": pa.string(),
    "string_view": pa.string(),
    "large_binary": pa.binary(),
    "binary_view": pa.binary(),
}


def _plain(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", tz="UTC" if kind.tz else None)
    return _PLAIN.get(str(kind), kind)
