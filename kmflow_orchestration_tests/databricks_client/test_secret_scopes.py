"""Design AD10: `secret:scope/key`, read from a workspace by whoever may read it there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kmflow_orchestration.config.secret_refs import SecretRef, SecretSources
from kmflow_orchestration.databricks_client.connection_rules import ConnectionRules
from kmflow_orchestration.databricks_client.secret_scopes import SecretScopes
from kmflow_orchestration.errors import CredentialError, ProtocolError, RemoteFault
from kmflow_orchestration.redaction import redact
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration.workspace.seeding import seed_secret
from kmflow_orchestration_tests.databricks_client.signing_in import SigningIn
from kmflow_orchestration_tests.embedded import Room
from kmflow_orchestration_tests.fakes import FakeClock


@pytest.fixture
def acme(room: Room, clock: FakeClock) -> Iterator[SigningIn]:
    opened = SigningIn(room, clock)
    yield opened
    opened.close()


@pytest.fixture
def scopes(acme: SigningIn) -> SecretScopes:
    token = f"a-token-in-a-scope-{acme.room.admin.workspace_id}"
    acme.room.server.state.create_principal(
        acme.acme.caller.workspace_id, "globex-service", token=token
    )
    seed_secret(acme.room.server, "kmflow", "globex", token, readers=[acme.acme.caller])
    return SecretScopes(acme.connect(acme.by_token))


def test_a_groups_token_may_lie_in_a_secret_scope(acme: SigningIn, scopes: SecretScopes) -> None:
    config = acme.config(token=SecretRef("secret", "kmflow/globex"))
    rules = ConnectionRules(secrets=SecretSources(scopes=scopes.read))

    calls = acme.connect(config, rules=rules)

    assert calls.client.current_user.me().user_name == "globex-service"
    assert scopes.keys("kmflow") == ["globex"]
    assert redact(f"a-token-in-a-scope-{acme.room.admin.workspace_id}") == "***"


@pytest.mark.parametrize(
    ("scope", "key", "says"),
    [
        ("kmflow", "acme", "secret:kmflow/acme is not there"),
        ("absent", "globex", "secret:absent/globex is not there"),
        ("others", "globex", "secret:others/globex may not be read"),
    ],
)
def test_what_may_not_be_read_is_named(
    acme: SigningIn, scopes: SecretScopes, scope: str, key: str, says: str
) -> None:
    seed_secret(acme.room.server, "others", "globex", "x-4f9d8a7b", readers=[acme.room.admin])
    with pytest.raises(CredentialError, match=says) as refusal:
        scopes.read(scope, key)
    assert refusal.value.exit_code == 3


def test_a_workspace_that_does_not_answer_is_a_fault_of_its_own(
    acme: SigningIn, scopes: SecretScopes
) -> None:
    acme.room.server.faults.add(Fault("fail_times", path="*/secrets/get", times=9, status=503))
    with pytest.raises(RemoteFault, match="gave up after 5 attempts"):
        scopes.read("kmflow", "globex")


@pytest.mark.parametrize("value", ["no base64", "/w=="])
def test_a_value_that_is_no_text_is_not_guessed(acme: SigningIn, httpserver_at, value) -> None:
    calls = acme.connect(
        acme.config(
            workspace_url=httpserver_at({"key": "k", "value": value}), token=SecretRef("env", "T")
        )
    )
    with pytest.raises(ProtocolError, match="no base64 of a text"):
        SecretScopes(calls).read("kmflow", "globex")
