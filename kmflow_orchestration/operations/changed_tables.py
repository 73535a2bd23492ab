"""Which tables a batch changed: a table group is profiled again only then (design AD7)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from kmflow_orchestration.metadata.table_groups import TableGroups
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.dataset_writing import WrittenTable


def note_changed_tables(
    group: GroupId,
    batch_id: str,
    written: Iterable[WrittenTable],
    *,
    table_groups: TableGroups,
    at: datetime,
    cron: str,
) -> None:
    """Record the tables a batch wrote in the default table group of their engagement.

    The table group is made on first sight, to be profiled by `cron` (UTC). The same batch again is
    a replay and no change.
    """
    for one in written:
        target = table_groups.ensure_default(
            group, one.engagement, schema_name=one.table.schema, now=at, cron=cron
        )
        table_groups.table_changed(
            group,
            target.table_group_id,
            schema_name=one.table.schema,
            table_name=one.table.name,
            batch_id=batch_id,
            at=at,
            row_count=one.rows_total,
        )
