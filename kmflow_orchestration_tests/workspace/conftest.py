"""A running embedded workspace, and jobs made of one small wheel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kmflow_orchestration.workspace.server import EmbeddedWorkspace
from kmflow_orchestration_tests.embedded import (
    GroupInRoom,
    Room,
    embedded_server,
    fresh_room,
    room,
)
from kmflow_orchestration_tests.fakes import FakeClock

__all__ = ["embedded_server", "room"]


@pytest.fixture
def acme(room: Room) -> GroupInRoom:
    return room.group("acme")


@pytest.fixture
def timed(tmp_path: Path, clock: FakeClock) -> Iterator[Room]:
    """A room on a server of its own, whose time the test moves."""
    with EmbeddedWorkspace(tmp_path, clock=clock) as server:
        yield fresh_room(server)
