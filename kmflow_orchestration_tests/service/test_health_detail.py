"""Row B27: whether storage answers, told to callers of the group alone, and never slowly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from kmflow_orchestration.access.api_tokens import new_token
from kmflow_orchestration.access.caller import caller_of
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.clock import utc_day
from kmflow_orchestration.config.group_input import parse_group
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context
from kmflow_orchestration.errors import ConfigurationError, GroupRefused
from kmflow_orchestration.intake.arrivals import sweep_all
from kmflow_orchestration.intake.evidence_register import EvidenceRegister
from kmflow_orchestration.intake.ledger import Step
from kmflow_orchestration.metadata.engine import open_engine, open_sessions
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.health import (
    Health,
    HealthStatus,
    KeptHealth,
    health_detail,
)
from kmflow_orchestration.operations.store_evidence import store_batch
from kmflow_orchestration.service.app import create_app
from kmflow_orchestration.service.dependencies import ServiceDependencies
from kmflow_orchestration.service.server import ServiceServer
from kmflow_orchestration.storage.evidence_stores import EvidenceStores
from kmflow_orchestration.storage.interfaces import StorageBackend
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration_tests.control_databases import NewDatabase
from kmflow_orchestration_tests.embedded import Room, embedded_server, room
from kmflow_orchestration_tests.fakes import FakeClock

__all__ = ["embedded_server", "room"]

ACME = GroupId("acme")
ANN = caller_of("ann@kmflow.test", ("acme",), Role.VIEWER)
VOLUME = "*/fs/directories/Volumes/*"


@dataclass
class Watched:
    """Group acme, its bytes in a workspace."""

    context: Context
    clock: FakeClock
    room: Room
    landing: Path

    def health(self) -> Health:
        return self.context.health(ACME, ANN)

    def store_a_file(self) -> None:
        (self.landing / "e1").mkdir(parents=True, exist_ok=True)
        (self.landing / "e1" / "a.csv").write_text("id\n1\n")
        ledger, day = self.context.ledger, utc_day(self.clock.now())
        sweep_all(ACME, self.landing, ledger=ledger, clock=self.clock)
        store_batch(ACME, day, **self.context.group(ACME).storing())

    def looks(self) -> int:
        return self.room.server.requests("GET").count(principal=self.room.group("acme").principal)

    def lose(self, name: str, **how: float) -> None:
        self.room.server.faults.add(Fault(name, path=VOLUME, **how))  # type: ignore[arg-type]


@pytest.fixture
def world(
    tmp_path: Path,
    room: Room,
    clock: FakeClock,
    control_database: NewDatabase,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Watched]:
    monkeypatch.setenv("ACME_TOKEN", room.group("acme").token)
    settings = load_settings(
        home=tmp_path,
        storage_backend="databricks",
        database_url=control_database(tmp_path / "control.db"),
        quiet_period_s=0,
    )
    landing = tmp_path / "landing"
    values = {
        "catalog": "acme",
        "schema": "main",
        "evidence_volume": "evidence",
        "workspace_url": room.url,
        "warehouse_id": room.server.services.warehouses.default_id(room.admin.workspace_id),
        "token": "env:ACME_TOKEN",
        "allow_insecure_loopback": True,
        "landing_path": str(landing),
    }
    with Context(settings, clock=clock) as context:
        context.group_configs.save(ACME, parse_group(ACME, values), "test")
        yield Watched(context, clock, room, landing)


def test_a_group_whose_storage_answers_is_healthy(world: Watched) -> None:
    empty = world.health()
    assert (empty.status, empty.services) == (
        HealthStatus.HEALTHY,
        {"control_database": True, "storage": True},
    )
    assert (empty.storage.metadata_pending, empty.storage.last_write_at) == (0, None)

    world.store_a_file()
    stored_at = world.clock.now()
    world.clock.advance(10)
    storage = world.health().storage
    assert (storage.backend, storage.reachable) == ("databricks", True)
    assert storage.configured_for == ("local", "delta", "databricks")
    assert (storage.metadata_pending, storage.last_write_at) == (1, stored_at)

    ledger = world.context.ledger
    (batch,) = ledger.stored_batches(ACME, utc_day(stored_at))
    ledger.finish_step(ACME, batch.batch_id, Step.BRONZE)
    world.clock.advance(10)
    assert world.health().storage.metadata_pending == 0


def test_storage_that_is_down_degrades_it_and_a_look_is_kept_for_ten_seconds(
    world: Watched,
) -> None:
    world.lose("unavailable")
    down, asked = world.health(), world.looks()
    assert (down.status, down.services["storage"]) == (HealthStatus.DEGRADED, False)
    assert down.services["control_database"]

    world.clock.advance(9.9)
    assert world.health() is down
    assert world.looks() == asked

    world.clock.advance(0.1)
    assert world.health().status is HealthStatus.HEALTHY
    assert world.looks() > asked


def test_storage_that_answers_late_is_not_waited_for(world: Watched) -> None:
    world.lose("delay", seconds=2.0)
    found = health_detail(
        ACME,
        caller=ANN,
        register=world.context.register,
        stores=world.context.group(ACME).brief_stores,
        clock=world.clock,
        kept=KeptHealth(world.clock),
        limit_s=1.0,
    )
    assert (found.status, found.storage.reachable) == (HealthStatus.DEGRADED, False)
    assert found.storage.latency_ms is None


def nothing_answers(tmp_path: Path, clock: FakeClock) -> Health:
    def without_settings(backend: str) -> StorageBackend:
        raise ConfigurationError(f"nothing is set for {backend}")

    lost = EvidenceRegister(open_sessions(open_engine(f"sqlite:///{tmp_path / 'empty.db'}")), clock)
    return health_detail(
        ACME,
        caller=ANN,
        register=lost,
        stores=EvidenceStores("databricks", without_settings),
        clock=clock,
        kept=KeptHealth(clock),
    )


@pytest.mark.sqlite
def test_nothing_that_answers_is_unhealthy(tmp_path: Path, clock: FakeClock) -> None:
    found = nothing_answers(tmp_path, clock)
    assert found.status is HealthStatus.UNHEALTHY
    assert (found.storage.configured_for, found.storage.metadata_pending) == ((), None)


def test_nobody_hears_of_another_group(world: Watched) -> None:
    world.health()
    with pytest.raises(GroupRefused):
        world.context.health(ACME, caller_of("bob@kmflow.test", ("globex",), Role.ADMIN))


def test_the_service_tells_it_to_holders_of_a_token_without_any_place(
    world: Watched, tmp_path: Path
) -> None:
    secret, parts = new_token(ACME)
    tokens = world.context.api_tokens
    tokens.add(ACME, parts, name="ci", role=Role.VIEWER, expires_at=None, author="ann")
    headers = {"Authorization": f"Bearer {secret.reveal()}"}
    runs = world.context.profile_runs
    states = [world.context.health, lambda *_: nothing_answers(tmp_path, world.clock)]
    answers = []
    for health in states:
        given = ServiceDependencies(runs, None, "databricks", world.clock, tokens, health)
        with ServiceServer(create_app(given)) as server:
            url = f"{server.url}/api/v1/health"
            assert httpx.get(f"{url}/detail", timeout=10).status_code == 401
            assert httpx.get(url, timeout=10).status_code == 200
            answers.append(httpx.get(f"{url}/detail", headers=headers, timeout=10))

    assert [one.status_code for one in answers] == [200, 503]
    well = answers[0].json()
    assert (well["status"], well["services"]["storage"]) == ("healthy", "up")
    assert well["storage"].keys() == {
        *("backend", "configured_for", "reachable", "latency_ms"),
        *("metadata_pending", "mirror_owed", "last_write_at"),
    }
    assert answers[1].json()["status"] == "unhealthy"
    for text in (one.text for one in answers):
        for secret_place in (world.room.url, "/Volumes", str(tmp_path), "token"):
            assert secret_place not in text
