"""A limit on what a process sends holds for files of every kind, and loses none of them."""

from __future__ import annotations

import hashlib
import io
import threading
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from kmflow_orchestration.databricks_client.connect import ClientCache
from kmflow_orchestration.databricks_client.files import VolumeFiles
from kmflow_orchestration.databricks_client.pace import Pace
from kmflow_orchestration.databricks_client.parted_upload import PartSizes
from kmflow_orchestration.storage.interfaces import EvidenceFile
from kmflow_orchestration.storage.verified_reading import VerifiedFile
from kmflow_orchestration_tests.embedded_groups import GroupsInRoom
from kmflow_orchestration_tests.fakes import FakeClock

CONTENT = bytes(range(256)) * 4096
MB = 1_000_000


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime.now(UTC))


@pytest.fixture
def paced(groups: GroupsInRoom, clock: FakeClock):
    """Files of acme, over clients that send a megabyte a second."""
    config = groups.config("acme")
    clients = ClientCache(clock, environment=groups.environment, pace=Pace(clock, MB))
    calls = clients.get(config)
    yield VolumeFiles(calls, parts=PartSizes(part_bytes=1 << 18), in_parts_from=1 << 20)
    clients.close()


def verified(path: Path):
    path.write_bytes(CONTENT)
    digest = hashlib.sha256(CONTENT).hexdigest()
    return VerifiedFile(
        EvidenceFile(path, "e1", date(2026, 11, 20), "id", path.name, digest, len(CONTENT))
    )


@pytest.mark.parametrize("kind", ["at hand", "stream", "parts"])
def test_files_of_every_kind_go_at_the_pace(paced, groups, clock, tmp_path, kind):
    volume = groups.config("acme").volume
    size = len(CONTENT) if kind == "parts" else 0

    for name in ("first", "second", "third"):
        opener = {
            "stream": lambda name=name: verified(tmp_path / name),
            "at hand": lambda: io.BytesIO(CONTENT),
            "parts": lambda: io.BytesIO(CONTENT),
        }[kind]
        paced.upload(volume.joined(name), opener, size_bytes=size)
        with paced.open_read(volume.joined(name)) as stream:
            assert stream.read() == CONTENT

    # The last piece goes as soon as it may, and who comes after it would have to wait.
    assert clock.monotonic() >= 2 * len(CONTENT) / MB - 0.3


def test_many_threads_together_keep_the_pace(clock: FakeClock):
    pace = Pace(clock, 100)
    began = threading.Barrier(4)

    def send() -> None:
        began.wait(10)
        for _ in range(5):
            pace.wait_for(10)

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    pace.wait_for(1)
    # Two hundred bytes at a hundred a second, and the clock stands still but for sleeping.
    assert clock.monotonic() >= 2.0


def test_without_a_limit_nobody_waits(clock: FakeClock):
    Pace(clock).wait_for(10**12)

    assert clock.slept == []
