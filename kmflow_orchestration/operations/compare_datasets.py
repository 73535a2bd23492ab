"""Dataset tables against what is known of the files in them (row CD-N3)."""

from __future__ import annotations

from collections.abc import Sequence

from kmflow_orchestration.metadata.dataset_tables import DatasetTables
from kmflow_orchestration.names import GroupId, TableName
from kmflow_orchestration.operations.read_tables import rows_of_batches
from kmflow_orchestration.storage.interfaces import Lakehouse


def differing_tables(
    group: GroupId,
    tables: Sequence[TableName],
    batches: Sequence[str],
    *,
    registry: DatasetTables,
    lakehouse: Lakehouse,
) -> tuple[str, ...]:
    """Tables that have not as many rows of these batches as their files gave, in words.

    Raises:
        RemoteFault: the tables cannot be asked.
    """
    found = rows_of_batches(group, tables, batches, lakehouse=lakehouse)
    known = set(batches)
    told = []
    for table in tables:
        # What was deleted or superseded meanwhile has no part any more, and no rows.
        deleted = registry.deleted_items(group, table.name)
        expected = sum(
            part.row_count
            for part in registry.of_table(group, table.name)
            if part.batch_id in known and part.item_id not in deleted and not part.has_left
        )
        if found[table] != expected:
            told.append(f"{table}: {found[table]} rows instead of {expected}")
    return tuple(told)
