"""Columns of a result in the words of the Thrift protocol, and in the Arrow form it sends them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
from databricks.sql.thrift_api.TCLIService import ttypes

from kmflow_orchestration.sail.types import spark_from_arrow
from kmflow_orchestration.workspace.sql_values import text_of

# As Databricks names the time zone of its sessions.
_UTC = "Etc/UTC"
_TYPE_IDS = {
    "BOOLEAN": "BOOLEAN_TYPE",
    "TINYINT": "TINYINT_TYPE",
    "SMALLINT": "SMALLINT_TYPE",
    "INT": "INT_TYPE",
    "BIGINT": "BIGINT_TYPE",
    "FLOAT": "FLOAT_TYPE",
    "DOUBLE": "DOUBLE_TYPE",
    "STRING": "STRING_TYPE",
    "BINARY": "BINARY_TYPE",
    "DATE": "DATE_TYPE",
    "TIMESTAMP": "TIMESTAMP_TYPE",
    "TIMESTAMP_NTZ": "TIMESTAMP_TYPE",
    "DECIMAL": "DECIMAL_TYPE",
    "ARRAY": "ARRAY_TYPE",
    "MAP": "MAP_TYPE",
    "STRUCT": "STRUCT_TYPE",
    "VOID": "NULL_TYPE",
}


@dataclass(frozen=True, slots=True)
class NativeTypes:
    """Which kinds of values the client takes as Arrow's own; the others it gets as texts."""

    timestamps: bool = True
    decimals: bool = True
    collections: bool = True

    @classmethod
    def of(cls, given: Any) -> NativeTypes:
        """From a request's `useArrowNativeTypes`, which may be missing."""
        if given is None:
            return cls(timestamps=False, decimals=False, collections=False)
        return cls(
            timestamps=bool(given.timestampAsArrow),
            decimals=bool(given.decimalAsArrow),
            collections=bool(given.complexTypesAsArrow),
        )


class Shape:
    """How the columns of one result are sent."""

    def __init__(self, schema: pa.Schema, native: NativeTypes) -> None:
        self.columns = thrift_schema(schema)
        self._targets = [_target(field.type, native) for field in schema]
        self.arrow = pa.schema(
            [
                pa.field(field.name, target, metadata=_spark_names(field))
                for field, target in zip(schema, self._targets, strict=True)
            ]
        )

    def batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """A batch of the result in this shape."""
        arrays = [
            _shaped(array, target)
            for array, target in zip(batch.columns, self._targets, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self.arrow)


def thrift_schema(schema: pa.Schema) -> Any:
    """A `TTableSchema`."""
    return ttypes.TTableSchema(
        columns=[
            ttypes.TColumnDesc(
                columnName=field.name,
                typeDesc=ttypes.TTypeDesc(
                    types=[ttypes.TTypeEntry(primitiveEntry=_entry(field.type))]
                ),
                position=position,
                comment="",
            )
            for position, field in enumerate(schema, start=1)
        ]
    )


def _entry(kind: pa.DataType) -> Any:
    text = spark_from_arrow(kind)
    word = text.partition("<")[0].partition("(")[0]
    name = _TYPE_IDS.get(word)
    if name is None:  # an interval
        month = word.startswith("INTERVAL YEAR")
        name = "INTERVAL_YEAR_MONTH_TYPE" if month else "INTERVAL_DAY_TIME_TYPE"
    qualifiers = None
    if pa.types.is_decimal(kind):
        value = ttypes.TTypeQualifierValue
        numbers = {"precision": kind.precision, "scale": kind.scale}
        qualifiers = ttypes.TTypeQualifiers(
            qualifiers={key: value(i32Value=number) for key, number in numbers.items()}
        )
    return ttypes.TPrimitiveTypeEntry(type=getattr(ttypes.TTypeId, name), typeQualifiers=qualifiers)


def _spark_names(field: pa.Field[Any]) -> dict[str, str]:
    return {"Spark:DataType:SqlName": spark_from_arrow(field.type)}


def _target(kind: pa.DataType, native: NativeTypes) -> pa.DataType:
    if pa.types.is_nested(kind):
        return _plain(kind) if native.collections else pa.string()
    as_text = (
        (pa.types.is_timestamp(kind) and not native.timestamps)
        or (pa.types.is_decimal(kind) and not native.decimals)
        or pa.types.is_duration(kind)
        or pa.types.is_interval(kind)
        or pa.types.is_null(kind)
    )
    return pa.string() if as_text else _plain(kind)


def _plain(kind: pa.DataType) -> pa.DataType:
    """The same type in Arrow's oldest form, which every driver reads."""
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", tz=_UTC if kind.tz else None)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(_plain(kind.value_type))
    if pa.types.is_map(kind):
        return pa.map_(_plain(kind.key_type), _plain(kind.item_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(field.name, _plain(field.type)) for field in kind])
    return _OLD_FORMS.get(str(kind), kind)


_OLD_FORMS: dict[str, pa.DataType] = {
    "string_view": pa.string(),
    "large_string": pa.string(),
    "binary_view": pa.binary(),
    "large_binary": pa.binary(),
}


def _shaped(array: pa.Array[Any], target: pa.DataType) -> pa.Array[Any]:
    if array.type == target:
        return array
    if target == pa.string() and str(array.type) not in _OLD_FORMS:
        return pa.array([_spelt(value) for value in array.to_pylist()], pa.string())
    return array.cast(target)


def _spelt(value: Any) -> str | None:
    if isinstance(value, datetime):
        return str(value.replace(tzinfo=None))
    return text_of(value)
