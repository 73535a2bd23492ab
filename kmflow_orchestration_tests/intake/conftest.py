"""Fixtures of the intake tests: landing places over one migrated control database a test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kmflow_orchestration.names import GroupId
from kmflow_orchestration_tests.control_databases import NewDatabase
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.intake.landing_place import LandingPlace


@pytest.fixture
def new_place(
    tmp_path: Path, clock: FakeClock, control_database: NewDatabase
) -> Callable[[str], LandingPlace]:
    url = control_database(tmp_path / "control.db")
    return lambda group: LandingPlace(tmp_path, clock, GroupId(group), url)


@pytest.fixture
def acme(new_place: Callable[[str], LandingPlace]) -> LandingPlace:
    return new_place("acme")
