"""`kmflow token create|list|revoke`: the token is printed once and never again."""

from __future__ import annotations

from pathlib import Path

import pytest

from kmflow_orchestration.access.api_tokens import parse_token
from kmflow_orchestration_tests.cli.conftest import Kmflow

FAILED, CONFIGURATION = 1, 3


@pytest.fixture
def acme(kmflow: Kmflow) -> Kmflow:
    assert kmflow("group", "create", "acme").code == 0
    return kmflow


def give(kmflow: Kmflow, *options: str) -> dict[str, str]:
    return kmflow("token", "create", "--group", "acme", "--role", "editor", "--json", *options).json


def test_the_token_alone_is_on_stdout(acme: Kmflow) -> None:
    made = acme("token", "create", "--group", "acme", "--role", "viewer", "--expires", "30d")
    parts = parse_token(made.out.removesuffix("\n"))
    assert parts is not None
    assert parts.token_id in made.err
    assert made.out.strip() not in made.err


def test_a_token_is_shown_once_and_kept_nowhere(acme: Kmflow, home: Path) -> None:
    made = give(acme, "--name", "nightly")
    secret = made["token"].rpartition(".")[2]
    assert (made["role"], made["name"], made["state"]) == ("editor", "nightly", "good")

    later = [
        acme("token", "list", "--group", "acme", "--json"),
        acme("token", "list", "--group", "acme"),
    ]
    assert all(made["id"] in one.out and secret not in one.out for one in later)
    kept = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert secret.encode() not in kept


def test_a_revoked_token_is_listed_as_such(acme: Kmflow) -> None:
    made = give(acme)
    for _ in range(2):
        assert acme("token", "revoke", made["id"], "--group", "acme", "--json").json["state"] == (
            "revoked"
        )
    (listed,) = acme("token", "list", "--group", "acme", "--json").json["tokens"]
    assert (listed["state"], listed["id"]) == ("revoked", made["id"])


def test_a_token_of_another_group_is_unknown(acme: Kmflow) -> None:
    acme("group", "create", "globex")
    made = give(acme)
    refused = acme("token", "revoke", made["id"], "--group", "globex")
    assert (refused.code, "KM-TOKEN-001" in refused.err) == (FAILED, True)
    assert acme("token", "list", "--group", "globex", "--json").json == {"tokens": []}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--role", "admn"), "did you mean admin?"),
        (("--role", "viewer", "--expires", "yesterday"), "expires: "),
        (("--role", "viewer", "--expires", "2020-01-01"), "over already"),
        (("--role", "viewer", "--name", "a\nb"), "name: "),
    ],
    ids=str,
)
def test_what_makes_no_token_is_named(acme: Kmflow, options: tuple[str, ...], words: str) -> None:
    refused = acme("token", "create", "--group", "acme", *options)
    assert (refused.code, refused.out) == (CONFIGURATION, "")
    assert words in refused.err
    assert acme("token", "list", "--group", "acme", "--json").json == {"tokens": []}
