"""Row C22: whose certificates are trusted, by every client that goes to a workspace.

The SDK, our own requests, the driver of Databricks SQL and the handshake of `kmflow db test` all
meet a workspace over https, whose certificate only its own file vouches for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from kmflow_orchestration.config.certificates import check_bundle
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.config.group_input import parse_group
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context
from kmflow_orchestration.databricks_client.workspace_info import current_principal
from kmflow_orchestration.errors import ConfigurationError, RemoteFault
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.workspace.certificates import own_certificate
from kmflow_orchestration.workspace.seeding import seed_client
from kmflow_orchestration.workspace.server import EmbeddedWorkspace
from kmflow_orchestration.workspace.wire import Caller
from kmflow_orchestration_tests.embedded import Room, fresh_room
from kmflow_orchestration_tests.embedded_groups import GroupsInRoom
from kmflow_orchestration_tests.fakes import FakeClock

ACME = GroupId("acme")
CLIENT_SECRET = "a-clients-secret-4f9d8a7b"


@dataclass(frozen=True)
class Secure:
    """A workspace over https with a group in it, by token and by client."""

    room: Room
    token: str
    client_id: str
    values: dict[str, object]

    @property
    def trust(self) -> Path:
        trusted = self.room.server.trust
        assert trusted is not None
        return trusted


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    with EmbeddedWorkspace(tmp_path_factory.mktemp("secure"), tls=True) as server:
        room = fresh_room(server)
        groups = GroupsInRoom(room)
        config = groups.config("acme")
        token = groups.environment["TOKEN_acme"]
        caller = Caller(room.admin.workspace_id, "acme-service")
        values = {
            "workspace_url": room.url,
            "allow_insecure_loopback": True,
            "warehouse_id": server.services.warehouses.default_id(room.admin.workspace_id),
            "catalog": config.catalog,
            "schema": config.schema,
        }
        yield Secure(room, token, seed_client(server, caller, secret=CLIENT_SECRET), values)


Opened = Callable[..., tuple[Context, GroupConfig]]


@pytest.fixture
def opened(
    secure: Secure, tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Opened]:
    """A context with these settings, and acme's configuration in it."""
    secure.room.server.services.request_log.clear()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("T", secure.token)
    monkeypatch.setenv("S", CLIENT_SECRET)
    contexts: list[Context] = []

    def make(by: str = "token", **settings: object) -> tuple[Context, GroupConfig]:
        process = load_settings(
            home=str(tmp_path), storage_backend="databricks", use_databricks="on", **settings
        )
        contexts.append(context := Context(process, clock=clock))
        context.migrate()
        signs = {"client_id": secure.client_id, "client_secret": "env:S"}
        login = {"token": "env:T"} if by == "token" else signs
        values = parse_group(ACME, {**secure.values, **login}, rules=process.input_rules)
        return context, context.group_configs.save(ACME, values, "a person")

    yield make
    for one in contexts:
        one.close()


def sql_works(context: Context) -> None:
    with context.get_engine(ACME).connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


def all_work(context: Context, config: GroupConfig) -> None:
    """The handshake, the SDK, our own upload and statements, and the driver."""
    found = context.check_connection(config, attempts=1)
    assert found.connected, found.message
    network = next(step for step in found.steps if step.name == "network")
    assert "TLS" in network.detail
    sql_works(context)


@pytest.mark.parametrize("by", ["token", "client"])
def test_with_our_bundle_every_client_gets_through(secure: Secure, opened: Opened, by: str) -> None:
    all_work(*opened(by, ca_bundle=str(secure.trust)))


def test_the_variable_that_requests_reads_counts_for_every_client(
    secure: Secure, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(secure.trust))
    all_work(*opened())


def test_our_bundle_wins_over_that_variable(
    secure: Secure, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/absent")
    all_work(*opened(ca_bundle=str(secure.trust)))


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_unchecked_certificates_are_a_choice_outside_production(opened: Opened) -> None:
    all_work(*opened(tls_verify="no"))


@pytest.mark.parametrize("bundle", ["the system's", "another's"])
def test_nobody_who_does_not_vouch_is_believed(
    secure: Secure, opened: Opened, tmp_path: Path, bundle: str
) -> None:
    settings = {}
    if bundle == "another's":
        other = own_certificate(tmp_path, datetime.now(UTC))
        settings["ca_bundle"] = str(other.certificate)
    context, config = opened(**settings)

    found = context.check_connection(config, attempts=1)
    assert (found.steps[-1].name, found.exit_code) == ("network", 5)
    assert "does not prove who it is" in found.message
    assert "KMFLOW_CA_BUNDLE" in found.steps[-1].remedy
    with pytest.raises(RemoteFault):
        current_principal(context.clients.get(config), is_patient=False)
    with pytest.raises(RemoteFault), context.get_engine(ACME).connect():
        pass
    assert not secure.room.server.has_seen(secure.token)


def test_a_clients_secret_is_sent_to_nobody_who_is_not_believed(
    secure: Secure, opened: Opened
) -> None:
    context, config = opened("client")
    with pytest.raises(RemoteFault):
        current_principal(context.clients.get(config), is_patient=False)
    assert secure.room.server.requests("POST", "/oidc/v1/token").count() == 0


BAD = {
    "absent": (lambda _: None, "No such file"),
    "a folder": (lambda path: path.mkdir(), "it is a folder"),
    "no certificate": (lambda path: path.write_text("none here"), "holds no certificate"),
    "empty": (lambda path: path.touch(), "holds no certificate"),
}


@pytest.mark.parametrize(("make", "says"), BAD.values(), ids=BAD)
def test_a_bundle_without_certificates_is_refused_before_any_request(
    secure: Secure,
    opened: Opened,
    tmp_path: Path,
    make: Callable[[Path], object],
    says: str,
) -> None:
    path = tmp_path / "bundle.pem"
    make(path)
    with pytest.raises(ConfigurationError, match=says) as refusal:
        check_bundle(path)
    assert refusal.value.fields == ("KMFLOW_CA_BUNDLE",)

    context, config = opened(ca_bundle=str(path))
    with pytest.raises(ConfigurationError, match=says):
        context.clients.get(config)
    assert context.check_connection(config).exit_code == 3
