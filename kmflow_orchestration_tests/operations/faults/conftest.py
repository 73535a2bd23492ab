"""A landing place, and what it takes in stored in a Volume of the embedded workspace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from kmflow_orchestration.databricks_client.files import VolumeFiles
from kmflow_orchestration.operations.store_evidence import StoredBatch
from kmflow_orchestration.storage.interfaces import EvidenceFile, StorageMetadata
from kmflow_orchestration.storage.volume_store import VolumeStore
from kmflow_orchestration.workspace.grants import Grant
from kmflow_orchestration_tests.embedded import Room, embedded_server, room
from kmflow_orchestration_tests.embedded_groups import CATALOG, GroupsInRoom
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.intake.landing_place import LandingPlace

__all__ = ["embedded_server", "room"]

PUT = "/api/2.0/fs/files/*"


class ObservedStore(VolumeStore):
    """The Volume store; somebody hears of each file once it was sent."""

    after_sent: Callable[[int], object] = staticmethod(lambda _count: None)
    _count = 0

    def write_from(self, file: EvidenceFile) -> StorageMetadata:
        stored = super().write_from(file)
        self._count += 1
        self.after_sent(self._count)
        return stored


@dataclass
class Remote:
    """Group acme, its landing place here, its store there."""

    place: LandingPlace
    room: Room
    groups: GroupsInRoom
    store: ObservedStore = field(init=False)

    def __post_init__(self) -> None:
        self.store = self.opened(self.groups)

    def opened(self, groups: GroupsInRoom) -> ObservedStore:
        volume = groups.config("acme").volume
        files = VolumeFiles(groups.calls("acme"))
        return ObservedStore("acme", volume, files, clock=self.place.clock)

    def drop(self, *names: str) -> None:
        """Files that have come to rest, and are known of."""
        for name in names:
            self.place.drop(f"e1/{name}", f"content of {name}")
        self.place.look()

    def take_in(self) -> StoredBatch | None:
        return self.place.store_day(store=self.store, workers=1)

    def sent(self) -> int:
        return self.room.server.requests("PUT", PUT).count()

    def has_exactly(self, *names: str) -> bool:
        """Whether items, files and their content are those of these names, each once."""
        items = {item.file_name: item for item in self.place.items()}
        listed = self.store.list_files("e1")
        assert sorted(items) == sorted(names)
        assert sorted(item.stored_path for item in items.values()) == listed
        return all(
            self.store.read(items[name].stored_path) == f"content of {name}".encode()
            for name in names
        )

    def revoke(self, *privileges: str) -> None:
        for grant in self._grants(privileges):
            self.room.server.services.catalog.grants.remove(self.room.admin.workspace_id, grant)

    def grant(self, *privileges: str) -> None:
        for grant in self._grants(privileges):
            self.room.server.services.catalog.grants.add(self.room.admin.workspace_id, grant)

    def _grants(self, privileges: tuple[str, ...]) -> list[Grant]:
        schema = f"{CATALOG}.acme_evidence"
        return [Grant("SCHEMA", schema, "acme-service", one) for one in privileges]


@pytest.fixture
def remote(room: Room, acme: LandingPlace, clock: FakeClock) -> Iterator[Remote]:
    groups = GroupsInRoom(room, clock)
    yield Remote(acme, room, groups)
    groups.close()
