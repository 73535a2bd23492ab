"""Fixtures for tests about profile runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kmflow_orchestration_tests.runs.profile_world import ProfileWorld


@pytest.fixture
def world(tmp_path) -> Iterator[ProfileWorld]:
    made = ProfileWorld(tmp_path / "control.db")
    yield made
    made.engine.dispose()
