from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from kmflow_orchestration.clock import SystemClock
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.provision import (
    ALL_TABLES,
    ProvisionStep,
    provision,
    provision_sql,
    table_name,
)
from kmflow_orchestration.storage.interfaces import Lakehouse
from kmflow_orchestration.storage.local_lakehouse import LocalLakehouse
from kmflow_orchestration.storage.own_tables import OwnTables
from kmflow_orchestration_tests.embedded_groups import group_config

CONFIG = group_config("acme")


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Lakehouse]:
    own = OwnTables(GroupId("acme"), CONFIG.namespace)
    opened = LocalLakehouse(own, tmp_path, clock=SystemClock())
    yield opened
    opened.close()


def actions(steps: list[ProvisionStep]) -> Counter[tuple[str, str]]:
    return Counter((step.kind, step.action) for step in steps)


def test_every_object_follows_its_parent() -> None:
    made: set[str] = set()
    for sql in provision_sql(CONFIG):
        name = sql.split("`")[1::2]
        parts = name[: {"CATALOG": 1, "SCHEMA": 2}.get(sql.split()[1], 3)]
        assert len(parts) == 1 or ".".join(parts[:-1]) in made, sql
        made.add(".".join(parts))
    assert len(made) == 1 + 5 + 1 + len(ALL_TABLES)


def test_a_second_run_makes_nothing(local: Lakehouse) -> None:
    first, second = (provision(CONFIG, local, None) for _ in range(2))

    assert actions(first) == {("table", "created"): len(ALL_TABLES)}
    assert actions(second) == {("table", "exists"): len(ALL_TABLES)}


def test_a_dry_run_makes_nothing_at_all(local: Lakehouse, tmp_path: Path) -> None:
    steps = provision(CONFIG, local, None, dry_run=True)

    assert actions(steps) == {("table", "would_create"): len(ALL_TABLES)}
    assert list(tmp_path.iterdir()) == []


def test_tables_get_the_columns_they_were_defined_with(local: Lakehouse) -> None:
    provision(CONFIG, local, None)

    for definition in ALL_TABLES:
        found = local.columns(table_name(CONFIG.namespace, definition))
        assert found is not None
        assert [(column.name, column.nullable) for column in found] == [
            (column.name, column.nullable) for column in definition.columns
        ]
