"""Delta tables as directories: made and read with `deltalake`, registered with Sail.

Tables stay at reader version 1 and writer version 2, without change data feed or column mapping:
Sail can no longer write a table that has more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from deltalake import Field as DeltaField
from deltalake import Schema as DeltaSchema
from deltalake.exceptions import TableNotFoundError

from kmflow_orchestration.names import literal, quoted
from kmflow_orchestration.sail.execution import SailSession
from kmflow_orchestration.sail.types import delta_field, spark_from_delta, storable
from kmflow_orchestration.tables.definition import Column

__all__ = [
    "Column",
    "add_columns",
    "create_empty",
    "create_schema",
    "delta_schema",
    "exists",
    "holds_file",
    "overwrite",
    "read_columns",
    "register",
    "sail_name",
    "unregister",
]


def create_empty(
    directory: Path, columns: Sequence[Column], *, comment: str = "", replace: bool = False
) -> None:
    """Make an empty Delta table, NOT NULL kept as the schema's nullability.

    Raises:
        deltalake.exceptions.TableAlreadyExistsError: there is one, unless `replace` says so.
        ValueError: a column type Spark SQL has not.
    """
    DeltaTable.create(
        str(directory),
        schema=delta_schema(columns),
        mode="overwrite" if replace else "error",
        description=comment or None,
    )


def exists(directory: Path) -> bool:
    """Whether a Delta table lies there."""
    return bool(DeltaTable.is_deltatable(str(directory)))


def holds_file(directory: Path, file_name: str) -> bool:
    """Whether a file of a table's directory is part of what the table says now."""
    if not exists(directory):
        return False
    return any(uri.endswith(f"/{file_name}") for uri in DeltaTable(str(directory)).file_uris())


def read_columns(directory: Path) -> tuple[Column, ...] | None:
    """Columns of the table in order, types as Spark SQL names them; None when there is none."""
    try:
        table = DeltaTable(str(directory))
    except TableNotFoundError:
        return None
    return tuple(
        Column(
            field["name"],
            spark_from_delta(field["type"]),
            field["nullable"],
            str(field["metadata"].get("comment", "")),
        )
        for field in json.loads(table.schema().to_json())["fields"]
    )


def add_columns(directory: Path, columns: Sequence[Column]) -> None:
    """Add nullable columns at the end; sessions that registered the table see them at once."""
    DeltaTable(str(directory)).alter.add_columns([_field(column) for column in columns])


def overwrite(directory: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    """Replace rows and columns in one commit, or make the table; every column is nullable.

    Sail's own CREATE OR REPLACE keeps the old columns, hence this.

    Raises:
        ValueError: a column of a type no table can hold.
    """
    target = pa.schema([pa.field(field.name, storable(field.type)) for field in schema])
    reader = pa.RecordBatchReader.from_batches(target, (batch.cast(target) for batch in batches))
    write_deltalake(str(directory), reader, mode="overwrite", schema_mode="overwrite")


def register(session: SailSession, name: str, directory: Path) -> None:
    """Make an existing Delta directory readable as `name`, quoted SQL text with its schema."""
    session.execute(f"CREATE TABLE {name} USING DELTA LOCATION {literal(str(directory))}")


def unregister(session: SailSession, name: str) -> None:
    """Forget a name; the directory stays."""
    session.execute(f"DROP TABLE IF EXISTS {name}")


def create_schema(session: SailSession, name: str) -> None:
    """Make a schema, quoted SQL text, when it is absent."""
    session.execute(f"CREATE SCHEMA IF NOT EXISTS {name}")


def sail_name(catalog: str, schema: str, table: str) -> str:
    """Two-part name under which one session keeps tables of any catalog.

    The catalogs of a server are fixed at its start; schemas are not.
    """
    return f"{quoted(f'{catalog}.{schema}')}.{quoted(table)}"


def delta_schema(columns: Sequence[Column]) -> DeltaSchema:
    """Schema of a Delta table, with comments and NOT NULL. Raises ValueError as `create_empty`."""
    return DeltaSchema([_field(column) for column in columns])


def _field(column: Column) -> DeltaField:
    return DeltaField.from_json(
        delta_field(column.name, column.type, nullable=column.nullable, comment=column.comment)
    )
