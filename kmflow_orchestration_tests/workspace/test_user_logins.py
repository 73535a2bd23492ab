"""A user's sign-in by the book: PKCE, and codes and refresh tokens that are good once."""

from __future__ import annotations

import base64
import hashlib
import json
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
import requests

from kmflow_orchestration_tests.embedded import Room, client_for

REDIRECT, CLIENT = "http://localhost:8020", "databricks-cli"
VERIFIER = "a-verifier-of-forty-three-characters-4f9d8a"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=")
ASKED = {
    "response_type": "code",
    "client_id": CLIENT,
    "redirect_uri": REDIRECT,
    "scope": "all-apis offline_access",
    "state": "a-state",
    "code_challenge": CHALLENGE.decode(),
    "code_challenge_method": "S256",
}


@pytest.fixture
def here(timed: Room) -> Room:
    """A workspace with acme's user in the browser."""
    timed.server.services.user_logins.in_browser = timed.group("acme").caller
    return timed


def consent(room: Room, **changes: str) -> dict[str, str]:
    answer = requests.get(
        f"{room.url}/oidc/v1/authorize",
        {**ASKED, **changes},
        allow_redirects=False,
        timeout=10,
    )
    if answer.status_code != 302:
        return {"error": str(answer.json()["error"])}
    address, _, query = answer.headers["Location"].partition("?")
    assert address == REDIRECT
    return dict(urllib.parse.parse_qsl(query))


def token(room: Room, **form: str) -> tuple[int, dict[str, str]]:
    body = urllib.parse.urlencode({"client_id": CLIENT, **form}).encode()
    try:
        with urllib.request.urlopen(f"{room.url}/oidc/v1/token", body) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


def by_code(room: Room, code: str, **changes: str) -> tuple[int, dict[str, str]]:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT}
    return token(room, **{**form, "code_verifier": VERIFIER, **changes})


def test_a_code_becomes_tokens_of_the_user_in_the_browser(here: Room) -> None:
    back = consent(here)
    status, made = by_code(here, back["code"])

    assert (status, back["state"]) == (200, "a-state")
    assert client_for(here.url, made["access_token"]).current_user.me().user_name == "acme-service"
    assert made["refresh_token"]


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uri": "https://evil.test/"},
        {"code_challenge_method": "plain"},
        {"code_challenge": ""},
        {"response_type": "token"},
        {"client_id": ""},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_is_no_pkce_back_to_this_machine_gets_no_code(
    here: Room, changes: dict[str, str]
) -> None:
    assert consent(here, **changes) == {"error": "invalid_request"}


def test_nobody_in_the_browser_is_nobody_signed_in(timed: Room) -> None:
    assert consent(timed) == {"error": "invalid_request"}


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": "guessed"},
        {"client_id": "another-client"},
        {"redirect_uri": "http://localhost:1"},
        {"code": "guessed"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_stolen_code_is_worth_nothing(here: Room, changes: dict[str, str]) -> None:
    code = consent(here)["code"]
    status, answer = by_code(here, **{"code": code, **changes})
    assert (status, answer["error"]) == (400, "invalid_grant")


def test_a_code_is_good_once_and_for_five_minutes(here: Room, clock) -> None:
    code = consent(here)["code"]
    assert by_code(here, code)[0] == 200
    assert by_code(here, code)[0] == 400
    code = consent(here)["code"]
    clock.advance(300)
    assert by_code(here, code)[0] == 400


def test_a_refresh_token_is_good_once_for_its_client_and_not_written_down(here: Room) -> None:
    _, made = by_code(here, consent(here)["code"])
    first = made["refresh_token"]
    for path in Path(here.server.directory).glob("workspace.db*"):
        assert first.encode() not in path.read_bytes()
    status, next_one = token(here, grant_type="refresh_token", refresh_token=first)
    assert status == 200
    assert next_one["refresh_token"] != first
    assert token(here, grant_type="refresh_token", refresh_token=first)[0] == 400
    stolen = {"refresh_token": next_one["refresh_token"], "client_id": "another-client"}
    assert token(here, grant_type="refresh_token", **stolen)[0] == 400


def test_without_offline_access_there_is_no_refresh_token(here: Room) -> None:
    _, made = by_code(here, consent(here, scope="all-apis")["code"])
    assert "refresh_token" not in made
