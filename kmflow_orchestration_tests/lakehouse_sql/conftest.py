"""Groups' SQL engines on an embedded workspace, through the real driver and dialect."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from kmflow_orchestration.workspace.server import EmbeddedWorkspace
from kmflow_orchestration_tests.embedded import Room, embedded_server, fresh_room, room
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.lakehouse_sql.world import SqlWorld

__all__ = ["embedded_server", "room"]


@pytest.fixture
def world(room: Room, clock: FakeClock, tmp_path: Path) -> Iterator[SqlWorld]:
    opened = SqlWorld(room, clock, tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def timed_world(tmp_path: Path, clock: FakeClock) -> Iterator[SqlWorld]:
    """The same on a server that lives by the test's clock; its warehouse is stopped."""
    with EmbeddedWorkspace(tmp_path / "state", clock=clock) as server:
        opened = SqlWorld(fresh_room(server), clock, tmp_path)
        yield opened
        opened.close()


@pytest.fixture
def engine(world: SqlWorld) -> Engine:
    """Of group acme, on Databricks SQL."""
    return world.engine("acme")


@pytest.fixture(params=["databricks", "sqlite"])
def either(request: pytest.FixtureRequest, world: SqlWorld) -> Engine:
    """Of group acme, on each backend in turn."""
    return world.engine("acme", use_databricks=request.param == "databricks")
