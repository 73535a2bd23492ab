"""Fixtures of the operations' tests: landing places, as the intake tests have them, and tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from kmflow_orchestration.clock import SystemClock
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.provision import table_name
from kmflow_orchestration.storage.local_lakehouse import LocalLakehouse
from kmflow_orchestration.storage.own_tables import OwnTables
from kmflow_orchestration.tables.medallion import BRONZE_EVIDENCE_RAW, EVIDENCE_METADATA
from kmflow_orchestration_tests.intake.conftest import acme, new_place

__all__ = ["acme", "new_place"]

CONFIG = GroupConfig(group_id=GroupId("acme"), version=1, catalog="kmflow", schema="acme")


@pytest.fixture
def lakehouse(tmp_path: Path) -> Iterator[LocalLakehouse]:
    """The group's tables of evidence as received, empty."""
    own = OwnTables(CONFIG.group_id, CONFIG.namespace)
    with closing(LocalLakehouse(own, tmp_path / "lakehouse", clock=SystemClock())) as made:
        for definition in (EVIDENCE_METADATA, BRONZE_EVIDENCE_RAW):
            made.ensure_table(table_name(CONFIG.namespace, definition), definition)
        yield made
