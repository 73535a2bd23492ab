"""Row C20: two groups on different hosts in one process; neither's token or rows ever cross."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from kmflow_orchestration.config.group_input import parse_group
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context
from kmflow_orchestration.databricks_client.workspace_info import current_principal
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.write_output import TaskOutput, write_output
from kmflow_orchestration.outputs.layout import Execution
from kmflow_orchestration.workspace.server import EmbeddedWorkspace
from kmflow_orchestration_tests.control_databases import ControlDatabases
from kmflow_orchestration_tests.embedded import (
    SCHEMA,
    GroupInRoom,
    Room,
    fresh_room,
)

ACME, GLOBEX = GroupId("acme"), GroupId("globex")
ROUNDS = 20
MOMENT = datetime(2026, 11, 20, 9, tzinfo=UTC)


@dataclass(frozen=True)
class TwoHosts:
    """One process with both groups; each has the same catalog and schema on a host of its own."""

    context: Context
    rooms: dict[GroupId, Room]
    groups: dict[GroupId, GroupInRoom]

    def on_disk(self, group: GroupId) -> list[str]:
        """Whose outputs lie on the host of a group."""
        room = self.rooms[group]
        volumes = room.server.state.volumes_root(room.admin.workspace_id)
        return [json.loads(path.read_bytes())["of"] for path in volumes.rglob("*.json")]


@pytest.fixture(scope="module")
def hosts(
    tmp_path_factory: pytest.TempPathFactory, control_databases: ControlDatabases
) -> Iterator[TwoHosts]:
    root = tmp_path_factory.mktemp("hosts")
    with (
        EmbeddedWorkspace(root / "one") as one,
        EmbeddedWorkspace(root / "two") as two,
        Context(
            load_settings(
                home=str(root / "home"),
                storage_backend="databricks",
                use_databricks=True,
                database_url=control_databases.new(root / "control.db"),
            )
        ) as context,
    ):
        rooms = {ACME: fresh_room(one), GLOBEX: fresh_room(two)}
        # The same name on both hosts: only the host and the token tell them apart.
        groups = {group: room.group("shared") for group, room in rooms.items()}
        for group, own in groups.items():
            token = root / f"{group}.token"
            token.touch(mode=0o600)
            token.write_text(own.token, encoding="ascii")
            warehouses = rooms[group].server.services.warehouses
            values = {
                "catalog": own.catalog,
                "schema": SCHEMA,
                "workspace_url": own.host,
                "warehouse_id": warehouses.default_id(rooms[group].admin.workspace_id),
                "token": f"file:{token}",
                "allow_insecure_loopback": True,
                "volume_enabled": True,
                "volume_path": f"{own.catalog}.{SCHEMA}.outputs",
            }
            context.group_configs.save(group, parse_group(group, values), "tests")
        yield TwoHosts(context, rooms, groups)


def use(hosts: TwoHosts, group: GroupId, number: int) -> None:
    """Everything that opens a connection: the client, the SQL engine, an output."""
    context = hosts.context
    current_principal(context.clients.get(context.group(group).config))
    with context.get_engine(group).begin() as connection:
        connection.execute(text(f"INSERT INTO seen VALUES ('{group}')"))
    run = Execution(f"run-{number}", MOMENT)
    output = TaskOutput(value={"of": group}, task_key="who", execution=run)
    write_output(context.group(group).outbox, output)


def test_two_hosts_in_one_process_see_their_own_group_only(hosts: TwoHosts) -> None:
    for group in (ACME, GLOBEX):
        with hosts.context.get_engine(group).begin() as connection:
            connection.execute(text("CREATE TABLE seen (who STRING)"))

    with ThreadPoolExecutor(8) as threads:
        for done in [
            threads.submit(use, hosts, group, number)
            for number in range(ROUNDS)
            for group in (ACME, GLOBEX)
        ]:
            done.result()

    for group, other in ((ACME, GLOBEX), (GLOBEX, ACME)):
        server = hosts.rooms[group].server
        assert server.has_seen(hosts.groups[group].token)
        assert not server.has_seen(hosts.groups[other].token)
        with hosts.context.get_engine(group).connect() as connection:
            rows = connection.execute(text("SELECT who FROM seen")).scalars().all()
        assert rows == [group] * ROUNDS
        assert hosts.on_disk(group) == [group] * ROUNDS
    assert hosts.context.clients.built == 2
    assert hosts.context.get_engine(ACME) is not hosts.context.get_engine(GLOBEX)
