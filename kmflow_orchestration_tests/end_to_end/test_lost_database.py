"""The control database goes while files are on their way, and comes back (issue 4, part 5)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from time import sleep

import pytest

from kmflow_orchestration.errors import MetadataUnavailable
from kmflow_orchestration.resources.asset_keys import INTAKE, SILVER
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration_tests.control_databases import ControlDatabases
from kmflow_orchestration_tests.demo.small_demo import contents
from kmflow_orchestration_tests.end_to_end.world import World, failure_of, opened_world, today_key
from kmflow_orchestration_tests.postgres_server import PostgresServer

FILES = {
    "e1/loans.csv": b"id,rate\n1,0.5\n2,0.25\n",
    "e1/rates.csv": b"code,rate\nA,7\n",
    "e1/rates copy.csv": b"code,rate\nA,7\n",
    "e1/notes.md": b"# Interview\n\nTwo people keep the list.\n",
    "e1/empty.csv": b"",
}
FIRST_UPLOAD = Fault("delay", "PUT", "/api/2.0/fs/files/*", seconds=1.5)


@pytest.fixture
def worlds(tmp_path: Path, control_databases: ControlDatabases) -> Iterator[tuple[World, World]]:
    """Two alike, with the same files in acme's landing folder."""
    with ExitStack() as opened, control_databases.of_a_test():
        made = []
        for name in ("clean", "disturbed"):
            world = opened.enter_context(
                opened_world(tmp_path / name, "databricks", control_databases)
            )
            world.drop("acme", FILES)
            world.seen_on(datetime.now(UTC).date(), "acme")
            made.append(world)
        yield made[0], made[1]


def stop_during_the_first_upload(world: World, server: PostgresServer) -> Thread:
    workspace = world.sandbox.workspace
    assert workspace is not None
    workspace.faults.add(FIRST_UPLOAD)

    def wait_and_stop() -> None:
        while workspace.faults.pending():
            sleep(0.01)
        server.stop()

    thread = Thread(target=wait_and_stop)
    thread.start()
    return thread


@pytest.mark.slow
def test_the_run_says_so_and_the_next_one_leaves_the_tables_of_a_clean_run(
    worlds: tuple[World, World], postgres_server: PostgresServer
) -> None:
    clean, disturbed = worlds
    key = today_key("acme")
    assert clean.run([*INTAKE, *SILVER], partition=key).success

    stopping = stop_during_the_first_upload(disturbed, postgres_server)
    lost = disturbed.run(INTAKE, partition=key)
    stopping.join()
    assert not lost.success
    assert MetadataUnavailable.code in failure_of(lost)
    assert postgres_server.password not in failure_of(lost) + disturbed.event_log()

    postgres_server.start()
    again = disturbed.run([*INTAKE, *SILVER], partition=key)

    assert again.success, failure_of(again)
    tables = [contents(one.sandbox, one.group("acme").id) for one in worlds]
    assert tables[0] == tables[1]
    assert any(table["rows"] for table in tables[0].values())
