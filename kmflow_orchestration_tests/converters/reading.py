"""Reading converted tables back, as plain Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kmflow_orchestration.converters.delimited import DelimitedConverter, DelimitedTable
from kmflow_orchestration.converters.interface import ConvertedTable, Source
from kmflow_orchestration.converters.type_lattice import ColumnType


def delimited(source: Source) -> DelimitedTable:
    (table,) = DelimitedConverter().open_tables(source)
    return table


def types(table: ConvertedTable) -> dict[str, str]:
    return {fact.name: fact.type.sql for fact in table.facts}


def rows(table: ConvertedTable, wanted: Mapping[str, ColumnType] | None = None) -> list[Any]:
    """Values of each row, without the row's number and rescued data."""
    return [tuple(row.values())[1:-1] for row in all_values(table, wanted)]


def all_values(
    table: ConvertedTable, wanted: Mapping[str, ColumnType] | None = None
) -> list[dict[str, Any]]:
    return [row for batch in table.batches(wanted) for row in batch.to_pylist()]
