"""A workspace on a clock that the test moves, with a group that may sign in in several ways."""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.config.secret_refs import SecretRef
from kmflow_orchestration.databricks_client.calls import WorkspaceCalls
from kmflow_orchestration.databricks_client.connect import connect
from kmflow_orchestration.databricks_client.files import VolumeFiles
from kmflow_orchestration.databricks_client.workspace_info import current_principal
from kmflow_orchestration.names import VolumePath
from kmflow_orchestration.workspace.seeding import seed_client
from kmflow_orchestration_tests.embedded import GroupInRoom, Room
from kmflow_orchestration_tests.embedded_groups import group_config
from kmflow_orchestration_tests.fakes import FakeClock

SECRET = "a-clients-secret-4f9d8a7b"
TOKEN_ENDPOINT = "/oidc/v1/token"


@dataclass
class SigningIn:
    """acme of a room, with a token in `T`, a client secret in `S`, and its clients."""

    room: Room
    clock: FakeClock
    environment: dict[str, str] = field(default_factory=dict)
    opened: list[WorkspaceCalls] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.acme: GroupInRoom = self.room.group("acme")
        self.environment |= {"T": self.acme.token, "S": SECRET}
        self.client_id = seed_client(self.room.server, self.acme.caller, secret=SECRET)

    def config(self, **settings: Any) -> GroupConfig:
        config = group_config(
            "acme", workspace_url=self.room.url, allow_insecure_loopback=True, catalog="acme"
        )
        return replace(config, **settings)

    @property
    def by_token(self) -> GroupConfig:
        return self.config(token=SecretRef("env", "T"))

    @property
    def by_client(self) -> GroupConfig:
        return self.config(client_id=self.client_id, client_secret=SecretRef("env", "S"))

    def connect(self, config: GroupConfig, **options: Any) -> WorkspaceCalls:
        calls = connect(config, clock=self.clock, environment=self.environment, **options)
        self.opened.append(calls)
        return calls

    def use(self, calls: WorkspaceCalls) -> str:
        """One request through the SDK and one of our own; who sent them."""
        path = VolumePath.parse(f"{self.acme.volume}/used.txt")
        VolumeFiles(calls).upload(path, lambda: io.BytesIO(b"bytes"), overwrite=True)
        return current_principal(calls).user_name

    def profile(self, folder: Path, text: str) -> Path:
        """A profile file of the owner's alone; `{host}` stands for the workspace."""
        path = folder / "databrickscfg"
        path.write_text(text.format(host=self.room.url, token=self.acme.token, id=self.client_id))
        path.chmod(0o600)
        return path

    def close(self) -> None:
        for calls in self.opened:
            calls.close()
