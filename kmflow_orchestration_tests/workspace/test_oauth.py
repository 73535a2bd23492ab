"""OAuth M2M as the official SDK uses it, and tokens that really end."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from datetime import timedelta
from pathlib import Path

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config
from databricks.sdk.errors import PermissionDenied, Unauthenticated

from kmflow_orchestration.workspace.seeding import seed_client
from kmflow_orchestration_tests.embedded import GroupInRoom, Room, client_for

SECRET = "dose-a-client-secret-4f9d8a7b"


@pytest.fixture
def client_id(room: Room, acme: GroupInRoom) -> str:
    return seed_client(room.server, acme.caller, secret=SECRET)


def ask(room: Room, **form: str) -> tuple[int, dict[str, object]]:
    body = urllib.parse.urlencode(form).encode()
    try:
        with urllib.request.urlopen(f"{room.url}/oidc/v1/token", body) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


def test_the_sdk_signs_in_with_client_id_and_secret(room: Room, client_id: str) -> None:
    config = Config(host=room.url, client_id=client_id, client_secret=SECRET)
    assert config.auth_type == "oauth-m2m"
    assert WorkspaceClient(config=config).current_user.me().user_name == "acme-service"


def test_a_wrong_secret_is_an_invalid_client(room: Room, client_id: str) -> None:
    form = {"grant_type": "client_credentials", "client_id": client_id}
    assert ask(room, **form, client_secret="guessed")[0] == 401
    assert ask(room, **form, client_secret="guessed")[1]["error"] == "invalid_client"
    assert ask(room, **form)[0] == 401
    status, answer = ask(room, **form | {"grant_type": "password"}, client_secret=SECRET)
    assert (status, answer["error"]) == (400, "unsupported_grant_type")


def test_a_revoked_secret_gets_no_more_tokens(room: Room, client_id: str) -> None:
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": SECRET}
    assert ask(room, **form)[0] == 200
    room.server.services.oauth.revoke_secret(client_id, SECRET)
    assert ask(room, **form)[0] == 401


def test_a_token_ends_by_the_clock_of_the_workspace(timed: Room, clock) -> None:
    acme = timed.group("acme")
    timed.server.services.oauth.lifetime_s = 90
    client_id = seed_client(timed.server, acme.caller, secret=SECRET)
    made = timed.server.services.oauth.issue(client_id, SECRET, "all-apis")
    client = client_for(timed.url, made.text)

    clock.advance(89)
    assert client.current_user.me().user_name == "acme-service"
    clock.advance(1)
    with pytest.raises(Unauthenticated, match="Token is expired"):
        client.current_user.me()


def test_a_personal_token_can_be_given_an_end(timed: Room, clock) -> None:
    acme = timed.group("acme")
    timed.server.services.token_limits.set(
        acme.token, expires_at=clock.now() + timedelta(seconds=10)
    )
    assert acme.client().current_user.me().user_name == "acme-service"
    clock.advance(10)
    with pytest.raises(Unauthenticated):
        acme.client().current_user.me()


def test_a_token_without_the_scope_is_told_which(room: Room, acme: GroupInRoom) -> None:
    room.server.services.token_limits.set(acme.token, scopes=("sql",))
    assert list(acme.client().warehouses.list())
    with pytest.raises(PermissionDenied, match="required scopes: files"):
        list(acme.client().files.list_directory_contents(acme.volume))
    with pytest.raises(PermissionDenied, match="required scopes: all-apis"):
        list(acme.client().jobs.list())


def test_neither_secret_nor_token_is_written_to_disk(room: Room, client_id: str) -> None:
    made = room.server.services.oauth.issue(client_id, SECRET, "")
    for path in Path(room.server.directory).glob("workspace.db*"):
        content = path.read_bytes()
        assert SECRET.encode() not in content
        assert made.text.encode() not in content


def test_the_server_knows_which_secrets_were_sent_to_it(room: Room, client_id: str) -> None:
    assert not room.server.has_seen("a-token-of-elsewhere")
    with pytest.raises(PermissionDenied):
        client_for(room.url, "a-token-of-elsewhere").current_user.me()
    ask(room, grant_type="client_credentials", client_id=client_id, client_secret="guessed-one")

    assert room.server.has_seen("a-token-of-elsewhere")
    assert room.server.has_seen("guessed-one")
    assert not room.server.has_seen(SECRET)
