"""Analysts read silver and gold and nothing else; what they could do besides is found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from databricks.sdk.errors import PermissionDenied

from kmflow_orchestration.access.caller import caller_of
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.errors import InvalidSettings, RemoteFault
from kmflow_orchestration.metadata.config_audit import AuditAction, ConfigAudit
from kmflow_orchestration.metadata.engine import open_sessions
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.analyst_grants import (
    AccessStep,
    grant_analysts,
    grants_sql,
)
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration_tests.control_databases import NewDatabase, engine_of
from kmflow_orchestration_tests.embedded import Room, client_for, embedded_server, room
from kmflow_orchestration_tests.embedded_groups import GroupsInRoom
from kmflow_orchestration_tests.fakes import FakeClock

__all__ = ["embedded_server", "room"]

ANALYSTS = "acme-analysts"
SILVER, GOLD, BRONZE = (f"kmflow.acme_evidence_{layer}" for layer in ("silver", "gold", "bronze"))
MEANT = [
    (ANALYSTS, "USE CATALOG", "kmflow"),
    (ANALYSTS, "USE SCHEMA", SILVER),
    (ANALYSTS, "SELECT", SILVER),
    (ANALYSTS, "USE SCHEMA", GOLD),
    (ANALYSTS, "SELECT", GOLD),
]
ANN = caller_of("ann@kmflow.test", ("acme",), Role.ADMIN)


@dataclass
class World:
    """acme, whose service principal may manage what is its own, and the analysts' principal."""

    room: Room
    groups: GroupsInRoom
    audit: ConfigAudit
    analysts_token: str

    def grant(self, *principals: str, dry_run: bool = False) -> list[AccessStep]:
        config = self.groups.config("acme")
        return grant_analysts(
            config,
            principals or (ANALYSTS,),
            caller=ANN,
            calls=self.groups.clients.get(config),
            audit=self.audit,
            dry_run=dry_run,
        )

    def seed(self, privilege: str, kind: str, name: str, principal: str = ANALYSTS) -> None:
        """A grant that somebody else made."""
        catalog = self.room.server.services.catalog
        catalog.grant(self.room.admin.workspace_id, (privilege,), (kind, name), principal)

    def may_run(self, sql: str) -> bool:
        """Whether the workspace lets an analyst run a statement."""
        return self._runs(self.analysts_token, sql)

    def run(self, sql: str) -> None:
        assert self._runs(self.room.admin_token, sql)

    def _runs(self, token: str, sql: str) -> bool:
        warehouse = self.room.server.services.warehouses.default_id(self.room.admin.workspace_id)
        client = client_for(self.room.url, token)
        answer = client.statement_execution.execute_statement(sql, warehouse)
        assert answer.status
        return answer.status.state is not None and answer.status.state.value == "SUCCEEDED"


@pytest.fixture
def world(
    room: Room, clock: FakeClock, tmp_path: Path, control_database: NewDatabase
) -> Iterator[World]:
    groups = GroupsInRoom(room, clock)
    groups.config("acme")
    groups.config("globex")
    token = f"analysts-{room.admin.workspace_id}"
    room.server.state.create_principal(room.admin.workspace_id, ANALYSTS, token=token)
    sessions = open_sessions(engine_of(control_database(tmp_path / "control.db")))
    made = World(room, groups, ConfigAudit(sessions, clock), token)
    made.seed("MANAGE", "CATALOG", "kmflow", "acme-service")
    yield made
    groups.close()


def told(steps: list[AccessStep], *actions: str) -> list[tuple[str, str, str]]:
    return [
        (step.principal, step.privilege, step.object) for step in steps if step.action in actions
    ]


def test_analysts_get_silver_and_gold_once(world: World) -> None:
    planned, first, second = world.grant(dry_run=True), world.grant(), world.grant()

    assert told(planned, "would_grant") == MEANT
    assert told(first, "granted") == MEANT
    assert told(second, "exists") == MEANT
    assert {len(steps) for steps in (planned, first, second)} == {len(MEANT)}
    assert all(step.is_fine for step in (*planned, *first, *second))


