"""Large files of a migration: told while they are on their way, and given up at once on Ctrl-C."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from kmflow_orchestration.clock import SystemClock
from kmflow_orchestration.databricks_client.connect import ClientCache
from kmflow_orchestration.databricks_client.files import VolumeFiles
from kmflow_orchestration.databricks_client.pace import Pace
from kmflow_orchestration.databricks_client.parted_upload import PartSizes
from kmflow_orchestration.databricks_client.upload_journal import UploadJournals
from kmflow_orchestration.operations.migrate_from_volume import migrate_from_volume
from kmflow_orchestration.operations.migration_report import Outcome
from kmflow_orchestration.storage.local_store import LocalStore
from kmflow_orchestration.storage.volume_store import VolumeStore
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration.workspace.files import uploads_directory
from kmflow_orchestration_tests.operations.migration.child import Home
from kmflow_orchestration_tests.operations.migration.world import (
    ACME,
    ANN,
    MigrationWorld,
    Parts,
)
from kmflow_orchestration_tests.processes import begun, ended

pytestmark = pytest.mark.xdist_group("migration")
MEGABYTE = 1 << 20
PART = 1 << 18
SIZE = 12 * MEGABYTE
# A whole file would take half a minute.
BYTES_PER_S = 400_000
WAYS = {
    "in parts": "/presigned/parts/*",
    "resumable": "/presigned/resumable/*",
    "at once": "/api/2.0/fs/files/*/evidence_store/*",
}
Way = Literal["in parts", "resumable", "at once"]


def store_of(
    home: Home, clients: ClientCache, notes: Path, *, large_from: int = PART
) -> VolumeStore:
    """The group's store, for which files are large soon."""
    clock = SystemClock()  # links end by the workspace's clock, which is this machine's
    files = VolumeFiles(
        clients.get(home.config),
        parts=PartSizes(part_bytes=PART, in_memory_bytes=4 * PART, workers=2),
        in_parts_from=large_from,
        journals=UploadJournals(notes, clock=clock, environment={}),
    )
    return VolumeStore(ACME, home.config.volume, files, clock=clock)


def migrate_slowly(home: Home, source: Path, way: Way) -> None:
    clock = SystemClock()
    pace = Pace(clock, BYTES_PER_S)
    clients = ClientCache(clock, environment=home.environment, pace=pace)
    parts = Parts(home.config, clients, home.database_url, clock, source.parent / "home")
    large_from = SIZE + 1 if way == "at once" else PART
    notes = source.parent / "under way"
    parts.migrate(source, store=store_of(home, clients, notes, large_from=large_from))


@pytest.fixture
def home(world: MigrationWorld) -> Home:
    parts = world.parts
    return Home(parts.config, world.groups.environment, parts.database_url)


@pytest.fixture
def store(home: Home, tmp_path: Path) -> Iterator[VolumeStore]:
    """As the next process has it, which nothing slows down."""
    clients = ClientCache(SystemClock(), environment=home.environment)
    yield store_of(home, clients, tmp_path / "under way")
    clients.close()


@pytest.fixture
def engagement(world: MigrationWorld) -> str:
    return world.engagement()


