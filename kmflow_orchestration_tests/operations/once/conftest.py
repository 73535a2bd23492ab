"""Two groups to compare: one to which things happen, one that is spared."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kmflow_orchestration_tests.control_databases import ControlDatabases
from kmflow_orchestration_tests.operations.once.stage import Stage, made_stage


@pytest.fixture(scope="package")
def stage(
    tmp_path_factory: pytest.TempPathFactory, control_databases: ControlDatabases
) -> Iterator[Stage]:
    made = made_stage(tmp_path_factory.mktemp("once"), "local", control_databases)
    yield made
    made.close()


@pytest.fixture(scope="package")
def workspace_stage(
    tmp_path_factory: pytest.TempPathFactory, control_databases: ControlDatabases
) -> Iterator[Stage]:
    made = made_stage(tmp_path_factory.mktemp("once"), "databricks", control_databases)
    yield made
    made.close()
