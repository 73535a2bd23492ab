"""A group with real tables; each test has an engagement of its own in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from kmflow_orchestration.clock import SystemClock
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.storage.local_lakehouse import LocalLakehouse
from kmflow_orchestration.storage.own_tables import OwnTables
from kmflow_orchestration.tables.medallion import (
    BRONZE_INGESTION_LOG,
    SILVER_EVIDENCE_FRAGMENTS,
    SILVER_EXTRACTED_ENTITIES,
)
from kmflow_orchestration_tests.intake.conftest import new_place
from kmflow_orchestration_tests.intake.landing_place import LandingPlace
from kmflow_orchestration_tests.operations.datasets.dataset_world import DatasetWorld

__all__ = ["new_place"]

_ENGAGEMENTS = count(1)


@pytest.fixture(scope="session")
def dataset_config() -> GroupConfig:
    return GroupConfig(group_id=GroupId("acme"), version=1, catalog="kmflow", schema="acme")


@pytest.fixture(scope="session")
def dataset_lakehouse(
    tmp_path_factory: pytest.TempPathFactory, dataset_config: GroupConfig
) -> Iterator[LocalLakehouse]:
    own = OwnTables(dataset_config.group_id, dataset_config.namespace)
    lakehouse = LocalLakehouse(own, tmp_path_factory.mktemp("lakehouse"), clock=SystemClock())
    for definition in (
        BRONZE_INGESTION_LOG,
        SILVER_EVIDENCE_FRAGMENTS,
        SILVER_EXTRACTED_ENTITIES,
    ):
        table = dataset_config.namespace.layer(definition.layer, definition.name)
        lakehouse.ensure_table(table, definition)
    yield lakehouse
    lakehouse.close()


@pytest.fixture
def world(
    new_place: Callable[[str], LandingPlace],
    dataset_lakehouse: LocalLakehouse,
    dataset_config: GroupConfig,
) -> DatasetWorld:
    """An engagement nobody used before: tests share the tables' home, never a table."""
    return DatasetWorld(new_place("acme"), dataset_lakehouse, dataset_config, next_engagement())


def next_engagement() -> str:
    """An engagement nobody used before."""
    return f"e{next(_ENGAGEMENTS)}"