@pytest.fixture
def source(engagement: str, tmp_path: Path) -> Path:
    folder = tmp_path / "source" / engagement
    folder.mkdir(parents=True)
    rows = (hashlib.sha256(b"%d" % n).digest() for n in range(SIZE // 32))
    (folder / "big.bin").write_bytes(b"".join(rows))
    return folder.parent


@pytest.fixture
def cloud(world: MigrationWorld, way: Way) -> Iterator[None]:
    services = world.room.server.services
    services.cloud = "GCP" if way == "resumable" else "AWS"
    yield
    services.cloud = "AWS"


def wait_until_seen(world: MigrationWorld, path: str, count: int) -> None:
    until = time.monotonic() + 60
    while world.room.server.requests("PUT", path).count() < count:
        assert time.monotonic() < until, "nothing was sent"
        time.sleep(0.05)


@pytest.mark.parametrize("way", ["in parts", "resumable"])
@pytest.mark.usefixtures("cloud")
def test_an_interrupt_ends_a_large_file_which_the_next_run_goes_on_with(
    world: MigrationWorld, home: Home, store: VolumeStore, source: Path, way: Way
) -> None:
    [engagement] = (folder.name for folder in source.iterdir())
    child = begun(migrate_slowly, home, source, way)
    wait_until_seen(world, WAYS[way], 4)

    assert seconds_to_end(child) < 4
    assert world.stored_names(engagement) == []
    assert world.rows(engagement) == []

    world.forget_requests()
    done = world.parts.migrate(source, store=store, resume=True)
    assert [one.outcome for one in done.files] == [Outcome.SENT]
    assert world.room.server.requests("PUT", WAYS[way]).count() < SIZE // PART
    assert (
        hashlib.sha256(store.read(done.files[0].target)).hexdigest() == done.files[0].content_hash
    )


def seconds_to_end(child: object) -> float:
    """How long it takes after a Ctrl-C."""
    began = time.monotonic()
    os.kill(child.pid, signal.SIGINT)  # type: ignore[attr-defined]
    assert ended(child) == 1  # type: ignore[arg-type]
    return time.monotonic() - began


def test_an_interrupt_ends_a_file_that_is_one_request(
    world: MigrationWorld, home: Home, source: Path, engagement: str
) -> None:
    folder = uploads_directory(world.room.server.services, world.room.admin.workspace_id)
    child = begun(migrate_slowly, home, source, "at once")
    until = time.monotonic() + 60
    while not any(one.is_file() and one.stat().st_size for one in folder.glob("*")):
        assert time.monotonic() < until, "nothing was sent"
        time.sleep(0.05)

    assert seconds_to_end(child) < 4
    assert world.stored_names(engagement) == []


@pytest.mark.parametrize("way", ["in parts"])
@pytest.mark.usefixtures("cloud")
def test_an_interrupt_does_not_wait_for_a_workspace_that_says_nothing(
    world: MigrationWorld, home: Home, source: Path, way: Way
) -> None:
    world.room.server.faults.add(Fault("delay", "PUT", WAYS[way], seconds=60, times=99))
    child = begun(migrate_slowly, home, source, way)
    until = time.monotonic() + 60
    while not list((source.parent / "under way").glob("*")):
        assert time.monotonic() < until, "nothing was begun"
        time.sleep(0.05)
    time.sleep(0.5)

    assert seconds_to_end(child) < 4


def test_bytes_are_told_while_a_large_file_is_on_its_way(
    world: MigrationWorld, store: VolumeStore, source: Path
) -> None:
    told: list[tuple[int, int, int]] = []

    world.parts.migrate(source, store=store, on_progress=lambda *now: told.append(now))

    before = [size for files, size, _ in told if files == 0]
    assert before == [PART * n for n in range(1, SIZE // PART)] + [SIZE]
    assert told[-1] == (1, SIZE, 1)


def test_bytes_are_told_while_a_large_file_is_fetched(
    world: MigrationWorld, source: Path, engagement: str, tmp_path: Path
) -> None:
    parts = world.parts
    parts.migrate(source)
    told: list[tuple[int, int, int]] = []

    migrate_from_volume(
        ACME,
        tmp_path / "fetched",
        caller=ANN,
        store=parts.store,
        lakehouse=parts.lakehouse,
        config=parts.config,
        moved=parts.moved,
        clock=parts.clock,
        own_store=LocalStore(ACME, tmp_path / "own", clock=parts.clock),
        engagement=engagement,
        on_progress=lambda *now: told.append(now),
    )

    before = [size for files, size, _ in told if files == 0]
    assert before == [MEGABYTE * n for n in range(1, SIZE // MEGABYTE + 1)]
    assert told[-1] == (1, SIZE, 1)
