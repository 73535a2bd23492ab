"""Rows C6 and C7: a token that no workspace could have given is refused before it is sent."""

from __future__ import annotations

import pytest

from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.config.token_shape import check_secret, check_token
from kmflow_orchestration.errors import CredentialError

REAL = "dapi9e107d9d372bb6826bd81d3542a419d6"


@pytest.mark.parametrize("value", [REAL, "eyJhbGciOiJIUzI1NiJ9.e30.c2ln"])
def test_personal_and_oauth_tokens_pass_in_silence(value, caplog):
    assert check_token(Secret(value), "env:T").reveal() == value
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (f"Bearer {REAL}", "remove the prefix"),
        (f"bearer\t{REAL}", "remove the prefix"),
        (f"{REAL} {REAL}", "blanks"),
        (f"{REAL}\n{REAL}", "blanks"),
        (f"{REAL}€", "characters"),
        ("dapi", "template value"),
        ("<token>", "template value"),
    ],
)
def test_a_token_of_another_shape_is_refused_and_not_shown(value, says):
    with pytest.raises(CredentialError, match=says) as caught:
        check_token(Secret(value), "env:T")
    assert "env:T" in str(caught.value)
    assert REAL not in str(caught.value)


def test_another_prefix_is_a_warning_without_any_part_of_it(caplog):
    check_token(Secret("qx7-4f9d8a7b-token"), "env:T")
    assert "env:T" in caplog.text
    assert "qx7" not in caplog.text


def test_an_embedded_workspace_takes_any_token(caplog):
    check_token(Secret("qx7-4f9d8a7b-token"), "env:T", is_local=True)
    check_secret(Secret("a-clients-secret-4f9d"), "env:S")
    assert caplog.text == ""
