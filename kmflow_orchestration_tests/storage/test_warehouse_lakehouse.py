"""What only a lakehouse behind a network can meet: lost answers, conflicts, a neighbour."""

from __future__ import annotations

import io
import os

import pyarrow as pa
import pytest

from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.databricks_client.files import VolumeFiles
from kmflow_orchestration.databricks_client.statements import Statements
from kmflow_orchestration.databricks_client.warehouses import Warehouse
from kmflow_orchestration.errors import RateLimited, RemoteFault, StatementFailed
from kmflow_orchestration.names import TableName
from kmflow_orchestration.storage.choose import open_lakehouse
from kmflow_orchestration.storage.interfaces import Lakehouse
from kmflow_orchestration.storage.staging import STAGING
from kmflow_orchestration.tables.definition import Column, TableDefinition
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration_tests.embedded import Room
from kmflow_orchestration_tests.embedded_groups import GroupsInRoom
from kmflow_orchestration_tests.fakes import FakeClock

TABLE = TableName("kmflow", "acme_evidence_bronze", "loans")
COLUMNS = (Column("id", "STRING"), Column("_batch_id", "STRING"))
STATEMENTS = "/api/2.0/sql/statements*"


@pytest.fixture
def lakehouse(groups: GroupsInRoom) -> Lakehouse:
    opened = lakehouse_of("acme", groups)
    opened.ensure_table(TABLE, TableDefinition("bronze", "loans", COLUMNS))
    return opened


def lakehouse_of(group: str, groups: GroupsInRoom) -> Lakehouse:
    settings = load_settings(storage_backend="databricks")
    config = groups.config(group)
    return open_lakehouse(settings, config, clients=groups.clients, clock=groups.clock)


def write(lakehouse: Lakehouse, *ids: str) -> None:
    rows = pa.table({"id": list(ids), "_batch_id": ["b1"] * len(ids)})
    lakehouse.replace(TABLE, rows, matching={"_batch_id": ["b1"]})


def ids(lakehouse: Lakehouse) -> list[str]:
    found = lakehouse.query(f"SELECT `id` FROM {TABLE.sql} ORDER BY `id`")
    return [str(one) for one in found["id"].to_pylist()]


def staged(groups: GroupsInRoom) -> list[str]:
    place = groups.config("acme").volume.joined(*STAGING)
    return [entry.name for entry in VolumeFiles(groups.calls("acme")).list_directory(place)]


def test_a_write_is_three_requests_and_leaves_nothing_staged(
    room: Room, groups: GroupsInRoom, lakehouse: Lakehouse
) -> None:
    write(lakehouse, "x")
    room.server.services.request_log.clear()

    write(lakehouse, "y")

    sent = [(one.method, one.path.split("/")[3]) for one in room.server.requests()]
    assert sorted(sent) == [("DELETE", "fs"), ("POST", "sql"), ("PUT", "fs")]
    assert staged(groups) == []


@pytest.mark.parametrize("path", [STATEMENTS, "/api/2.0/fs/files/*"], ids=["statement", "staging"])
def test_a_lost_answer_changes_nothing_in_the_end(
    room: Room, lakehouse: Lakehouse, path: str
) -> None:
    write(lakehouse, "x")
    room.server.faults.add(Fault("execute_then_drop", path=path, times=2))

    write(lakehouse, "y", "z")

    assert ids(lakehouse) == ["y", "z"]


def test_a_busy_workspace_is_waited_for(room: Room, lakehouse: Lakehouse) -> None:
    room.server.faults.add(Fault("rate_limit", path="*", times=3, retry_after_s=1))

    write(lakehouse, "x")

    assert ids(lakehouse) == ["x"]


def test_a_write_that_fails_for_good_changes_nothing_and_cleans_up(
    room: Room, groups: GroupsInRoom, lakehouse: Lakehouse
) -> None:
    write(lakehouse, "x")
    room.server.faults.add(Fault("fail_times", method="POST", path=STATEMENTS, times=5))

    with pytest.raises(RemoteFault):
        write(lakehouse, "y")

    assert staged(groups) == []
    assert ids(lakehouse) == ["x"]


def test_a_storm_that_stays_is_told_and_writes_nothing_twice(
    room: Room, groups: GroupsInRoom, lakehouse: Lakehouse
) -> None:
    write(lakehouse, "x")
    storm = Fault("rate_limit", method="POST", path=STATEMENTS, times=99, retry_after_s=3600)
    number = room.server.faults.add(storm)

    with pytest.raises(RateLimited, match="Rate limit exceeded; gave up after 5 attempts") as told:
        write(lakehouse, "y")

    assert told.value.retry_after_s == 3600
    assert "try again in 3600 s" in told.value.hint
    assert room.server.requests("POST", STATEMENTS).count() <= 1 + 5 + 1
    room.server.faults.remove(number)
    assert (staged(groups), ids(lakehouse)) == ([], ["x"])
    write(lakehouse, "y")
    assert ids(lakehouse) == ["y"]


def test_half_a_staged_file_is_never_loaded_and_goes_when_nobody_can_want_it(
    room: Room, groups: GroupsInRoom, lakehouse: Lakehouse, clock: FakeClock
) -> None:
    half = groups.config("acme").volume.joined(*STAGING, "left.parquet")
    files = VolumeFiles(groups.calls("acme"))
    files.upload(half, lambda: io.BytesIO(b"PAR1 and no more"))
    # Whatever this machine's clock says, it is the workspace's that tells how old a file is.
    clock.advance(86_400 * 365)

    write(lakehouse, "x")
    assert (ids(lakehouse), staged(groups)) == (["x"], ["left.parquet"])

    (on_disk,) = room.server.directory.rglob("left.parquet")
    a_day_ago = on_disk.stat().st_mtime - 86_460
    os.utime(on_disk, (a_day_ago, a_day_ago))
    write(lakehouse_of("acme", groups), "y")
    assert (ids(lakehouse), staged(groups)) == (["y"], [])


def test_columns_changed_elsewhere_are_learnt_from_the_failure(
    groups: GroupsInRoom, lakehouse: Lakehouse
) -> None:
    write(lakehouse, "x")
    other = lakehouse_of("acme", groups)
    wider = (*COLUMNS, Column("more", "BIGINT"))
    other.rebuild(TABLE, wider, pa.table({"id": ["x"], "_batch_id": ["b1"], "more": [1]}))

    with pytest.raises(StatementFailed):
        write(lakehouse, "y")
    write(lakehouse, "y")

    assert lakehouse.query(f"SELECT * FROM {TABLE.sql}").to_pylist() == [
        {"id": "y", "_batch_id": "b1", "more": None}
    ]


def test_another_groups_rows_are_refused_by_the_workspace_too(
    groups: GroupsInRoom, lakehouse: Lakehouse
) -> None:
    write(lakehouse, "secret")
    calls = groups.calls("globex")
    # Past our own boundary, which would not have sent these.
    intruder = Statements(calls, Warehouse(calls, "", clock=groups.clock), groups.clock)

    for sql in (f"SELECT * FROM {TABLE.sql}", f"SELECT (SELECT max(id) FROM {TABLE.sql}) AS x"):
        with pytest.raises(StatementFailed):
            intruder.fetch(sql)
    with pytest.raises(StatementFailed):
        intruder.execute(f"DELETE FROM {TABLE.sql}")
    assert ids(lakehouse) == ["secret"]
