"""Fixtures shared by every area; an area's own stand in its folder's conftest."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from kmflow_orchestration_tests.control_databases import (
    control_database,
    control_databases,
    for_postgres,
    for_sqlite,
    postgres_server,
)
from kmflow_orchestration_tests.fakes import FakeClock

__all__ = ["control_database", "control_databases", "postgres_server"]

# A shared machine and the first build of character tables must not fail a property.
settings.register_profile("kmflow", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kmflow")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--control-database",
        choices=("sqlite", "postgres"),
        default="sqlite",
        help="postgres: only the tests that use a control database, on a PostgreSQL server",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    chosen = for_sqlite if config.getoption("control_database") == "sqlite" else for_postgres
    config.hook.pytest_deselected(items=[item for item in items if not chosen(item)])
    items[:] = [item for item in items if chosen(item)]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
