"""Stores on the embedded workspace, on a clock that moves when told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kmflow_orchestration_tests.embedded import Room, embedded_server, room
from kmflow_orchestration_tests.embedded_groups import GroupsInRoom
from kmflow_orchestration_tests.fakes import FakeClock

__all__ = ["embedded_server", "room"]


@pytest.fixture
def groups(room: Room, clock: FakeClock) -> Iterator[GroupsInRoom]:
    opened = GroupsInRoom(room, clock)
    yield opened
    opened.close()
