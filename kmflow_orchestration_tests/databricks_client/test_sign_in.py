"""Row A10: tokens, service principals, users; and runs that outlive what they signed in with."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from kmflow_orchestration.config.secret_refs import Secret, SecretRef
from kmflow_orchestration.databricks_client.files import VolumeFiles
from kmflow_orchestration.databricks_client.workspace_info import current_principal
from kmflow_orchestration.errors import (
    AccessRefused,
    ConfigurationError,
    CredentialError,
    CredentialRefused,
    ProtocolError,
    RemoteFault,
    ScopeMissing,
    TokenExpired,
)
from kmflow_orchestration.names import VolumePath
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration.workspace.server import EmbeddedWorkspace
from kmflow_orchestration_tests.databricks_client.signing_in import (
    SECRET,
    TOKEN_ENDPOINT,
    SigningIn,
)
from kmflow_orchestration_tests.embedded import fresh_room
from kmflow_orchestration_tests.fakes import FakeClock


@pytest.fixture
def acme(tmp_path: Path, clock: FakeClock) -> Iterator[SigningIn]:
    with EmbeddedWorkspace(tmp_path / "workspace", clock=clock) as server:
        opened = SigningIn(fresh_room(server), clock)
        yield opened
        opened.close()


def tokens_fetched(acme: SigningIn, **of: object) -> int:
    return acme.room.server.requests("POST", TOKEN_ENDPOINT).count(**of)


def test_a_service_principal_signs_in_with_id_and_secret(acme: SigningIn) -> None:
    calls = acme.connect(acme.by_client)

    assert acme.use(calls) == "acme-service"
    assert calls.client.config.auth_type == "oauth-m2m"
    assert tokens_fetched(acme) == 1


def test_a_run_that_outlives_its_tokens_goes_on(acme: SigningIn, clock: FakeClock) -> None:
    acme.room.server.services.oauth.lifetime_s = 90
    calls = acme.connect(acme.by_client)

    for _ in range(12):
        assert acme.use(calls) == "acme-service"
        clock.advance(30)

    assert tokens_fetched(acme) > 3
    assert acme.room.server.requests().count(status=401) == 0


def test_a_token_that_ended_early_is_replaced_at_once(acme: SigningIn, clock: FakeClock) -> None:
    calls = acme.connect(acme.by_client)
    acme.use(calls)
    acme.room.server.state.revoke_token(calls.sign_in.headers()["Authorization"].split()[1])

    assert acme.use(calls) == "acme-service"
    assert tokens_fetched(acme) == 2
    assert clock.slept == []


def test_many_threads_renew_a_token_once(acme: SigningIn, clock: FakeClock) -> None:
    calls = acme.connect(acme.by_client)
    acme.use(calls)
    clock.advance(3599)

    with ThreadPoolExecutor(8) as threads:
        assert {*threads.map(lambda _: acme.use(calls), range(16))} == {"acme-service"}
    assert tokens_fetched(acme) == 2


def test_a_renewal_that_fails_lets_a_good_token_serve_on(acme: SigningIn, clock: FakeClock) -> None:
    calls = acme.connect(acme.by_client)
    acme.use(calls)
    clock.advance(3599 - 30)
    acme.room.server.faults.add(Fault("fail_times", path=TOKEN_ENDPOINT, times=2, status=503))

    assert acme.use(calls) == "acme-service"
    assert tokens_fetched(acme, status=200) == 1
    assert acme.use(calls) == "acme-service"
    assert tokens_fetched(acme, status=200) == 2


def test_a_token_endpoint_that_is_down_is_waited_for_and_then_a_fault(
    acme: SigningIn, clock: FakeClock
) -> None:
    acme.room.server.faults.add(Fault("fail_times", path=TOKEN_ENDPOINT, times=7, status=503))
    calls = acme.connect(acme.by_client)

    with pytest.raises(RemoteFault, match="HTTP 503; gave up after 5 attempts"):
        acme.use(calls)
    assert acme.use(calls) == "acme-service"
    assert len(clock.slept) == 4 + 2


def test_a_wrong_client_secret_is_refused_once_and_not_shown(acme: SigningIn) -> None:
    acme.environment["S"] = "another-secret-9e107d9d"
    calls = acme.connect(acme.by_client)

    with pytest.raises(CredentialRefused, match="invalid_client") as refusal:
        current_principal(calls)
    assert refusal.value.exit_code == 4
    assert "another-secret" not in str(refusal.value)
    assert tokens_fetched(acme) == 1


def test_a_client_secret_that_was_replaced_is_read_anew(acme: SigningIn, clock: FakeClock) -> None:
    calls = acme.connect(acme.by_client)
    acme.use(calls)
    oauth = acme.room.server.services.oauth
    oauth.add_secret(acme.acme.caller, "the-next-secret-9e107d9d")
    oauth.revoke_secret(acme.client_id, SECRET)
    acme.environment["S"] = "the-next-secret-9e107d9d"
    clock.advance(3600)

    assert acme.use(calls) == "acme-service"


def test_a_token_that_ends_in_mid_run_is_an_access_fault_and_not_tried_again(
    acme: SigningIn, clock: FakeClock
) -> None:
    ends = clock.now() + timedelta(seconds=60)
    acme.room.server.services.token_limits.set(acme.acme.token, expires_at=ends)
    calls = acme.connect(acme.by_token)
    acme.use(calls)
    clock.advance(60)
    before = acme.room.server.requests().count()

    with pytest.raises(TokenExpired, match=r"^token expired; env:T was accepted") as ended:
        current_principal(calls)
    assert isinstance(ended.value, CredentialError)
    assert ended.value.exit_code == AccessRefused.exit_code == 4
    assert not ended.value.retryable
    assert acme.room.server.requests().count() == before + 1
    assert clock.slept == []


BODIES = {
    "upload": lambda files, path: files.upload(path, lambda: io.BytesIO(b"more"), overwrite=True),
    "download": lambda files, path: files.open_read(path).__enter__(),
}


@pytest.mark.parametrize("send", BODIES.values(), ids=BODIES)
def test_bodies_meet_an_ended_token_like_all_others(acme: SigningIn, send) -> None:
    calls = acme.connect(acme.by_token)
    acme.use(calls)
    acme.room.server.state.revoke_token(acme.acme.token)
    path = VolumePath.parse(f"{acme.acme.volume}/used.txt")

    with pytest.raises(TokenExpired):
        send(VolumeFiles(calls), path)


def test_a_token_that_was_replaced_where_it_is_kept_is_taken_from_there(
    acme: SigningIn, tmp_path: Path
) -> None:
    kept = tmp_path / "token"
    kept.write_text(acme.acme.token)
    kept.chmod(0o600)
    calls = acme.connect(acme.config(token=SecretRef("file", str(kept))))
    acme.use(calls)
    state, caller = acme.room.server.state, acme.acme.caller
    state.create_principal(caller.workspace_id, caller.principal, token="the-next-token-9e107d")
    state.revoke_token(acme.acme.token)
    kept.write_text("the-next-token-9e107d")

    assert acme.use(calls) == "acme-service"


def test_a_token_that_never_worked_is_not_called_expired(acme: SigningIn) -> None:
    acme.environment["T"] = "nobodys-token-9e107d9d"

    with pytest.raises(CredentialRefused, match="Invalid access token"):
        current_principal(acme.connect(acme.by_token))


def test_a_missing_grant_is_no_refused_token(acme: SigningIn) -> None:
    path = VolumePath.parse(f"{acme.room.group('globex').volume}/x")

    with pytest.raises(AccessRefused) as refusal:
        VolumeFiles(acme.connect(acme.by_token)).upload(path, lambda: io.BytesIO(b""))
    assert type(refusal.value) is AccessRefused


USER = "a-users-token-4f9d8a7b"


def user(acme: SigningIn, *scopes: str) -> Secret:
    """Somebody who may use acme's Volume, with a token for these APIs only."""
    server, workspace = acme.room.server, acme.acme.caller.workspace_id
    caller = server.state.create_principal(workspace, "ann@acme.test", token=USER, admin=True)
    assert caller.principal == "ann@acme.test"
    server.services.token_limits.set(USER, scopes=scopes)
    return Secret(USER)


