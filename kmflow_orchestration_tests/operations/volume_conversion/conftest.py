"""A group's Volumes on the embedded workspace: one to drop files into, one for results."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kmflow_orchestration.databricks_client.files import VolumeFiles
from kmflow_orchestration.databricks_client.retries import RetryPolicy
from kmflow_orchestration.databricks_client.unity_catalog import UnityCatalog
from kmflow_orchestration.names import VolumePath
from kmflow_orchestration.operations.convert.options import conversion_options
from kmflow_orchestration.operations.volume_conversion.convert_volume_file import (
    convert_volume_file,
)
from kmflow_orchestration.operations.volume_conversion.places import GroupPlaces
from kmflow_orchestration.operations.volume_conversion.volumes import Volumes
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration_tests.embedded import Room, embedded_server, room
from kmflow_orchestration_tests.embedded_groups import GroupsInRoom
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.operations.convert.conftest import LOANS, loans, workbook

__all__ = ["embedded_server", "loans", "room", "workbook"]

FILES = "/api/2.0/fs/files/*"
MADE = {"loans.parquet", "_loans.parquet.manifest.json"}
Convert = Callable[..., dict[str, Any]]
ATTEMPTS = RetryPolicy().attempts
CUT = {"name": "cut_body", "method": "PUT", "times": ATTEMPTS}
REFUSED = {
    "name": "fail_times",
    "method": "PUT",
    "times": 99,
    "status": 403,
    "error_code": "PERMISSION_DENIED",
}


@pytest.fixture
def clock() -> FakeClock:
    """Links of uploads end by the workspace's clock, which is this machine's."""
    return FakeClock(datetime.now(UTC))


@dataclass
class World:
    """acme's Volumes as its conversions use them, and what lies in `work`, the one for results."""

    room: Room
    groups: GroupsInRoom
    volumes: Volumes
    work: VolumePath
    temporary: Path

    @property
    def files(self) -> VolumeFiles:
        access = self.volumes.access
        assert isinstance(access, VolumeFiles)
        return access

    def put(self, name: str, content: str | bytes = LOANS) -> str:
        """A file of the Volume; its path."""
        data = content.encode() if isinstance(content, str) else content
        path = self.work.joined(*name.split("/"))
        self.files.upload(path, lambda: io.BytesIO(data), overwrite=True)
        return path.text

    def content(self, name: str) -> bytes:
        with self.files.open_read(self.work.joined(*name.split("/"))) as stream:
            return stream.read()

    def names(self, folder: str = "") -> set[str]:
        """Every file and folder below a folder of the Volume, folders with / at their end."""
        found = set()
        start = self.work.joined(*folder.split("/")) if folder else self.work
        waiting = [start]
        while waiting:
            for entry in self.files.list_directory(waiting.pop()):
                within = "/".join(entry.path.parts[len(start.parts) :])
                found.add(f"{within}/" if entry.is_directory else within)
                waiting += [entry.path] if entry.is_directory else []
        return found

    def snapshot(self) -> dict[str, bytes]:
        """Every file of the Volume with its bytes; folders are ''."""
        return {name: b"" if name.endswith("/") else self.content(name) for name in self.names()}

    def fault(self, **settings: object) -> None:
        self.room.server.faults.add(Fault(**{"path": FILES, **settings}))  # type: ignore[arg-type]


@pytest.fixture
def world(room: Room, clock: FakeClock, tmp_path: Path) -> Iterator[World]:
    groups = GroupsInRoom(room, clock)
    config = groups.config("acme")
    neighbours = [config, groups.config("globex")]
    calls = groups.calls("acme")
    work = VolumePath(config.catalog, config.schema, "work")
    UnityCatalog(calls).create_volume(work, comment="results")
    temporary = tmp_path / "temporary"
    volumes = Volumes(
        VolumeFiles(calls), GroupPlaces(config, lambda: neighbours), temporary=temporary
    )
    yield World(room, groups, volumes, work, temporary)
    groups.close()
    # Whatever happened, no copy stays on this machine.
    assert not temporary.exists() or not any(temporary.iterdir())


@pytest.fixture
def convert(world: World) -> Convert:
    def call(source: object, output: object = None, **given: object) -> dict[str, Any]:
        named = {"force": bool(given.pop("force", False)), **given.pop("options", {})}  # type: ignore[dict-item]
        options = conversion_options(named)
        target = None if output is None else str(output)
        volumes = given.pop("volumes", world.volumes)
        return convert_volume_file(str(source), target, options, volumes=volumes, **given)  # type: ignore[arg-type]

    return call
