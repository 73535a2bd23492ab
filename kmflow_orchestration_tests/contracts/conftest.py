"""Two groups, each with its own store and tables, on every backend there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from kmflow_orchestration.clock import SystemClock
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.storage.interfaces import EvidenceFile, Lakehouse, StorageBackend
from kmflow_orchestration.storage.local_lakehouse import LocalLakehouse
from kmflow_orchestration.storage.local_store import LocalStore
from kmflow_orchestration.storage.own_tables import OwnTables
from kmflow_orchestration_tests.evidence_samples import evidence_file
from kmflow_orchestration_tests.fakes import FakeClock

DAY = date(2026, 11, 20)


def group_config(group: str, **settings: object) -> GroupConfig:
    known: dict[str, object] = {
        "group_id": GroupId(group),
        "version": 1,
        "catalog": "kmflow",
        "schema": f"{group}_evidence",
    }
    return GroupConfig(**{**known, **settings})  # type: ignore[arg-type]


@pytest.fixture
def landing(tmp_path: Path) -> Callable[..., EvidenceFile]:
    """Drops a file and describes it as intake would."""

    def drop(name: str = "loans.csv", content: bytes = b"id\n1\n", **facts: object) -> EvidenceFile:
        return evidence_file(tmp_path / "landing", name, content, **facts)

    return drop


@pytest.fixture(params=["local"])
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> StorageBackend:
    return LocalStore("acme", tmp_path / "home" / "acme", clock=clock)


@pytest.fixture(scope="session", params=["local"])
def lakehouses(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Lakehouse]]:
    """The lakehouses of groups acme and globex; tests use tables of their own names."""
    opened = _local(tmp_path_factory.mktemp("lakehouse"))
    yield opened
    for lakehouse in opened.values():
        lakehouse.close()


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
def damage(store: StorageBackend, tmp_path: Path) -> Callable[[str], None]:
    """Cuts a stored file short behind the store's back."""

    def cut(path: str) -> None:
        assert isinstance(store, LocalStore)
        store.local_path(path).write_bytes(b"id")

    return cut
