"""Row C11: names that must be quoted, in every statement of every Lakehouse."""

from __future__ import annotations

from uuid import uuid4

import pyarrow as pa

from kmflow_orchestration.names import GroupId, TableName
from kmflow_orchestration.operations.read_tables import first_rows, rows_by
from kmflow_orchestration.storage.interfaces import Lakehouse
from kmflow_orchestration.tables.arrow_types import arrow_schema
from kmflow_orchestration.tables.definition import Column, TableDefinition


def test_names_with_hyphens_and_back_ticks_are_names_like_others(lakehouse: Lakehouse) -> None:
    key, value = "ke`y-1", "val`ue-2`--'"
    columns = (
        *(Column("group_id", "STRING"), Column(key, "STRING", nullable=False)),
        *(Column(value, "BIGINT"), Column("_batch_id", "STRING")),
    )
    table = TableName("kmflow", "acme_evidence_bronze", f"ta-ble-{uuid4().hex[:8]}")

    def put(number: int) -> pa.Table:
        row = {"group_id": "acme", key: "x'`y", value: number, "_batch_id": "b`1"}
        return pa.Table.from_pylist([row], schema=arrow_schema(columns))

    lakehouse.ensure_table(table, TableDefinition("bronze", table.name, columns, key=(key,)))
    for number in (1, 2):
        lakehouse.replace(table, put(number), matching={"_batch_id": ["b`1"]})
    lakehouse.merge(table, put(3), keys=[key])

    assert lakehouse.columns(table) == columns
    assert table in lakehouse.tables("acme_evidence_bronze")
    group = GroupId("acme")
    [row] = first_rows(group, table, ["b`1"], lakehouse=lakehouse).to_pylist()
    assert (row[key], row[value]) == ("x'`y", 3)
    assert rows_by(group, table, key, ["b`1"], lakehouse=lakehouse) == {"x'`y": 1}
