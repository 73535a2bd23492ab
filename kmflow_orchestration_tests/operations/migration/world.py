"""A group with a Volume and its metadata table, and trees of evidence to bring there."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kmflow_orchestration.access.caller import Caller, caller_of
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.clock import Clock
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.databricks_client.connect import ClientCache
from kmflow_orchestration.identity import item_id, stored_name
from kmflow_orchestration.intake.moved_evidence import MovedEvidence
from kmflow_orchestration.metadata.engine import open_sessions
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.metadata_rows import MetadataRow, known_rows
from kmflow_orchestration.operations.migrate_to_volume import migrate_to_volume
from kmflow_orchestration.operations.migration_report import Migration
from kmflow_orchestration.storage.choose import open_volume_store, open_warehouse_lakehouse
from kmflow_orchestration.storage.volume_store import VolumeStore
from kmflow_orchestration.storage.warehouse_lakehouse import WarehouseLakehouse
from kmflow_orchestration.tables.medallion import EVIDENCE_METADATA
from kmflow_orchestration_tests.control_databases import engine_of
from kmflow_orchestration_tests.embedded import Room
from kmflow_orchestration_tests.embedded_groups import GroupsInRoom
from kmflow_orchestration_tests.fakes import FakeClock

ACME = GroupId("acme")
ANN = caller_of("ann@kmflow.test", (ACME,), Role.ADMIN)
PUT, FILES = "PUT", "/api/2.0/fs/files/*/evidence_store/*"
STATEMENTS = "/api/2.0/sql/statements"
# When files of a tree were last written, unless a test says otherwise.
WRITTEN = datetime(2026, 3, 4, 12, tzinfo=UTC)
_NUMBERS = itertools.count(1)


def sha256(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def own_name(engagement: str, name: str, content: str) -> str:
    """What a file of acme is called in a store."""
    return stored_name(item_id(ACME, engagement, sha256(content), name), name)


@dataclass
class Parts:
    """What a migration works with; made anew in another process."""

    config: GroupConfig
    clients: ClientCache
    database_url: str
    clock: Clock
    home: Path

    def __post_init__(self) -> None:
        opening: dict[str, Any] = {"clients": self.clients, "clock": self.clock}
        settings = load_settings(home=self.home)
        self.store: VolumeStore = open_volume_store(settings, self.config, **opening)
        self.lakehouse: WarehouseLakehouse = open_warehouse_lakehouse(self.config, **opening)
        self.sessions = open_sessions(engine_of(self.database_url))
        self.moved = MovedEvidence(self.sessions, self.clock)

    def migrate(self, source: Path, **options: Any) -> Migration:
        """Into the Volume; the manifest lies beside the tree."""
        known: dict[str, Any] = {
            "caller": ANN,
            "store": self.store,
            "lakehouse": self.lakehouse,
            "config": self.config,
            "moved": self.moved,
            "manifest": source.parent / "manifest.jsonl",
            "clock": self.clock,
        }
        return migrate_to_volume(ACME, source, **{**known, **options})


@dataclass
class MigrationWorld:
    """One room for many tests; each has engagements of its own."""

    room: Room
    groups: GroupsInRoom
    parts: Parts

    def engagement(self) -> str:
        """An id nobody used."""
        return f"e{next(_NUMBERS)}"

    def rows(self, *engagements: str) -> list[MetadataRow]:
        return sorted(
            known_rows(
                ACME,
                lakehouse=self.parts.lakehouse,
                config=self.parts.config,
                engagements=engagements,
            ),
            key=lambda row: row.path,
        )

    def stored(self, engagement: str) -> dict[str, str]:
        """What the Volume holds of an engagement, by the path below its folder."""
        store = self.parts.store
        return {
            "/".join(path.split("/")[-2:]): store.read(path).decode()
            for path in store.list_files(engagement)
        }

    def stored_names(self, engagement: str) -> list[str]:
        """Names of all files below an engagement's folder in the Volume, whatever they are."""
        return sorted(path.rpartition("/")[2] for path in self.parts.store.sizes(engagement))

    def sent(self) -> int:
        """Evidence files that were sent since the log was cleared."""
        return self.room.server.requests(PUT, FILES).count()

    def statements(self) -> int:
        return self.room.server.requests("POST", STATEMENTS).count()

    def forget_requests(self) -> None:
        self.room.server.services.request_log.clear()

    def mend(self) -> None:
        self.room.server.faults.clear()
        self.forget_requests()


@contextmanager
def opened_world(room: Room, database_url: str, home: Path) -> Iterator[MigrationWorld]:
    clock = FakeClock()  # who waits for another try does not wait
    groups = GroupsInRoom(room, clock)
    parts = Parts(groups.config(ACME), groups.clients, database_url, clock, home)
    table = parts.config.namespace.base(EVIDENCE_METADATA.name)
    parts.lakehouse.ensure_table(table, EVIDENCE_METADATA)
    yield MigrationWorld(room, groups, parts)
    groups.close()


def tree(root: Path, files: dict[str, str], *, written: datetime = WRITTEN) -> Path:
    """A tree of files, all last written at that time."""
    for path, content in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        os.utime(file, (written.timestamp(), written.timestamp()))
    return root


__all__ = ["ACME", "ANN", "Caller", "MigrationWorld", "Parts", "opened_world", "tree"]
