"""Columns and rows of a dataset table, put together from the parts of live items (design AD9)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from kmflow_orchestration.converters.staged_files import numbered_batches
from kmflow_orchestration.converters.staging import StagedTable
from kmflow_orchestration.converters.text_values import widened
from kmflow_orchestration.converters.type_lattice import EMPTY, ColumnType, Kind, join
from kmflow_orchestration.metadata.dataset_tables import DatasetPart
from kmflow_orchestration.tables.arrow_types import arrow_type
from kmflow_orchestration.tables.definition import Column
from kmflow_orchestration.tables.medallion import PROVENANCE

_ROWS_AT_ONCE = 16_384
_BEFORE, _AFTER = PROVENANCE[:-1], PROVENANCE[-1:]


def needed_types(parts: Sequence[DatasetPart]) -> dict[str, ColumnType]:
    """Columns of a table in the order its parts bring them, with the join of their types."""
    types: dict[str, ColumnType] = {}
    for part in parts:
        for column in part.columns:
            found = ColumnType.parse(column.type)
            types[column.name] = join(types.get(column.name, EMPTY), found)
    return types


def table_columns(parts: Sequence[DatasetPart]) -> tuple[Column, ...]:
    """All columns of a dataset table; a header that was cleaned stands in the comment."""
    headers: dict[str, str] = {}
    for part in parts:
        for column in part.columns:
            headers.setdefault(column.name, column.source_name)
    data = [
        Column(name, kind.sql, comment=headers[name] if headers[name] != name else "")
        for name, kind in needed_types(parts).items()
    ]
    return (*_BEFORE, *data, *_AFTER)


def have_same_types(wanted: Iterable[Column], actual: Iterable[Column]) -> bool:
    """Whether two lists of columns hold the same names and types, in whatever order."""
    return _by_name(wanted) == _by_name(actual)


def _by_name(columns: Iterable[Column]) -> dict[str, pa.DataType]:
    return {column.name: arrow_type(column.type) for column in columns}


def can_widen(staged: StagedTable, wanted: Mapping[str, ColumnType]) -> bool:
    """Whether a staged table turns into these types without reading its source again.

    Typed values no longer have the text they were written as ('1.50', '+00:00').
    """
    return all(
        wanted[name].kind is not Kind.STRING or kind.kind in (Kind.STRING, Kind.EMPTY)
        for name, kind in staged.types.items()
    )


@dataclass(frozen=True, slots=True)
class PartRows:
    """A part and the Parquet file its rows are staged in."""

    part: DatasetPart
    path: Path


def rows_of(staged: Iterable[PartRows], columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
    """Rows of a table in its own columns, with provenance; bounded memory."""
    schema = pa.schema([(column.name, arrow_type(column.type)) for column in columns])
    for rows in staged:
        for batch in numbered_batches(rows.path, _ROWS_AT_ONCE):
            yield _with_provenance(batch, rows.part, schema)


def _with_provenance(batch: pa.RecordBatch, part: DatasetPart, schema: pa.Schema) -> pa.RecordBatch:
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
            values.append(widened(batch.column(field.name), field.type))
        else:
            values.append(pa.nulls(batch.num_rows, field.type))
    return pa.RecordBatch.from_arrays(values, schema=schema)
