"""Fixtures of the intake tests: a migrated control database, copied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kmflow_orchestration.metadata.engine import migrate, open_engine
from kmflow_orchestration.names import GroupId
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.intake.landing_place import LandingPlace


@pytest.fixture(scope="session")
def empty_control_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("control") / "control.db"
    engine = open_engine(f"sqlite:///{path}")
    migrate(engine)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@pytest.fixture
def new_place(
    tmp_path: Path, clock: FakeClock, empty_control_database: Path
) -> Callable[[str], LandingPlace]:
    shutil.copy(empty_control_database, tmp_path / "control.db")
    return lambda group: LandingPlace(tmp_path, clock, GroupId(group))


@pytest.fixture
def acme(new_place: Callable[[str], LandingPlace]) -> LandingPlace:
    return new_place("acme")
