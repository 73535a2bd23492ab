"""Fixtures shared by every area; an area's own stand in its folder's conftest."""

from __future__ import annotations

import gc
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from kmflow_orchestration.redaction import forgetting
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

# A run in a shell's background ignores Ctrl-C, and so would every process a test interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--control-database",
        choices=("sqlite", "postgres"),
        default="sqlite",
        help="postgres: only the tests that use a control database, on a PostgreSQL server",
    )


def pytest_configure(config: pytest.Config) -> None:
    # pytest 9.1 forgets a folder's fixtures, also those of autouse, when it comes to the folder a
    # second time behind a file of a folder above (pytest-dev/pytest#14997).
    config.args.sort()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    chosen = for_sqlite if config.getoption("control_database") == "sqlite" else for_postgres
    config.hook.pytest_deselected(items=[item for item in items if not chosen(item)])
    items[:] = [item for item in items if chosen(item)]


def pytest_collection_finish(session: pytest.Session) -> None:
    # What was imported and collected stays: to look for garbage in it took a twentieth of the run.
    gc.collect()
    gc.freeze()
    check_that_groups_hold(session)


def check_that_groups_hold(session: pytest.Session) -> None:
    """Tests of a group share a costly fixture; a pytest whose ids pytest-xdist cannot write, such
    as 9.2 with 3.8, would make it once in every worker without a word."""
    if not getattr(session.config.option, "loadgroup", False):
        return
    for item in session.items:
        if item.get_closest_marker("xdist_group") and "@" not in item.nodeid:
            raise pytest.UsageError("this pytest and this pytest-xdist keep no group together")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Long bytes are not named by their content, in which an archive's clock may stand: every
    worker of a run must find the same tests."""
    return argname if isinstance(val, bytes) and len(val) >= 40 else None


@pytest.fixture(autouse=True, scope="module")
def _secrets_of_the_module_only() -> Iterator[None]:
    """What a module's fixtures registered as secret blots out no other module's words."""
    with forgetting():
        yield


@pytest.fixture(autouse=True)
def _secrets_of_the_test_only() -> Iterator[None]:
    """Nor does what one test registered blot out another's."""
    with forgetting():
        yield
