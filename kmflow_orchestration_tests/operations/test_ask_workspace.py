"""What a caller may ask of a group's workspace, and as whom it asks (rows A8 to A10)."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from kmflow_orchestration.access.caller import Caller, caller_of
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.config.group_input import parse_group
from kmflow_orchestration.config.secret_refs import Secret, SecretSources
from kmflow_orchestration.databricks_client.connect import ClientCache
from kmflow_orchestration.databricks_client.connection_rules import ConnectionRules
from kmflow_orchestration.errors import (
    AccessRefused,
    ConfigurationError,
    CredentialRefused,
    GroupRefused,
    KmflowError,
    RoleRefused,
    UnknownGroup,
)
from kmflow_orchestration.metadata.engine import open_sessions
from kmflow_orchestration.metadata.group_configs import GroupConfigs
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations import ask_workspace
from kmflow_orchestration.operations.ask_workspace import (
    check_workspace,
    discover_workspace,
    personal_token_required,
    workspace_environment,
)
from kmflow_orchestration_tests.control_databases import NewDatabase, engine_of
from kmflow_orchestration_tests.embedded import Room, embedded_server, room
from kmflow_orchestration_tests.fakes import FakeClock

__all__ = ["embedded_server", "room"]

ACME = GroupId("acme")
ADMIN = caller_of("ann@acme.test", (ACME,), Role.ADMIN)


@dataclass
class Asking:
    """acme with a token of its own and a user ann; who asked the workspace is in `names`."""

    room: Room
    configs: GroupConfigs
    clients: ClientCache
    token: str = field(default_factory=lambda: f"a-users-{uuid4().hex}")

    @property
    def ann(self) -> Caller:
        """The admin, with a workspace token of her own."""
        return replace(ADMIN, access_token=Secret(self.token))

    def save(self, **settings: Any) -> None:
        values = {
            "workspace_url": self.room.url,
            "warehouse_id": "a1b2c3d4e5f60718",
            "catalog": "acme",
            "schema": "main",
            "allow_insecure_loopback": True,
            **settings,
        }
        self.configs.save(ACME, parse_group(ACME, values), "tests")

    def user(self, *scopes: str) -> None:
        """ann's token is good for these APIs only."""
        server = self.room.server
        server.state.create_principal(
            self.room.admin.workspace_id, "ann@acme.test", token=self.token, admin=True
        )
        server.services.token_limits.set(self.token, scopes=scopes)

    def names(self) -> set[str]:
        principals = ("ann@acme.test", "acme-service")
        return {one for one in principals if self.room.server.requests().count(principal=one)}

    @property
    def at_hand(self) -> dict[str, Any]:
        return {"configs": self.configs, "clients": self.clients}


@pytest.fixture
def asking(
    room: Room, tmp_path: Path, control_database: NewDatabase, clock: FakeClock
) -> Iterator[Asking]:
    sessions = open_sessions(engine_of(control_database(tmp_path / "control.db")))
    clients = ClientCache(clock, environment={"T": room.group("acme").token})
    made = Asking(room, GroupConfigs(sessions, clock), clients)
    made.save(token="env:T")
    room.server.services.request_log.clear()
    yield made
    clients.close()


QUESTIONS = {
    name: function
    for name, function in inspect.getmembers(ask_workspace, inspect.isfunction)
    if function.__module__ == ask_workspace.__name__ and not name.startswith("_")
}


def ask(asking: Asking, name: str, caller: Caller) -> Any:
    known = {**asking.at_hand, "check": lambda config: config}
    function = QUESTIONS[name]
    taken = inspect.signature(function).parameters.keys() & known.keys()
    return function(ACME, caller=caller, **{one: known[one] for one in taken})


@pytest.mark.parametrize("name", QUESTIONS)
@pytest.mark.parametrize(
    ("caller", "refusal"),
    [
        (caller_of("eve@acme.test", (ACME,), Role.VIEWER), RoleRefused),
        (caller_of("ed@acme.test", (ACME,), Role.EDITOR), RoleRefused),
        (caller_of("bob@globex.test", ("globex",), Role.ADMIN), GroupRefused),
    ],
    ids=["viewer", "editor", "another group's admin"],
)
def test_only_admins_of_the_group_may_ask(
    asking: Asking, name: str, caller: Caller, refusal: type[KmflowError]
) -> None:
    brought = replace(caller, access_token=Secret(asking.token))
    with pytest.raises(refusal):
        ask(asking, name, brought)
    assert asking.room.server.requests().count() == 0
    assert asking.clients.built == 0


@pytest.mark.parametrize("name", QUESTIONS)
def test_no_question_takes_a_host(asking: Asking, name: str) -> None:
    """A parameter like the peer's `?host=` would send a token wherever somebody likes."""
    assert not {"host", "url", "workspace_url", "config"} & {
        *inspect.signature(QUESTIONS[name]).parameters
    }
    assert ask(asking, name, ADMIN) is not None


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_group_without_settings_is_unknown(asking: Asking, name: str) -> None:
    other = caller_of("cy@kmflow.test", (), Role.ADMIN)
    known = {**asking.at_hand, "check": lambda config: config}
    taken = inspect.signature(QUESTIONS[name]).parameters.keys() & known.keys()
    with pytest.raises(UnknownGroup):
        QUESTIONS[name](other.primary_group_id, caller=other, **{one: known[one] for one in taken})


def test_a_caller_without_a_token_asks_as_the_group(asking: Asking) -> None:
    view = discover_workspace(ACME, caller=ADMIN, **asking.at_hand)

    assert (view.identity, view.auth_kind) == ("acme-service", "pat")
    assert view.host == asking.configs.active(ACME).host
    assert "acme" in view.catalogs
    assert "main" in view.schemas
    assert view.warehouses[0].id
    assert asking.names() == {"acme-service"}


