"""Committing a Parquet file that already lies in a table's directory (design AD3).

One 20 ms commit instead of writing every row a second time.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.transaction import AddAction, create_table_with_add_actions

from kmflow_orchestration.sail.tables import delta_schema
from kmflow_orchestration.sail.types import storable
from kmflow_orchestration.tables.definition import Column

# Longer texts would bloat the log; ids (36) must fit, because rows are found by them.
_MAX_TEXT = 40


def add_parquet_file(directory: Path, file_name: str) -> int:
    """Append the rows of a file that lies in the table's directory; how many they are.

    The file's footer gives the statistics by which readers skip it. A column of the table that the
    file lacks reads as NULL.

    Raises:
        ValueError: the file has a column the table has not, or of another type, or lacks one that
            must not be NULL.
    """
    table = DeltaTable(str(directory))
    metadata = pq.read_metadata(directory / file_name)
    _check(metadata.schema.to_arrow_schema(), table)
    action = _action(directory / file_name, metadata)
    table.create_write_transaction([action], mode="append", schema=table.schema())
    return int(metadata.num_rows)


def replace_with_parquet_file(
    directory: Path, file_name: str, columns: Sequence[Column], *, comment: str = ""
) -> int:
    """Make the table exactly these columns and the rows of a file in its directory; how many.

    One commit, whatever the table was before or whether there was one.

    Raises:
        ValueError: a column type Spark SQL has not.
    """
    metadata = pq.read_metadata(directory / file_name)
    action = _action(directory / file_name, metadata)
    schema = delta_schema(columns)
    if DeltaTable.is_deltatable(str(directory)):
        table = DeltaTable(str(directory))
        table.create_write_transaction([action], mode="overwrite", schema=schema)
    else:
        create_table_with_add_actions(
            str(directory), schema, [action], mode="error", description=comment or None
        )
    return int(metadata.num_rows)


def _action(path: Path, metadata: pq.FileMetaData) -> AddAction:
    status = path.stat()
    return AddAction(
        path=path.name,
        size=status.st_size,
        partition_values={},
        modification_time=int(status.st_mtime * 1000),
        data_change=True,
        stats=json.dumps(_statistics(metadata)),
    )


def _check(found: pa.Schema, table: DeltaTable) -> None:
    expected = pa.schema(table.schema().to_arrow())
    for field in found:
        if field.name not in expected.names:
            raise ValueError(f"the table has no column {field.name!r}")
        wanted = expected.field(field.name).type
        if storable(field.type) != storable(wanted):
            raise ValueError(f"column {field.name!r} is {field.type}, the table's is {wanted}")
    for field in expected:
        if not field.nullable and field.name not in found.names:
            raise ValueError(f"the file lacks column {field.name!r}, which must not be NULL")


def _statistics(metadata: pq.FileMetaData) -> dict[str, Any]:
    low: dict[str, Any] = {}
    high: dict[str, Any] = {}
    nulls: dict[str, int] = {}
    for index in range(metadata.num_columns):
        name = metadata.schema.column(index).path
        chunks: list[Any] = [
            metadata.row_group(group).column(index).statistics
            for group in range(metadata.num_row_groups)
        ]
        if "." in name or any(chunk is None for chunk in chunks):
            continue
        if all(chunk.has_null_count for chunk in chunks):
            nulls[name] = sum(chunk.null_count for chunk in chunks)
        _bounds(name, chunks, low, high)
    return {
        "numRecords": metadata.num_rows,
        "minValues": low,
        "maxValues": high,
        "nullCount": nulls,
    }


def _bounds(name: str, chunks: list[Any], low: dict[str, Any], high: dict[str, Any]) -> None:
    filled = [chunk for chunk in chunks if chunk.has_min_max]
    # A chunk with values but no bounds (NaN, over-long text) leaves the column without bounds.
    if not filled or len(filled) < sum(chunk.num_values > 0 for chunk in chunks):
        return
    smallest = min(chunk.min for chunk in filled)
    largest = max(chunk.max for chunk in filled)
    if isinstance(smallest, bytes | bool) or _too_long(smallest, largest):
        return
    # Delta's JSON has no infinity, and a log line that holds one cannot be read at all.
    if any(isinstance(value, float) and not isfinite(value) for value in (smallest, largest)):
        return
    low[name], high[name] = _plain(smallest), _plain(largest)


def _too_long(*values: object) -> bool:
    return any(isinstance(value, str) and len(value) > _MAX_TEXT for value in values)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value
