"""Copies of a table group's catalog rows in the lakehouse, where jobs can read them (AD4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import pyarrow as pa

from kmflow_orchestration.metadata.profile_records import ProfiledTable, TableGroup
from kmflow_orchestration.names import Namespace
from kmflow_orchestration.storage.interfaces import Lakehouse
from kmflow_orchestration.tables.arrow_types import arrow_schema
from kmflow_orchestration.tables.definition import TableDefinition
from kmflow_orchestration.tables.profiling import DQ_TABLE_GROUPS, DQ_TABLES


def copy_catalog(
    table_group: TableGroup,
    tables: Sequence[ProfiledTable],
    *,
    lakehouse: Lakehouse,
    namespace: Namespace,
    at: datetime,
) -> None:
    """Merge the table group's row and those of its tables into `dq_table_groups` and `dq_tables`.

    Raises: as `Lakehouse.merge`.
    """
    at_copy = {"updated_at": at}
    rows = [asdict(table_group) | at_copy]
    table_rows = [asdict(table) | at_copy for table in tables]
    for definition, content in ((DQ_TABLE_GROUPS, rows), (DQ_TABLES, table_rows)):
        if content:
            lakehouse.merge(
                namespace.dq(definition.name), _arrow(definition, content), definition.key
            )


def _arrow(definition: TableDefinition, rows: list[dict[str, Any]]) -> pa.Table:
    # Column by column, so that a column nobody fills is an error and not a NULL.
    complete = [{name: row[name] for name in definition.column_names} for row in rows]
    return pa.Table.from_pylist(complete, schema=arrow_schema(definition.columns))
