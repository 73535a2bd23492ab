"""Fixtures for tests about profile runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kmflow_orchestration_tests.embedded import Room, embedded_server, room
from kmflow_orchestration_tests.embedded_groups import GroupsInRoom
from kmflow_orchestration_tests.runs.profile_world import ProfileWorld

__all__ = ["embedded_server", "room"]


@pytest.fixture
def world(tmp_path, control_database) -> ProfileWorld:
    return ProfileWorld(control_database(tmp_path / "control.db"))


@pytest.fixture
def groups(room: Room, world: ProfileWorld) -> Iterator[GroupsInRoom]:
    opened = GroupsInRoom(room, world.clock)
    yield opened
    opened.close()
