"""First rows of a table, for people to look at."""

from __future__ import annotations

import pyarrow as pa

from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.read_tables import first_rows, rows_by
from kmflow_orchestration.storage.local_lakehouse import LocalLakehouse
from kmflow_orchestration.tables.arrow_types import arrow_schema
from kmflow_orchestration.tables.medallion import EVIDENCE_METADATA
from kmflow_orchestration_tests.operations.conftest import CONFIG

TABLE = CONFIG.namespace.base(EVIDENCE_METADATA.name)


def written(lakehouse: LocalLakehouse, group: str, batch: str, count: int) -> None:
    row = {"group_id": group, "engagement_id": "e1", "content_hash": "0", "size_bytes": 1}
    row |= {"file_name": "a.csv", "volume_path": "x", "stored_at": "", "_batch_id": batch}
    rows = [{**row, "id": f"{group}-{batch}-{number}"} for number in range(count)]
    table = pa.Table.from_pylist(rows, schema=arrow_schema(EVIDENCE_METADATA.columns))
    lakehouse.merge(TABLE, table, ["id"])


def test_they_are_of_these_batches_and_of_no_other_group(lakehouse: LocalLakehouse) -> None:
    for group, batch, count in (("acme", "b1", 2), ("acme", "b2", 3), ("globex", "b1", 4)):
        written(lakehouse, group, batch, count)

    rows = first_rows(GroupId("acme"), TABLE, ["b1"], lakehouse=lakehouse)

    assert sorted(rows.column("id").to_pylist()) == ["acme-b1-0", "acme-b1-1"]


def test_there_are_five_at_most_and_none_without_a_batch(lakehouse: LocalLakehouse) -> None:
    written(lakehouse, "acme", "b1", 9)

    assert first_rows(GroupId("acme"), TABLE, ["b1"], lakehouse=lakehouse).num_rows == 5
    assert first_rows(GroupId("acme"), TABLE, [], lakehouse=lakehouse).num_rows == 0


def test_rows_are_counted_by_the_values_of_a_column(lakehouse: LocalLakehouse) -> None:
    for group, batch, count in (("acme", "b1", 2), ("acme", "b2", 3), ("globex", "b1", 4)):
        written(lakehouse, group, batch, count)
    acme = GroupId("acme")

    assert rows_by(acme, TABLE, "_batch_id", ["b1", "b2"], lakehouse=lakehouse) == {
        "b2": 3,
        "b1": 2,
    }
    assert rows_by(acme, TABLE, "file_name", ["b1"], lakehouse=lakehouse) == {"a.csv": 2}
    assert rows_by(acme, TABLE, "file_name", [], lakehouse=lakehouse) == {}
