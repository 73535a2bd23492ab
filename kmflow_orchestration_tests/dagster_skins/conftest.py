"""Dagster with our sensors, over a control database and landing folders of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kmflow_orchestration_tests.control_databases import NewDatabase
from kmflow_orchestration_tests.dagster_skins.sensor_world import SensorWorld


@pytest.fixture
def world(tmp_path: Path, control_database: NewDatabase) -> Iterator[SensorWorld]:
    with SensorWorld(tmp_path, control_database(tmp_path / "control.db")) as opened:
        yield opened