def test_they_read_tables_made_later_and_nothing_else(world: World) -> None:
    for schema in (SILVER, BRONZE, "kmflow.globex_evidence_silver"):
        world.run(f"CREATE TABLE {schema}.before (a INT)")
    assert not world.may_run(f"SELECT * FROM {SILVER}.before")

    world.grant()
    world.run(f"CREATE TABLE {SILVER}.after (a INT)")

    assert world.may_run(f"SELECT * FROM {SILVER}.before")
    assert world.may_run(f"SELECT * FROM {SILVER}.after")
    assert not world.may_run(f"INSERT INTO {SILVER}.after VALUES (1)")
    assert not world.may_run(f"SELECT * FROM {BRONZE}.before")
    assert not world.may_run("SELECT * FROM kmflow.globex_evidence_silver.before")
    files = client_for(world.room.url, world.analysts_token).files
    with pytest.raises(PermissionDenied):
        list(files.list_directory_contents("/Volumes/kmflow/acme_evidence/raw_evidence"))


def test_the_printed_sql_does_the_same(world: World) -> None:
    for sql in grants_sql(world.groups.config("acme"), [ANALYSTS]):
        world.run(sql)

    assert told(world.grant(dry_run=True), "exists") == MEANT


BEYOND = [
    ("SELECT", "catalog", "kmflow"),
    ("BROWSE", "catalog", "kmflow"),
    ("MODIFY", "schema", SILVER),
    ("ALL PRIVILEGES", "schema", GOLD),
    ("USE SCHEMA", "schema", BRONZE),
    ("READ VOLUME", "volume", "kmflow.acme_evidence.raw_evidence"),
    ("SELECT", "table", f"{BRONZE}.raw"),
    ("MODIFY", "table", f"{SILVER}.fine"),
]


@pytest.mark.parametrize("principal", [ANALYSTS, "account users"])
def test_whatever_is_too_much_is_found_with_its_revoke(world: World, principal: str) -> None:
    for table in (f"{BRONZE}.raw", f"{SILVER}.fine"):
        world.run(f"CREATE TABLE {table} (a INT)")
    world.grant()
    for privilege, kind, name in BEYOND:
        world.seed(privilege, kind, name, principal)

    found = [step for step in world.grant() if not step.is_fine]

    assert sorted(told(found, "too_much")) == sorted((principal, p, name) for p, _, name in BEYOND)
    assert len(found) == len(BEYOND)
    for step in found:
        world.run(step.message)
    assert all(step.is_fine for step in world.grant())


def test_every_analyst_may_use_the_catalog_and_read_one_silver_table(world: World) -> None:
    """What everybody has of the catalog, and a table of silver by name, are within what is due."""
    world.run(f"CREATE TABLE {SILVER}.fine (a INT)")
    world.seed("USE CATALOG", "catalog", "kmflow", "account users")
    world.seed("SELECT", "table", f"{SILVER}.fine")

    assert all(step.is_fine for step in world.grant())


def test_who_owns_a_table_of_the_group_could_do_anything_with_it(world: World) -> None:
    world.seed("CREATE TABLE", "schema", SILVER)
    world.grant()
    assert world.may_run(f"CREATE TABLE {SILVER}.theirs (a INT)")

    found = told(world.grant(), "too_much")

    assert (ANALYSTS, "OWNERSHIP", f"{SILVER}.theirs") in found


def test_names_of_people_have_no_case(world: World) -> None:
    world.grant()
    world.seed("MODIFY", "schema", SILVER)

    steps = world.grant(ANALYSTS.upper())

    assert len(told(steps, "exists")) == len(MEANT)
    assert told(steps, "too_much") == [(ANALYSTS, "MODIFY", SILVER)]


