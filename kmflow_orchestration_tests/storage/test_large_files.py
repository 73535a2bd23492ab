"""A file of a gigabyte is stored in a few of its parts at a time, and comes back as it was."""

from __future__ import annotations

import resource
from datetime import date
from pathlib import Path

import pytest

from kmflow_orchestration.clock import SystemClock
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.databricks_client.connect import ClientCache
from kmflow_orchestration.databricks_client.files import VolumeFiles
from kmflow_orchestration.storage.interfaces import EvidenceFile
from kmflow_orchestration.storage.verified_reading import hash_of
from kmflow_orchestration.storage.volume_store import VolumeStore
from kmflow_orchestration_tests.embedded import Room
from kmflow_orchestration_tests.embedded_groups import GroupsInRoom
from kmflow_orchestration_tests.processes import in_child

GIGABYTE = 1 << 30
MOST_BYTES = 400_000_000


def store(config: GroupConfig, environment: dict[str, str], file: EvidenceFile) -> None:
    clock = SystemClock()
    clients = ClientCache(clock, environment=environment)
    place = VolumeStore("acme", config.volume, VolumeFiles(clients.get(config)), clock=clock)
    place.confirm([place.write_from(file)])
    clients.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert peak < MOST_BYTES, f"{peak / 1e6:.0f} MB at once"


@pytest.mark.journey
def test_a_gigabyte_is_never_held_whole(room: Room, groups: GroupsInRoom, tmp_path: Path) -> None:
    source = tmp_path / "big.bin"
    with source.open("wb") as sparse:
        sparse.truncate(GIGABYTE)
        sparse.seek(GIGABYTE // 2)
        sparse.write(b"in the middle")
    with source.open("rb") as stream:
        digest = hash_of(stream)
    file = EvidenceFile(source, "e1", date(2026, 11, 20), "1" * 32, "big.bin", digest, GIGABYTE)
    config = groups.config("acme")

    assert in_child(store, config, groups.environment, file) == 0

    files = VolumeFiles(groups.calls("acme"))
    stored = VolumeStore("acme", config.volume, files, clock=groups.clock)
    with stored.open_read(stored.path_of(file)) as stream:
        assert hash_of(stream) == digest
    assert room.server.requests("PUT", "/presigned/parts/*").count() == 128
