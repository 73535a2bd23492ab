from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from kmflow_orchestration.clock import SystemClock
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.config.secret_refs import SecretRef
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.provision import (
    ALL_TABLES,
    ProvisionStep,
    provision,
    provision_sql,
    table_name,
)
from kmflow_orchestration.storage.choose import open_lakehouse
from kmflow_orchestration.storage.interfaces import Lakehouse
from kmflow_orchestration.storage.local_lakehouse import LocalLakehouse
from kmflow_orchestration.storage.own_tables import OwnTables
from kmflow_orchestration_tests.embedded import Room, embedded_server, room
from kmflow_orchestration_tests.embedded_groups import GroupsInRoom, group_config
from kmflow_orchestration_tests.fakes import FakeClock

__all__ = ["embedded_server", "room"]
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


@pytest.fixture
def groups(room: Room, clock: FakeClock) -> Iterator[GroupsInRoom]:
    opened = GroupsInRoom(room, clock)
    yield opened
    opened.close()


def on_databricks(
    config: GroupConfig, groups: GroupsInRoom, *, dry_run: bool = False
) -> list[ProvisionStep]:
    settings = load_settings(storage_backend="databricks")
    lakehouse = open_lakehouse(settings, config, clients=groups.clients, clock=groups.clock)
    return provision(config, lakehouse, groups.clients.get(config), dry_run=dry_run)


def test_a_workspace_gets_what_is_missing_once(groups: GroupsInRoom, room: Room) -> None:
    config = groups.config("acme")

    planned = on_databricks(config, groups, dry_run=True)
    first = on_databricks(config, groups)
    room.server.services.request_log.clear()
    second = on_databricks(config, groups)

    there = {("catalog", "exists"): 1, ("schema", "exists"): 5, ("volume", "exists"): 1}
    assert actions(planned) == there | {("table", "would_create"): len(ALL_TABLES)}
    assert actions(first) == there | {("table", "created"): len(ALL_TABLES)}
    assert actions(second) == there | {("table", "exists"): len(ALL_TABLES)}
    assert room.server.requests().count() < 12


def test_a_missing_privilege_is_named_with_its_grant(groups: GroupsInRoom) -> None:
    config = dataclasses.replace(groups.config("acme"), schema="elsewhere")

    steps = {step.object: step for step in on_databricks(config, groups)}

    refused = steps["kmflow.elsewhere"]
    assert refused.action == "failed"
    assert "GRANT USE CATALOG, CREATE SCHEMA ON CATALOG `kmflow` TO `acme-service`" in (
        refused.message
    )
    assert steps["kmflow.elsewhere.raw_evidence"].message == "kmflow.elsewhere is missing"
    assert {step.action for step in steps.values()} == {"exists", "failed"}


def test_an_administrator_makes_everything_from_nothing(groups: GroupsInRoom, room: Room) -> None:
    groups.environment["ADMIN"] = room.admin_token
    config = dataclasses.replace(
        groups.config("acme"),
        group_id=GroupId("fresh"),
        catalog="fresh",
        schema="evidence",
        token=SecretRef("env", "ADMIN"),
    )
    assert {step.action for step in on_databricks(config, groups)} == {"created"}
    assert {step.action for step in on_databricks(config, groups)} == {"exists"}