def test_a_principal_that_is_not_there_gets_nothing_and_the_next_gets_all(world: World) -> None:
    steps = world.grant("nobody-here", ANALYSTS)

    assert len(told(steps, "failed")) == len(MEANT)
    assert all("nobody-here" in step.message for step in steps if step.action == "failed")
    assert told(steps, "granted") == MEANT


def grant_of_globex(world: World) -> list[AccessStep]:
    """As globex, whose principal may manage nothing of the catalog."""
    config = world.groups.config("globex")
    return grant_analysts(
        config,
        [ANALYSTS],
        caller=caller_of("ann@kmflow.test", ("globex",), Role.ADMIN),
        calls=world.groups.clients.get(config),
        audit=world.audit,
    )


def test_without_the_right_to_manage_it_says_what_the_owner_is_to_run(world: World) -> None:
    steps = grant_of_globex(world)

    ours = world.groups.config("globex").namespace
    refused = {step.object: step for step in steps if step.action == "failed"}
    assert set(refused) == {f"kmflow.{ours.schema}_silver", f"kmflow.{ours.schema}_gold"}
    sql = f"GRANT USE SCHEMA, SELECT ON SCHEMA `kmflow`.`{ours.schema}_gold` TO `{ANALYSTS}`"
    assert sql in refused[f"kmflow.{ours.schema}_gold"].message
    assert told(steps, "ask_owner") == [(ANALYSTS, "USE CATALOG", "kmflow")]
    assert [one for _, _, one in told(steps, "unknown")] == [f"kmflow.{s}" for s in ours.schemas]
    assert world.audit.entries(GroupId("globex")) == []


def test_in_a_shared_catalog_it_is_enough_to_manage_the_own_schemas(world: World) -> None:
    for schema in world.groups.config("globex").namespace.schemas:
        world.seed("MANAGE", "schema", f"kmflow.{schema}", "globex-service")

    first, second = grant_of_globex(world), grant_of_globex(world)

    assert len(told(first, "granted")) == 4
    assert len(told(second, "exists")) == 4
    for steps in (first, second):
        assert all(step.is_fine for step in steps)
        (asked,) = [step for step in steps if step.action == "ask_owner"]
        assert f"GRANT USE CATALOG ON CATALOG `kmflow` TO `{ANALYSTS}`" in asked.message


def test_a_schema_that_is_missing_is_named_with_what_makes_it(world: World) -> None:
    world.run(f"DROP SCHEMA {GOLD}")

    failed = [step for step in world.grant() if step.action == "failed"]

    assert {step.object for step in failed} == {GOLD}
    assert "kmflow provision --group acme" in failed[0].message


@pytest.mark.parametrize("names", [(), ("",), (" ",), ("account users",), ("Users",), ("a\nb",)])
def test_nobody_and_everybody_are_no_analysts(world: World, names: tuple[str, ...]) -> None:
    config = world.groups.config("acme")
    with pytest.raises(InvalidSettings):
        grants_sql(config, names)
    with pytest.raises(InvalidSettings):
        grant_analysts(
            config,
            names,
            caller=ANN,
            calls=world.groups.clients.get(config),
            audit=world.audit,
        )


def test_a_grant_is_noted_also_when_the_next_one_fails(world: World) -> None:
    place = f"/api/2.1/unity-catalog/permissions/SCHEMA/{SILVER}"
    lasting = Fault("fail_times", method="PATCH", path=place, times=100, status=500)
    world.room.server.faults.add(replace(lasting, error_code="INTERNAL_ERROR"))

    with pytest.raises(RemoteFault):
        world.grant()

    (entry,) = world.audit.entries(world.groups.config("acme").group_id)
    assert entry.deed.action is AuditAction.GRANT
    assert entry.deed.after == {"granted": [f"USE CATALOG on catalog kmflow to {ANALYSTS}"]}
    world.room.server.faults.clear()
    assert told(world.grant(), "granted") == MEANT[1:]
    assert len(world.audit.entries(world.groups.config("acme").group_id)) == 2
    world.grant()
    assert len(world.audit.entries(world.groups.config("acme").group_id)) == 2
