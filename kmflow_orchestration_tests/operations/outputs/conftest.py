"""Groups with places for outputs, on the backend a test asks for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kmflow_orchestration_tests.control_databases import NewDatabase
from kmflow_orchestration_tests.embedded import Room, embedded_server, room
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.output_world import OutputWorld

__all__ = ["embedded_server", "room"]


@pytest.fixture(params=["local", "databricks"])
def world(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    clock: FakeClock,
    control_database: NewDatabase,
) -> Iterator[OutputWorld]:
    """On each of the backends."""
    room = request.getfixturevalue("room") if request.param == "databricks" else None
    address = control_database(tmp_path / "control.db")
    with OutputWorld(tmp_path, clock, room, address) as opened:
        yield opened


@pytest.fixture
def remote(
    room: Room, tmp_path: Path, clock: FakeClock, control_database: NewDatabase
) -> Iterator[OutputWorld]:
    """On the embedded workspace."""
    address = control_database(tmp_path / "control.db")
    with OutputWorld(tmp_path, clock, room, address) as opened:
        yield opened
