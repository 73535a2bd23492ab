"""Two groups whose evidence lies in every backend there is, and the service that tells of it."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from kmflow_orchestration.access.api_tokens import new_token
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.clock import utc_day
from kmflow_orchestration.config.group_input import parse_group
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context, GroupContext
from kmflow_orchestration.databricks_client.files import VolumeFiles
from kmflow_orchestration.intake.arrivals import sweep_all
from kmflow_orchestration.intake.ledger import Item
from kmflow_orchestration.names import GroupId, VolumePath
from kmflow_orchestration.operations.store_evidence import store_batch
from kmflow_orchestration.service.app import create_app
from kmflow_orchestration.service.dependencies import ServiceDependencies
from kmflow_orchestration.service.server import ServiceServer
from kmflow_orchestration.storage.delta_store import DeltaStore
from kmflow_orchestration.storage.local_store import LocalStore
from kmflow_orchestration_tests.embedded import Room
from kmflow_orchestration_tests.fakes import FakeClock

ACME, GLOBEX = GroupId("acme"), GroupId("globex")
BACKENDS = ("local", "delta", "databricks")


@dataclass
class EvidenceWorld:
    """One control database; a process with each STORAGE_BACKEND; the first one serves."""

    home: Path
    room: Room
    clock: FakeClock
    contexts: Mapping[str, Context]
    client: httpx.Client
    tokens: dict[GroupId, dict[str, str]] = field(default_factory=dict)

    @property
    def context(self) -> Context:
        return self.contexts["local"]

    def group(self, backend: str = "local", group: GroupId = ACME) -> GroupContext:
        return self.contexts[backend].group(group)

    def store(
        self,
        name: str,
        content: bytes,
        *,
        backend: str = "local",
        engagement: str = "e1",
        group: GroupId = ACME,
    ) -> Item:
        """A file that came into landing and was stored in a backend."""
        own = self.group(backend, group)
        file = own.landing_root / engagement / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        ledger, day = self.context.ledger, utc_day(self.clock.now())
        sweep_all(group, own.landing_root, ledger=ledger, clock=self.clock)
        store_batch(group, day, **own.storing())
        items = self.context.register.items(group, engagement=engagement, limit=1000)
        return next(one for one in items if one.file_name == name)

    def replace(self, item: Item, content: bytes) -> None:
        """Put other bytes into a stored file behind the store's back."""
        own = self.group(item.backend)
        store = own.store
        if isinstance(store, LocalStore | DeltaStore):
            store.local_path(item.stored_path).write_bytes(content)
        else:
            files = VolumeFiles(self.contexts["databricks"].clients.get(own.config))
            place = VolumePath.parse(item.stored_path)
            files.upload(place, lambda: io.BytesIO(content), overwrite=True)

    def get(self, path: str, group: GroupId = ACME, **kwargs: Any) -> httpx.Response:
        return self.client.get(path, headers=self.tokens[group], **kwargs)

    def download(self, item: Item, group: GroupId = ACME) -> httpx.Response:
        return self.get(f"/api/v1/evidence/{item.item_id}/download", group)

    def downloads(self, item: Item) -> list[str]:
        """Error codes of an item's downloads as the audit trail has them, the first one first."""
        entries = self.context.config_audit.entries(ACME)
        return [
            one.deed.error_code
            for one in reversed(entries)
            if one.deed.action == "download_evidence"
            and (one.deed.after or {})["id"] == item.item_id
        ]


@contextmanager
def opened_world(home: Path, room: Room, database_url: str) -> Iterator[EvidenceWorld]:
    clock = FakeClock()
    with ExitStack() as opened:
        contexts = {
            backend: opened.enter_context(
                Context(_settings(home, backend, database_url), clock=clock)
            )
            for backend in BACKENDS
        }
        context = contexts["local"]
        for group in (ACME, GLOBEX):
            context.group_configs.save(group, parse_group(group, _group(home, room, group)), "test")
        given = ServiceDependencies(
            *(context.profile_runs, None, "local", clock, context.api_tokens),
            group=context.group,
        )
        server = opened.enter_context(ServiceServer(create_app(given)))
        client = opened.enter_context(httpx.Client(base_url=server.url, timeout=30))
        world = EvidenceWorld(home, room, clock, contexts, client)
        for group in (ACME, GLOBEX):
            secret, parts = new_token(group)
            context.api_tokens.add(
                group, parts, name="ci", role=Role.VIEWER, expires_at=None, author="ann"
            )
            world.tokens[group] = {"Authorization": f"Bearer {secret.reveal()}"}
        yield world


def _settings(home: Path, backend: str, database_url: str) -> Any:
    return load_settings(
        home=home, storage_backend=backend, database_url=database_url, quiet_period_s=0
    )


def _group(home: Path, room: Room, group: str) -> dict[str, Any]:
    seeded = room.group(group)
    token = home / f"token-{group}"
    token.write_text(seeded.token)
    (home / "landing" / group).mkdir(parents=True)
    return {
        "catalog": group,
        "schema": "main",
        "evidence_volume": "evidence",
        "workspace_url": room.url,
        "warehouse_id": room.server.services.warehouses.default_id(room.admin.workspace_id),
        "token": f"file:{token}",
        "allow_insecure_loopback": True,
    }
