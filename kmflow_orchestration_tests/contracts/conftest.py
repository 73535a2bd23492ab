"""Two groups, each with its own store and tables, on every backend there is."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kmflow_orchestration.clock import SystemClock
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.databricks_client.files import VolumeFiles
from kmflow_orchestration.names import GroupId, VolumePath
from kmflow_orchestration.storage.choose import open_lakehouse
from kmflow_orchestration.storage.delta_store import DeltaStore
from kmflow_orchestration.storage.interfaces import EvidenceFile, Lakehouse, StorageBackend
from kmflow_orchestration.storage.local_lakehouse import LocalLakehouse
from kmflow_orchestration.storage.local_store import LocalStore
from kmflow_orchestration.storage.own_tables import OwnTables
from kmflow_orchestration.storage.volume_store import VolumeStore
from kmflow_orchestration.workspace.server import EmbeddedWorkspace
from kmflow_orchestration_tests.embedded import Room, embedded_server, fresh_room, room
from kmflow_orchestration_tests.embedded_groups import GroupsInRoom, group_config
from kmflow_orchestration_tests.evidence_samples import evidence_file
from kmflow_orchestration_tests.fakes import FakeClock

__all__ = ["embedded_server", "room"]


@pytest.fixture
def landing(tmp_path: Path) -> Callable[..., EvidenceFile]:
    """Drops a file and describes it as intake would."""

    def drop(name: str = "loans.csv", content: bytes = b"id\n1\n", **facts: object) -> EvidenceFile:
        return evidence_file(tmp_path / "landing", name, content, **facts)

    return drop


@pytest.fixture
def groups(room: Room, clock: FakeClock) -> Iterator[GroupsInRoom]:
    opened = GroupsInRoom(room, clock)
    yield opened
    opened.close()


@pytest.fixture(params=["local", "delta", "databricks"])
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> StorageBackend:
    if request.param == "local":
        return LocalStore("acme", tmp_path / "home" / "acme", clock=clock)
    if request.param == "delta":
        return DeltaStore("acme", tmp_path / "home" / "acme" / "main_bronze", clock=clock)
    groups: GroupsInRoom = request.getfixturevalue("groups")
    files = VolumeFiles(groups.calls("acme"))
    return VolumeStore("acme", groups.config("acme").volume, files, clock=clock)


@pytest.fixture(scope="session", params=["local", "databricks"])
def lakehouses(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Lakehouse]]:
    """The lakehouses of groups acme and globex; tests use tables of their own names."""
    if request.param == "local":
        opened = _local(tmp_path_factory.mktemp("lakehouse"))
    else:
        server: EmbeddedWorkspace = request.getfixturevalue("embedded_server")
        opened = _databricks(GroupsInRoom(fresh_room(server)))
    yield opened
    for lakehouse in opened.values():
        lakehouse.close()


def _databricks(groups: GroupsInRoom) -> dict[str, Lakehouse]:
    settings = load_settings(storage_backend="databricks")
    return {
        group: open_lakehouse(
            settings, groups.config(group), clients=groups.clients, clock=groups.clock
        )
        for group in ("acme", "globex")
    }


def _local(root: Path) -> dict[str, Lakehouse]:
    return {
        group: LocalLakehouse(
            OwnTables(GroupId(group), group_config(group).namespace),
            root / group,
            clock=SystemClock(),
        )
        for group in ("acme", "globex")
    }


@pytest.fixture
def lakehouse(lakehouses: dict[str, Lakehouse]) -> Lakehouse:
    return lakehouses["acme"]


@pytest.fixture
def damage(store: StorageBackend, request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Cuts a stored file short behind the store's back."""

    def cut(path: str) -> None:
        if isinstance(store, LocalStore | DeltaStore):
            store.local_path(path).write_bytes(b"id")
        else:
            groups: GroupsInRoom = request.getfixturevalue("groups")
            files = VolumeFiles(groups.calls("acme"))
            files.upload(VolumePath.parse(path), lambda: io.BytesIO(b"id"), overwrite=True)

    return cut
