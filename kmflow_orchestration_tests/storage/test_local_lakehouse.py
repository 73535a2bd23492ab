"""What only a local lakehouse can meet: a dead or grown engine, other processes, orphans."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from kmflow_orchestration.clock import SystemClock
from kmflow_orchestration.errors import StatementFailed
from kmflow_orchestration.names import GroupId, Namespace, TableName
from kmflow_orchestration.storage.local_lakehouse import LocalLakehouse
from kmflow_orchestration.storage.own_tables import OwnTables
from kmflow_orchestration.storage.sail_host import SailHost
from kmflow_orchestration.tables.definition import Column, TableDefinition

TABLE = TableName("kmflow", "acme_evidence_bronze", "loans")
COLUMNS = (Column("id", "STRING"), Column("_batch_id", "STRING"))
OWN = OwnTables(GroupId("acme"), Namespace("kmflow", "acme_evidence"))


def opened(root: Path) -> LocalLakehouse:
    return LocalLakehouse(OWN, root, clock=SystemClock())


@pytest.fixture
def lakehouse(tmp_path: Path) -> Iterator[LocalLakehouse]:
    made = opened(tmp_path)
    made.ensure_table(TABLE, TableDefinition("bronze", "loans", COLUMNS))
    yield made
    made.close()


def batch(name: str, *ids: str) -> pa.Table:
    return pa.table({"id": list(ids), "_batch_id": [name] * len(ids)})


def write(lakehouse: LocalLakehouse, name: str, *ids: str) -> None:
    lakehouse.replace(TABLE, batch(name, *ids), matching={"_batch_id": [name]})


def ids(lakehouse: LocalLakehouse) -> list[str]:
    found = lakehouse.query(f"SELECT `id` FROM {TABLE.sql} ORDER BY `id`")
    return [str(one) for one in found["id"].to_pylist()]


def versions(root: Path) -> int:
    return len(list((root / TABLE.schema / TABLE.name / "_delta_log").glob("*.json")))


def test_a_new_batch_costs_one_commit_and_a_repeated_one_another(
    lakehouse: LocalLakehouse, tmp_path: Path
) -> None:
    counted = []
    for _ in range(2):
        write(lakehouse, "b1", "x")
        counted.append(versions(tmp_path))

    assert counted == [2, 3]


def test_an_empty_batch_of_an_empty_table_costs_none(
    lakehouse: LocalLakehouse, tmp_path: Path
) -> None:
    write(lakehouse, "b1")

    assert versions(tmp_path) == 1


def test_a_killed_engine_is_replaced(lakehouse: LocalLakehouse) -> None:
    write(lakehouse, "b1", "x")
    assert ids(lakehouse) == ["x"]
    server = lakehouse._host._server
    assert server is not None

    os.kill(server.pid, signal.SIGKILL)
    write(lakehouse, "b1", "y")

    assert ids(lakehouse) == ["y"]


def test_an_engine_that_has_grown_is_replaced_between_statements(tmp_path: Path) -> None:
    host = SailHost("kmflow", recycle_at_bytes=1)
    pids = set()
    for _ in range(101):
        with host.session() as session:
            assert host._server is not None
            pids.add(host._server.pid)
    session.close()
    host.close()

    assert len(pids) == 3


def test_what_another_process_writes_is_seen(lakehouse: LocalLakehouse, tmp_path: Path) -> None:
    write(lakehouse, "b1", "x")
    assert ids(lakehouse) == ["x"]
    other = opened(tmp_path)
    write(other, "b2", "y")
    other.rebuild(TABLE, (*COLUMNS, Column("more", "BIGINT")), batch("b2", "z"))
    other.close()

    assert ids(lakehouse) == ["z"]
    write(lakehouse, "b3", "w")
    found = lakehouse.query(f"SELECT `more` FROM {TABLE.sql}")
    assert found["more"].to_pylist() == [None, None]


def test_a_failed_write_leaves_table_and_folder_as_they_were(
    lakehouse: LocalLakehouse, tmp_path: Path
) -> None:
    write(lakehouse, "b1", "x")
    folder = tmp_path / TABLE.schema / TABLE.name
    before = sorted(folder.iterdir())

    with pytest.raises(ValueError, match="_batch_id"):
        lakehouse.replace(TABLE, batch("b2", "y"), matching={"_batch_id": ["b1"]})
    with pytest.raises(StatementFailed):
        lakehouse.execute(f"DELETE FROM {TABLE.sql} WHERE no_such_column = 1")

    assert sorted(folder.iterdir()) == before
    assert ids(lakehouse) == ["x"]


_WRITER = """
import sys
from pathlib import Path
from kmflow_orchestration_tests.storage.test_local_lakehouse import opened, write

lakehouse = opened(Path(sys.argv[1]))
for number in range(4):
    write(lakehouse, f"{sys.argv[2]}{number}", f"{sys.argv[2]}{number}")
    write(lakehouse, "shared", f"{sys.argv[2]}-shared")
lakehouse.close()
"""


@pytest.mark.slow
def test_two_processes_write_one_table_without_loss(
    lakehouse: LocalLakehouse, tmp_path: Path
) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path), name]) for name in "ab"
    ]

    assert [writer.wait(60) for writer in writers] == [0, 0]

    found = ids(lakehouse)
    own = [one for one in found if not one.endswith("-shared")]
    assert own == ["a0", "a1", "a2", "a3", "b0", "b1", "b2", "b3"]
    assert len(found) == 9


_KILLED = """
import os, signal, sys
from pathlib import Path
from kmflow_orchestration_tests.storage.test_local_lakehouse import batch, opened, TABLE

def rows():
    yield from batch("b1", "x").to_batches()
    os.kill(os.getpid(), signal.SIGKILL)

opened(Path(sys.argv[1])).replace(TABLE, rows(), matching={"_batch_id": ["b1"]})
"""


def test_a_writer_killed_half_way_leaves_no_lock_and_no_rows(
    lakehouse: LocalLakehouse, tmp_path: Path
) -> None:
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path)], check=False)

    assert killed.returncode == -signal.SIGKILL
    assert ids(lakehouse) == []
    write(lakehouse, "b1", "x")
    assert ids(lakehouse) == ["x"]
