"""Fixtures shared by every area; an area's own stand in its folder's conftest."""

from __future__ import annotations

import pytest

from kmflow_orchestration_tests.fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
