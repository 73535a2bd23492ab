"""One workspace with a group for all tests of a worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kmflow_orchestration_tests.control_databases import ControlDatabases
from kmflow_orchestration_tests.embedded import embedded_server, fresh_room
from kmflow_orchestration_tests.operations.migration.world import MigrationWorld, opened_world

__all__ = ["embedded_server"]


@pytest.fixture(scope="package")
def shared(
    embedded_server, tmp_path_factory: pytest.TempPathFactory, control_databases: ControlDatabases
) -> Iterator[MigrationWorld]:
    home = tmp_path_factory.mktemp("migration")
    url = control_databases.new(home / "control.db")
    with opened_world(fresh_room(embedded_server), url, home) as world:
        yield world


@pytest.fixture
def world(shared: MigrationWorld) -> Iterator[MigrationWorld]:
    shared.mend()
    yield shared
    shared.mend()
