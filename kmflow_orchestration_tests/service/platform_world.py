"""A service that starts profiles in a real (embedded) workspace, by a route of the tests' own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi import FastAPI

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.databricks_client.calls import WorkspaceCalls
from kmflow_orchestration.databricks_client.connect import connect
from kmflow_orchestration.names import TableGroupId
from kmflow_orchestration.operations.provision import provision
from kmflow_orchestration.runs.callbacks import CallbackSettings
from kmflow_orchestration.runs.choose import open_jobs
from kmflow_orchestration.runs.submission import ProfilingLaunchResult, start_profile
from kmflow_orchestration.storage.choose import open_lakehouse
from kmflow_orchestration.tables.profiling import DQ_TABLE_GROUPS, DQ_TABLES
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration_tests.embedded import Room
from kmflow_orchestration_tests.embedded_groups import GroupsInRoom
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.runs.profile_world import ACME, ProfileWorld

STARTS = "/api/v1/data-quality/table-groups/{table_group_id}/profile-runs"
CALLS = "/api/v1/calls"


class Platform:
    """Group `acme` in a workspace of its own; made once, it holds nothing of a single test."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.clock = FakeClock()
        self.groups = GroupsInRoom(room, self.clock)
        self.config: GroupConfig = self.groups.config(ACME)
        self.settings = load_settings(storage_backend="databricks")
        self.lakehouse = open_lakehouse(
            self.settings, self.config, clients=self.groups.clients, clock=self.clock
        )
        self.calls = self.groups.calls(ACME)
        provision(self.config, self.lakehouse, self.calls, (DQ_TABLE_GROUPS, DQ_TABLES))

    def impatient(self) -> WorkspaceCalls:
        """A client that waits a fifth of a second for an answer."""
        environment = self.groups.environment
        return connect(self.config, clock=self.clock, http_timeout_s=0.2, environment=environment)

    def close(self) -> None:
        self.lakehouse.close()
        self.groups.close()


@dataclass
class Starter:
    """Asks the service to start profiles; `faults` are those of the workspace."""

    world: ProfileWorld
    platform: Platform
    client: httpx.Client
    url: str
    call: Callable[[], Any] = field(default=lambda: None)

    def fill(self, table_group: str) -> None:
        """A table group with a table."""
        made = self.world.add_table_group(ACME, table_group)
        self.world.table_groups.table_changed(
            ACME,
            made.table_group_id,
            schema_name="s",
            table_name="t",
            batch_id="b",
            at=self.world.clock.now(),
        )

    def start(self, table_group: str = "e1") -> httpx.Response:
        return self.client.post(self.url + STARTS.format(table_group_id=table_group))

    def answer_to(self, call: Callable[[], Any]) -> httpx.Response:
        """What the service answers when a route of it makes this call."""
        self.call = call
        return self.client.post(self.url + CALLS)

    def fail(self, name: str, path: str, **changes: Any) -> None:
        """A fault of the workspace that outlasts our retries."""
        fault = Fault(name, path=path, **{"times": 99, **changes})  # type: ignore[arg-type]
        self.platform.room.server.faults.add(fault)

    def launch(self, table_group: str) -> ProfilingLaunchResult:
        platform, tables = self.platform, self.world.table_groups
        jobs = open_jobs(
            platform.settings,
            platform.config,
            clients=platform.groups.clients,
            table_groups=tables,
            clock=platform.clock,
        )
        return start_profile(
            ACME,
            TableGroupId(table_group),
            runs=self.world.runs,
            table_groups=tables,
            jobs=jobs,
            lakehouse=platform.lakehouse,
            config=platform.config,
            callback=CallbackSettings(),
            clock=platform.clock,
        )


def add_routes(app: FastAPI) -> None:
    """What a later service will have: a route that starts a profile, and one that calls out."""

    @app.post(STARTS, status_code=202)
    def start(table_group_id: str) -> dict[str, str]:
        launched = app.state.starter.launch(table_group_id)
        return {"profileRunId": launched.profile_run_id, "status": str(launched.status)}

    @app.post(CALLS)
    def call(limit: int = 50) -> dict[str, str]:
        return {"answer": str(app.state.starter.call())[:limit]}
