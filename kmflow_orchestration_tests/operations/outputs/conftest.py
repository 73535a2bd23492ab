"""Groups with places for outputs, on the backend a test asks for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kmflow_orchestration_tests.embedded import Room, embedded_server, room
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.intake.conftest import empty_control_database
from kmflow_orchestration_tests.output_world import OutputWorld

__all__ = ["embedded_server", "empty_control_database", "room"]


@pytest.fixture(params=["local", "databricks"])
def world(
    request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock, empty_control_database: Path
) -> Iterator[OutputWorld]:
    """On each of the backends."""
    room = request.getfixturevalue("room") if request.param == "databricks" else None
    with OutputWorld(tmp_path, clock, room, empty_control_database) as opened:
        yield opened


@pytest.fixture
def remote(
    room: Room, tmp_path: Path, clock: FakeClock, empty_control_database: Path
) -> Iterator[OutputWorld]:
    """On the embedded workspace."""
    with OutputWorld(tmp_path, clock, room, empty_control_database) as opened:
        yield opened
