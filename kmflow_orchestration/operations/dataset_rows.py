"""Columns and rows of a dataset table, put together from the parts of live items (design AD9)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from kmflow_orchestration.converters.staged_files import numbered_batches
from kmflow_orchestration.converters.staging import StagedTable
from kmflow_orchestration.converters.text_values import widened
from kmflow_orchestration.converters.type_lattice import ColumnType, Kind
from kmflow_orchestration.metadata.dataset_tables import DatasetPart, PartColumn
from kmflow_orchestration.operations.asked_types import column_type, staged_type, texts_in
from kmflow_orchestration.tables.arrow_types import arrow_type
from kmflow_orchestration.tables.definition import Column
from kmflow_orchestration.tables.medallion import PROVENANCE

_ROWS_AT_ONCE = 16_384
_BEFORE, _AFTER = PROVENANCE[:-1], PROVENANCE[-1:]


def needed_types(
    parts: Sequence[DatasetPart], asked: Mapping[str, str] | None = None
) -> dict[str, ColumnType]:
    """Columns of a table in the order its parts bring them, with the type each needs.

    `asked` are words of types that somebody set; they hold where every value fits them.
    """
    columns: dict[str, list[PartColumn]] = {}
    for part in parts:
        for column in part.columns:
            columns.setdefault(column.name, []).append(column)
    return {name: column_type((asked or {}).get(name, ""), some) for name, some in columns.items()}


def table_columns(
    parts: Sequence[DatasetPart], types: Mapping[str, ColumnType]
) -> tuple[Column, ...]:
    """All columns of a dataset table; a header that was cleaned stands in the comment."""
    headers: dict[str, str] = {}
    for part in parts:
        for column in part.columns:
            headers.setdefault(column.name, column.source_name)
    data = [
        Column(name, kind.sql, comment=headers[name] if headers[name] != name else "")
        for name, kind in types.items()
    ]
    return (*_BEFORE, *data, *_AFTER)


def have_same_types(wanted: Iterable[Column], actual: Iterable[Column]) -> bool:
    """Whether two lists of columns hold the same names and types, in whatever order."""
    return _by_name(wanted) == _by_name(actual)


def _by_name(columns: Iterable[Column]) -> dict[str, pa.DataType]:
    return {column.name: arrow_type(column.type) for column in columns}


def can_widen(staged: StagedTable, wanted: Mapping[str, ColumnType]) -> bool:
    """Whether a staged table turns into these types without reading its source again.

    Typed values no longer have the text they were written as ('1.50', '+00:00'). Nor does one of
    other columns, which another run found by other corrections.
    """
    return staged.types.keys() == wanted.keys() and all(
        wanted[name].kind is not Kind.STRING or kind.kind in (Kind.STRING, Kind.EMPTY)
        for name, kind in staged.types.items()
    )


@dataclass(frozen=True, slots=True)
class PartRows:
    """A part and the Parquet file its rows are staged in; see `staged_types`."""

    part: DatasetPart
    path: Path


def staged_types(part: DatasetPart, types: Mapping[str, ColumnType]) -> dict[str, ColumnType]:
    """What to stage a part's columns in for a table of these types."""
    return {column.name: staged_type(column, types[column.name]) for column in part.columns}


def rows_of(
    staged: Iterable[PartRows], columns: Sequence[Column], types: Mapping[str, ColumnType]
) -> Iterator[pa.RecordBatch]:
    """Rows of a table in its own columns, with provenance; bounded memory."""
    schema = pa.schema([(column.name, arrow_type(column.type)) for column in columns])
    for rows in staged:
        for batch in numbered_batches(rows.path, _ROWS_AT_ONCE):
            yield _with_provenance(batch, rows.part, schema, types)


def _with_provenance(
    batch: pa.RecordBatch,
    part: DatasetPart,
    schema: pa.Schema,
    types: Mapping[str, ColumnType],
) -> pa.RecordBatch:
    constants = {
        "group_id": part.group_id,
        "engagement_id": part.engagement_id,
        "_evidence_id": part.item_id,
        "_source_part": part.part or None,
        "_received_on": part.received_on,
        "_batch_id": part.batch_id,
    }
    values = []
    for field in schema:
        if field.name in constants:
            values.append(pa.repeat(pa.scalar(constants[field.name], field.type), batch.num_rows))
        elif field.name in batch.schema.names:
            values.append(_in_type(batch.column(field.name), field.type, types.get(field.name)))
        else:
            values.append(pa.nulls(batch.num_rows, field.type))
    return pa.RecordBatch.from_arrays(values, schema=schema)


def _in_type(values: Any, wanted: pa.DataType, kind: ColumnType | None) -> Any:
    """Staged values in the column's type; texts become another only where they all fit it."""
    is_text = pa.types.is_string(values.type) and not pa.types.is_string(wanted)
    if kind is not None and is_text and values.null_count < len(values):
        return texts_in(values, kind)
    return widened(values, wanted)