def test_a_caller_with_a_token_asks_on_its_own_behalf(asking: Asking) -> None:
    asking.user("all-apis", "sql", "unity-catalog")

    for _ in range(2):
        view = discover_workspace(ACME, caller=asking.ann, **asking.at_hand)
        assert view.identity == "ann@acme.test"
    assert asking.names() == {"ann@acme.test"}
    assert not asking.room.server.has_seen(asking.room.group("acme").token)
    # One request's client is nobody else's.
    assert asking.clients.built == 0
    assert discover_workspace(ACME, caller=ADMIN, **asking.at_hand).identity == "acme-service"


def test_a_scope_that_the_users_token_lacks_falls_to_the_group(asking: Asking) -> None:
    asking.user("sql")

    view = discover_workspace(ACME, caller=asking.ann, **asking.at_hand)

    assert view.identity == "ann@acme.test"
    assert "acme" in view.catalogs
    requests = asking.room.server.requests
    assert requests("GET", "*/unity-catalog/*").count(principal="acme-service") > 0
    assert requests("GET", "*/unity-catalog/*").count(principal="ann@acme.test") == 0


def test_a_user_that_is_refused_does_not_become_the_group(asking: Asking, clock: FakeClock) -> None:
    """Only a lacking scope falls through: a token that ended, or a missing right, is the answer."""
    asking.user("all-apis")
    asking.room.server.state.revoke_token(asking.token)

    with pytest.raises(CredentialRefused) as refusal:
        discover_workspace(ACME, caller=asking.ann, **asking.at_hand)
    assert asking.token not in str(refusal.value)
    assert not asking.room.server.has_seen(asking.room.group("acme").token)


def test_the_environment_says_where_and_as_whom(asking: Asking) -> None:
    asking.user("all-apis")

    found = workspace_environment(ACME, caller=ADMIN, **asking.at_hand)
    of_ann = workspace_environment(ACME, caller=asking.ann, **asking.at_hand)

    assert found.databricks_host == asking.configs.active(ACME).host
    assert (found.auth_method, found.user_identity, found.authenticated) == (
        "pat", "acme-service", True,
    )  # fmt: skip
    assert (of_ann.auth_method, of_ann.user_identity) == ("on-behalf-of", "ann@acme.test")


def test_a_refused_credential_is_an_answer_of_the_environment(asking: Asking) -> None:
    asking.room.server.state.revoke_token(asking.room.group("acme").token)

    found = workspace_environment(ACME, caller=ADMIN, **asking.at_hand)

    assert (found.user_identity, found.authenticated) == ("", False)


def test_a_group_with_a_credential_asks_for_no_personal_token(asking: Asking) -> None:
    answer = personal_token_required(ACME, caller=ADMIN, configs=asking.configs)
    assert (answer.personal_token_required, answer.message) == (
        False, "group acme signs in by its token",
    )  # fmt: skip

    asking.save(token="env:T", client_id="c0ffee", client_secret="env:S")
    both = personal_token_required(ACME, caller=ADMIN, configs=asking.configs)
    assert both.message == "group acme signs in by its token, then its service principal"
    asking.save(workspace_url="")
    local = personal_token_required(ACME, caller=ADMIN, configs=asking.configs)
    assert (local.personal_token_required, local.message) == (
        False, "group acme has no workspace to sign in to",
    )  # fmt: skip
    assert asking.room.server.requests().count() == 0


def test_a_group_without_a_credential_needs_one_and_a_users_suffices(asking: Asking) -> None:
    asking.save()
    asking.user("all-apis", "sql", "unity-catalog")

    needed = personal_token_required(ACME, caller=ADMIN, configs=asking.configs)
    assert needed.personal_token_required
    with pytest.raises(ConfigurationError, match="missing token"):
        discover_workspace(ACME, caller=ADMIN, **asking.at_hand)
    assert asking.room.server.requests().count() == 0

    assert not personal_token_required(
        ACME, caller=asking.ann, configs=asking.configs
    ).personal_token_required
    assert discover_workspace(ACME, caller=asking.ann, **asking.at_hand).identity == "ann@acme.test"
    # And has nobody to fall back on.
    asking.room.server.services.token_limits.set(asking.token, scopes=("sql",))
    with pytest.raises(AccessRefused, match="scope"):
        discover_workspace(ACME, caller=asking.ann, **asking.at_hand)
    assert asking.names() == {"ann@acme.test"}


def test_what_production_demands_holds_for_a_users_token_too(
    asking: Asking, clock: FakeClock
) -> None:
    """Strict mode: no certificate unchecked, no template value, whoever brings the token."""
    asking.user("all-apis")
    strict = SecretSources(environment={}, production=True)
    unchecked = ClientCache(clock, rules=ConnectionRules(secrets=strict, verify_tls=False))
    checked = ClientCache(clock, rules=ConnectionRules(secrets=strict))
    template = replace(ADMIN, access_token=Secret("dapi1234567890abcdef"))

    for clients, caller in ((unchecked, asking.ann), (checked, template)):
        with pytest.raises(ConfigurationError) as refusal:
            discover_workspace(ACME, caller=caller, configs=asking.configs, clients=clients)
        assert "1234567890" not in str(refusal.value)
    assert asking.room.server.requests().count() == 0


def test_the_check_is_of_the_saved_settings(asking: Asking) -> None:
    checked: list[object] = []

    def check(config: Any) -> Any:
        checked.append(config)
        return "done"

    assert check_workspace(ACME, caller=ADMIN, configs=asking.configs, check=check) == "done"
    assert checked == [asking.configs.active(ACME)]
