"""Reading a little of a table: first rows for a preview, counts for a picture or a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.names import LAYERS, GroupId, TableName, literal, quoted
from kmflow_orchestration.storage.interfaces import Lakehouse
from kmflow_orchestration.tables.medallion import BATCH_COLUMN

# In one statement.
_TABLES_AT_ONCE = 20


def first_rows(
    group: GroupId,
    table: TableName,
    batches: Sequence[str],
    *,
    lakehouse: Lakehouse,
    rows: int = 5,
) -> pa.Table:
    """Up to `rows` rows of a group that one of these batches wrote, in no particular order."""
    return lakehouse.query(
        f"SELECT * FROM {table.sql} WHERE {_of_batches(batches)} LIMIT {int(rows)}",
        {"group_id": group},
    )


def rows_by(
    group: GroupId, table: TableName, column: str, batches: Sequence[str], *, lakehouse: Lakehouse
) -> Mapping[str, int]:
    """Rows of a group that these batches wrote, by the values of a column, most rows first.

    Rows without a value count as `none`.
    """
    found = lakehouse.query(
        f"SELECT COALESCE({quoted(column)}, 'none') AS value, COUNT(*) AS row_count"
        f" FROM {table.sql} WHERE {_of_batches(batches)} GROUP BY 1 ORDER BY 2 DESC, 1",
        {"group_id": group},
    )
    return {row["value"]: row["row_count"] for row in found.to_pylist()}


def rows_of_batches(
    group: GroupId,
    tables: Sequence[TableName],
    batches: Sequence[str],
    *,
    lakehouse: Lakehouse,
) -> Mapping[TableName, int]:
    """How many rows of a group each table has that these batches wrote."""
    found: dict[TableName, int] = {}
    for start in range(0, len(tables), _TABLES_AT_ONCE):
        some = tables[start : start + _TABLES_AT_ONCE]
        counted = lakehouse.query(
            " UNION ALL ".join(
                f"SELECT {at} AS position, COUNT(*) AS row_count FROM {table.sql}"
                f" WHERE {_of_batches(batches)}"
                for at, table in enumerate(some)
            ),
            {"group_id": group},
        )
        found |= {some[row["position"]]: row["row_count"] for row in counted.to_pylist()}
    return found


def _of_batches(batches: Sequence[str]) -> str:
    chosen = ", ".join(literal(batch) for batch in batches) or "NULL"
    return f"group_id = :group_id AND {quoted(BATCH_COLUMN)} IN ({chosen})"


def row_counts(group: GroupId, *, lakehouse: Lakehouse, config: GroupConfig) -> Mapping[str, int]:
    """Rows of every table of a group but the profile results, by `schema.table`, sorted."""
    counts: dict[str, int] = {}
    for schema in config.namespace.schemas:
        if schema == f"{config.schema}_{LAYERS[-1]}":
            continue
        for table in lakehouse.tables(schema):
            result = lakehouse.query(
                f"SELECT COUNT(*) AS row_count FROM {table.sql} WHERE group_id = :group_id",
                {"group_id": group},
            )
            counts[f"{table.schema}.{table.name}"] = result.column("row_count")[0].as_py()
    return dict(sorted(counts.items()))
