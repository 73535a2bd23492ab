"""Two groups as two service principals of ONE embedded workspace, with our own client to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import uuid4

from kmflow_orchestration.clock import Clock, SystemClock
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.config.secret_refs import SecretRef
from kmflow_orchestration.databricks_client.calls import WorkspaceCalls
from kmflow_orchestration.databricks_client.connect import ClientCache
from kmflow_orchestration.names import GroupId, Namespace
from kmflow_orchestration.workspace.seeding import seed_group
from kmflow_orchestration_tests.embedded import Room

CATALOG = "kmflow"


def group_config(group: str, **settings: object) -> GroupConfig:
    """Settings of a group in the shared catalog; its own five schemas keep it apart."""
    known: dict[str, object] = {
        "group_id": GroupId(group),
        "version": 1,
        "catalog": CATALOG,
        "schema": f"{group}_evidence",
    }
    return GroupConfig(**{**known, **settings})  # type: ignore[arg-type]


@dataclass
class GroupsInRoom:
    """Configurations and clients of groups that share a room; tokens are `env:` references."""

    room: Room
    clock: Clock = field(default_factory=SystemClock)
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clients = ClientCache(self.clock, environment=self.environment)
        self._configs: dict[str, GroupConfig] = {}

    def config(self, group: str) -> GroupConfig:
        """A group's settings; it is seeded with schemas and Volume at first use."""
        if group not in self._configs:
            self._configs[group] = self._seeded(group)
        return self._configs[group]

    def calls(self, group: str) -> WorkspaceCalls:
        """A group's client."""
        return self.clients.get(self.config(group))

    def _seeded(self, group: str) -> GroupConfig:
        token = f"token-{group}-{uuid4().hex}"
        self.environment[f"TOKEN_{group}"] = token
        seed_group(
            self.room.server,
            self.room.admin,
            principal=f"{group}-service",
            token=token,
            catalog=CATALOG,
            schemas=Namespace(CATALOG, f"{group}_evidence").schemas,
            volumes=(f"{group}_evidence.raw_evidence",),
        )
        return group_config(
            group,
            workspace_url=self.room.url,
            token=SecretRef("env", f"TOKEN_{group}"),
            allow_insecure_loopback=True,
        )

    def close(self) -> None:
        self.clients.close()