def test_a_user_comes_before_the_group(acme: SigningIn) -> None:
    calls = acme.connect(acme.by_token, user_token=user(acme, "files", "all-apis"))

    assert acme.use(calls) == "ann@acme.test"
    assert not acme.room.server.has_seen(acme.acme.token)


def test_a_scope_that_the_user_lacks_falls_to_the_groups_own_token(acme: SigningIn) -> None:
    calls = acme.connect(acme.by_token, user_token=user(acme, "sql"))

    assert acme.use(calls) == "ann@acme.test"
    puts = acme.room.server.requests("PUT")
    assert puts.count(principal="acme-service", status=204) == 1
    # The gate refuses before it says for whom.
    assert puts.count(principal="", status=403) == 1


def test_a_user_whose_token_ended_does_not_become_the_group(
    acme: SigningIn, clock: FakeClock
) -> None:
    calls = acme.connect(acme.by_token, user_token=user(acme, "all-apis"))
    acme.room.server.services.token_limits.set(USER, expires_at=clock.now())

    with pytest.raises(CredentialRefused):
        current_principal(calls)
    assert not acme.room.server.has_seen(acme.acme.token)


def test_a_token_without_the_scope_falls_to_the_service_principal(acme: SigningIn) -> None:
    acme.room.server.services.token_limits.set(acme.acme.token, scopes=("sql",))
    both = replace(acme.by_client, token=SecretRef("env", "T"))

    assert acme.use(acme.connect(both)) == "acme-service"
    assert tokens_fetched(acme) == 1
    pinned = acme.connect(replace(both, auth_type="pat"))
    with pytest.raises(ScopeMissing, match="required scopes: files"):
        acme.use(pinned)


