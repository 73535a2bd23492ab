"""Names of types: Spark SQL's words, Delta's JSON and Arrow's types for the same thing."""

from __future__ import annotations

import json
import re
from typing import Any

import pyarrow as pa

_DELTA_WORDS = {
    "STRING": "string",
    "VARCHAR": "string",
    "CHAR": "string",
    "BIGINT": "long",
    "LONG": "long",
    "INT": "integer",
    "INTEGER": "integer",
    "SMALLINT": "short",
    "SHORT": "short",
    "TINYINT": "byte",
    "BYTE": "byte",
    "DOUBLE": "double",
    "FLOAT": "float",
    "REAL": "float",
    "BOOLEAN": "boolean",
    "BINARY": "binary",
    "DATE": "date",
    "TIMESTAMP": "timestamp",
    "TIMESTAMP_LTZ": "timestamp",
    "TIMESTAMP_NTZ": "timestamp_ntz",
}
_SPARK_WORDS = {
    "string": "STRING",
    "long": "BIGINT",
    "integer": "INT",
    "short": "SMALLINT",
    "byte": "TINYINT",
    "double": "DOUBLE",
    "float": "FLOAT",
    "boolean": "BOOLEAN",
    "binary": "BINARY",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "timestamp_ntz": "TIMESTAMP_NTZ",
}
_ARROW_WORDS: tuple[tuple[pa.DataType, str], ...] = (
    (pa.string(), "STRING"),
    (pa.large_string(), "STRING"),
    (pa.string_view(), "STRING"),
    (pa.int64(), "BIGINT"),
    (pa.int32(), "INT"),
    (pa.int16(), "SMALLINT"),
    (pa.int8(), "TINYINT"),
    (pa.float64(), "DOUBLE"),
    (pa.float32(), "FLOAT"),
    (pa.bool_(), "BOOLEAN"),
    (pa.binary(), "BINARY"),
    (pa.large_binary(), "BINARY"),
    (pa.binary_view(), "BINARY"),
    (pa.date32(), "DATE"),
    (pa.null(), "VOID"),
)
_DECIMAL = re.compile(r"DECIMAL\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?|DEC|NUMERIC", re.IGNORECASE)
_SIZED = re.compile(r"(VARCHAR|CHAR)\s*\(\s*\d+\s*\)", re.IGNORECASE)


def delta_json(spark: str) -> Any:
    """The type as Delta's schema JSON holds it. Raises ValueError for no type of Spark SQL."""
    text = spark.strip()
    upper = text.upper()
    if upper in _DELTA_WORDS:
        return _DELTA_WORDS[upper]
    if found := _DECIMAL.fullmatch(text):
        return f"decimal({found[1] or 10},{found[2] or 0})"
    if _SIZED.fullmatch(text):
        return "string"
    if text.endswith(">") and "<" in text:
        return _nested(upper.partition("<")[0].strip(), text[text.index("<") + 1 : -1])
    raise ValueError(f"unsupported data type {spark!r}")


def delta_field(name: str, spark: str, *, nullable: bool = True, comment: str = "") -> str:
    """A field of a Delta schema as JSON text. Raises ValueError."""
    return json.dumps(
        {
            "name": name,
            "type": delta_json(spark),
            "nullable": nullable,
            "metadata": {"comment": comment} if comment else {},
        }
    )


def spark_from_delta(kind: Any) -> str:
    """Spark SQL's name for a type of a Delta schema's JSON."""
    if isinstance(kind, str):
        return _SPARK_WORDS.get(kind, kind.upper())
    if kind["type"] == "array":
        return f"ARRAY<{spark_from_delta(kind['elementType'])}>"
    if kind["type"] == "map":
        return f"MAP<{spark_from_delta(kind['keyType'])},{spark_from_delta(kind['valueType'])}>"
    fields = (f"{field['name']}:{spark_from_delta(field['type'])}" for field in kind["fields"])
    return f"STRUCT<{','.join(fields)}>"


def spark_from_arrow(kind: pa.DataType) -> str:
    """Spark SQL's name for an Arrow type of a result."""
    for arrow, word in _ARROW_WORDS:
        if kind == arrow:
            return word
    if pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision},{kind.scale})"
    if pa.types.is_timestamp(kind):
        return "TIMESTAMP" if kind.tz else "TIMESTAMP_NTZ"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"ARRAY<{spark_from_arrow(kind.value_type)}>"
    if pa.types.is_map(kind):
        return f"MAP<{spark_from_arrow(kind.key_type)},{spark_from_arrow(kind.item_type)}>"
    if pa.types.is_struct(kind):
        fields = (f"{field.name}:{spark_from_arrow(field.type)}" for field in kind)
        return f"STRUCT<{','.join(fields)}>"
    return _SPARK_INTERVALS.get(str(kind), str(kind).upper())


_SPARK_INTERVALS = {
    "duration[us]": "INTERVAL DAY TO SECOND",
    "month_interval": "INTERVAL YEAR TO MONTH",
}


def storable(kind: pa.DataType) -> pa.DataType:
    """The Arrow type under which a result's column is kept in a Delta table.

    Every part is nullable, as in a table made by a query. Raises ValueError for VOID and intervals,
    which no table can hold.
    """
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(storable(kind.value_type))
    if pa.types.is_map(kind):
        return pa.map_(storable(kind.key_type), storable(kind.item_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(field.name, storable(field.type)) for field in kind])
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", tz="UTC" if kind.tz else None)
    if pa.types.is_null(kind) or pa.types.is_duration(kind) or str(kind) == "month_interval":
        raise ValueError(f"a table cannot hold a column of type {spark_from_arrow(kind)}")
    return {"string_view": pa.string(), "large_string": pa.string()}.get(str(kind), kind)


def _nested(word: str, inner: str) -> dict[str, Any]:
    parts = _split(inner)
    if word == "ARRAY" and len(parts) == 1:
        return {"type": "array", "elementType": delta_json(parts[0]), "containsNull": True}
    if word == "MAP" and len(parts) == 2:
        key, value = (delta_json(part) for part in parts)
        return {"type": "map", "keyType": key, "valueType": value, "valueContainsNull": True}
    if word == "STRUCT":
        return {"type": "struct", "fields": [_struct_field(part) for part in parts]}
    raise ValueError(f"unsupported data type {word}<{inner}>")


def _struct_field(text: str) -> dict[str, Any]:
    name, colon, kind = text.partition(":")
    if not colon:
        name, _, kind = text.strip().partition(" ")
    return {
        "name": name.strip().strip("`"),
        "type": delta_json(kind),
        "nullable": True,
        "metadata": {},
    }


def _split(inner: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for index, char in enumerate(inner):
        depth += {"<": 1, "(": 1, ">": -1, ")": -1}.get(char, 0)
        if char == "," and depth == 0:
            parts.append(inner[start:index])
            start = index + 1
    return [*parts, inner[start:]]
