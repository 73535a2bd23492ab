"""Rows on their way into a table: in the table's own types, exactly, or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from kmflow_orchestration.tables.arrow_types import arrow_type
from kmflow_orchestration.tables.definition import Column

Rows = pa.Table | Iterable[pa.RecordBatch]


def checked_keys(rows: pa.Table, keys: Sequence[str]) -> pa.Table:
    """The same rows.

    Raises:
        ValueError: a key column is absent or holds NULL, or two rows have the same key.
    """
    absent = [key for key in keys if key not in rows.column_names]
    if absent or not keys:
        raise ValueError(f"rows without key column {', '.join(absent)}")
    for key in keys:
        if rows.column(key).null_count:
            raise ValueError(f"key column {key!r} must not be NULL")
    if rows.select(list(keys)).group_by(list(keys)).aggregate([]).num_rows != rows.num_rows:
        raise ValueError(f"two rows with the same {', '.join(keys)}")
    return rows


def table_schema(columns: Sequence[Column]) -> pa.Schema:
    """Arrow schema of a table with its NOT NULL columns."""
    return pa.schema(
        [pa.field(column.name, arrow_type(column.type), column.nullable) for column in columns]
    )


def typed_batches(rows: Rows, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
    """Record batches with exactly these columns in this order; absent ones are NULL.

    Raises:
        ValueError: a column the table has not, a value its type does not hold exactly, or NULL
            where the table takes none; names the column.
    """
    schema = table_schema(columns)
    for batch in rows.to_batches() if isinstance(rows, pa.Table) else rows:
        surplus = sorted(set(batch.schema.names) - set(schema.names))
        if surplus:
            raise ValueError(f"the table has no column {', '.join(surplus)}")
        yield pa.RecordBatch.from_arrays([_typed(batch, field) for field in schema], schema=schema)


def _typed(batch: pa.RecordBatch, field: Any) -> Any:
    position = batch.schema.get_field_index(field.name)
    if position < 0:
        values = pa.nulls(batch.num_rows, field.type)
    else:
        values = _cast(batch.column(position), field)
    if values.null_count and not field.nullable:
        raise ValueError(f"column {field.name!r} must not be NULL")
    return values


def _cast(values: Any, field: Any) -> Any:
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if values.type == field.type:
        return values
    if not _is_exact(values.type, field.type):
        raise ValueError(f"column {field.name!r}: {values.type} is not {field.type}")
    try:
        return pc.cast(values, field.type, safe=True)
    except pa.ArrowInvalid as error:
        raise ValueError(f"column {field.name!r}: {error}") from error


def _is_exact(given: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether a safe cast keeps every value or refuses: Arrow checks these and only these."""
    kinds = pa.types
    if kinds.is_null(given):
        return True
    if kinds.is_integer(given):
        return bool(
            kinds.is_integer(wanted) or kinds.is_floating(wanted) or kinds.is_decimal(wanted)
        )
    if kinds.is_floating(given):
        return bool(kinds.is_floating(wanted) and wanted.bit_width >= given.bit_width)
    if kinds.is_decimal(given):
        return bool(kinds.is_decimal(wanted))
    if kinds.is_timestamp(given):
        return bool(kinds.is_timestamp(wanted) and bool(given.tz) == bool(wanted.tz))
    if kinds.is_date(given):
        return bool(kinds.is_date(wanted) or kinds.is_timestamp(wanted))
    return (_is_text(given) and _is_text(wanted)) or (_is_bytes(given) and _is_bytes(wanted))


def _is_text(kind: pa.DataType) -> bool:
    return str(kind) in {"string", "large_string", "string_view"}


def _is_bytes(kind: pa.DataType) -> bool:
    return str(kind) in {"binary", "large_binary", "binary_view"}


def matching_only(
    batches: Iterable[pa.RecordBatch], matching: Mapping[str, Sequence[str]]
) -> Iterator[pa.RecordBatch]:
    """The same batches.

    Raises:
        ValueError: a row that the predicate which replaces it would not find again.
    """
    wanted = {name: pa.array(list(values), pa.string()) for name, values in matching.items()}
    for batch in batches:
        found = pa.array([False] * batch.num_rows)
        for name, values in wanted.items():
            found = pc.or_(found, pc.is_in(batch.column(name), value_set=values))
        if not pc.all(found, min_count=0).as_py():
            raise ValueError(f"rows that no value of {', '.join(wanted)} matches")
        yield batch
