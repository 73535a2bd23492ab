"""Dagster with our sensors, over a control database and landing folders of their own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kmflow_orchestration_tests.dagster_skins.sensor_world import SensorWorld
from kmflow_orchestration_tests.intake.conftest import empty_control_database

__all__ = ["empty_control_database"]


@pytest.fixture
def world(tmp_path: Path, empty_control_database: Path) -> Iterator[SensorWorld]:
    shutil.copy(empty_control_database, tmp_path / "control.db")
    with SensorWorld(tmp_path) as opened:
        yield opened