def test_auth_type_pins_one_of_two_ways(acme: SigningIn) -> None:
    both = replace(acme.by_client, token=SecretRef("env", "T"), auth_type="oauth-m2m")

    acme.use(acme.connect(both))
    assert not acme.room.server.has_seen(acme.acme.token)


def test_a_token_endpoint_elsewhere_gets_no_secret(
    acme: SigningIn, tmp_path: Path, httpserver_at
) -> None:
    with EmbeddedWorkspace(tmp_path / "elsewhere") as elsewhere:
        host = httpserver_at({"token_endpoint": f"{elsewhere.url}/oidc/v1/token"})
        calls = acme.connect(replace(acme.by_client, workspace_url=host))
        with pytest.raises(ProtocolError, match="not on the workspace's own host"):
            current_principal(calls)
        assert not elsewhere.has_seen(SECRET)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ([], "no JSON object"),
        ({}, "own host"),
        ({"token_endpoint": "{host}/oidc/v1/token"}, "access_token"),
        ({"token_endpoint": "{host}/oidc/v1/token", "access_token": "t-4f9d8a7b"}, "how long"),
    ],
)
def test_an_answer_that_lacks_what_it_promises_is_named(
    acme: SigningIn, httpserver_at, answer, says
) -> None:
    calls = acme.connect(replace(acme.by_client, workspace_url=httpserver_at(answer)))
    with pytest.raises(ProtocolError, match=says):
        current_principal(calls)


@pytest.mark.parametrize(
    ("settings", "fields"),
    [
        ({}, ("token",)),
        ({"auth_type": "azure-cli"}, ("auth_type", "profile", "token")),
        ({"auth_type": "pat"}, ("auth_type", "profile", "token")),
        ({"profile": "prod", "token": SecretRef("env", "T")}, ("auth_type", "profile", "token")),
        ({"profile": "a", "token": SecretRef("profile", "b")}, ("auth_type", "profile", "token")),
    ],
)
def test_settings_that_name_no_way_or_too_many_are_refused_before_any_request(
    acme: SigningIn, settings, fields
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        acme.connect(acme.config(**settings))
    assert refusal.value.fields == fields


def test_the_secret_of_a_client_must_be_there_when_it_connects(acme: SigningIn) -> None:
    del acme.environment["S"]
    with pytest.raises(CredentialError, match="env:S is not set"):
        acme.connect(acme.by_client)
