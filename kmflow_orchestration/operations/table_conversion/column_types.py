"""The type that a column of a Parquet file has in a Delta table, if one holds it exactly."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from kmflow_orchestration.errors import UnsupportedFormatError
from kmflow_orchestration.names import quoted

_SIMPLE: dict[str, str] = {
    "bool": "BOOLEAN",
    "int8": "TINYINT",
    "int16": "SMALLINT",
    "int32": "INT",
    "int64": "BIGINT",
    # Unsigned ones have no type of their own.
    "uint8": "SMALLINT",
    "uint16": "INT",
    "uint32": "BIGINT",
    "uint64": "DECIMAL(20,0)",
    "float": "FLOAT",
    "double": "DOUBLE",
    "date32[day]": "DATE",
    "timestamp[us]": "TIMESTAMP_NTZ",
    "timestamp[ms]": "TIMESTAMP_NTZ",
    "string": "STRING",
    "large_string": "STRING",
    "binary": "BINARY",
    "large_binary": "BINARY",
    "null": "STRING",
}


def delta_type(kind: pa.DataType) -> str | None:
    """Spark SQL's name of it; None where there is none, or only one that changes values."""
    name = _SIMPLE.get(str(kind))
    if name is not None:
        return name
    value: Any = kind
    if pa.types.is_timestamp(kind) and value.unit in {"us", "ms"}:
        return "TIMESTAMP"
    if pa.types.is_decimal128(kind) and value.scale >= 0:
        return f"DECIMAL({value.precision},{value.scale})"
    return None


def selected(schema: pa.Schema, table: str) -> str:
    """What a statement selects from a Parquet file of these columns.

    Raises:
        UnsupportedFormatError: a column has values that no type of a table holds exactly.
    """
    columns = []
    for field in schema:
        kind = delta_type(field.type)
        if kind is None:
            raise UnsupportedFormatError(
                f"{table}: column {field.name} is {field.type}, which no column of a table is",
                hint="--types string, or --schema with another type; or convert it to Parquet",
            )
        columns.append(f"CAST({quoted(field.name)} AS {kind}) AS {quoted(field.name)}")
    return ", ".join(columns)
