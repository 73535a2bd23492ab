"""API tokens in the control database: a digest, one group, an end."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from kmflow_orchestration.access.api_tokens import TokenParts, new_token
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.errors import GroupMismatch, UnknownToken
from kmflow_orchestration.metadata.api_tokens import ApiTokens
from kmflow_orchestration.metadata.config_audit import ConfigAudit
from kmflow_orchestration.metadata.engine import open_sessions
from kmflow_orchestration.names import GroupId
from kmflow_orchestration_tests.control_databases import engine_of

ACME, GLOBEX = GroupId("acme"), GroupId("globex")
ANN = "ann@kmflow.test"


@pytest.fixture
def engine(tmp_path, control_database):
    return engine_of(control_database(tmp_path / "control.db"))


@pytest.fixture
def tokens(engine, clock):
    return ApiTokens(open_sessions(engine), clock)


def give(tokens, clock, group=ACME, *, days=None, role=Role.EDITOR):
    secret, parts = new_token(group)
    end = None if days is None else clock.now() + timedelta(days=days)
    tokens.add(group, parts, name="ci", role=role, expires_at=end, author=ANN)
    return secret, parts


def test_a_good_token_is_known_with_its_role(tokens, clock):
    _, parts = give(tokens, clock, days=1)
    found = tokens.authenticate(ACME, parts)
    assert (found.token_id, found.role, found.name) == (parts.token_id, Role.EDITOR, "ci")


def test_the_database_holds_no_secret(tokens, clock, tmp_path):
    secret, _ = give(tokens, clock)
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert secret.reveal().encode() not in kept
    assert secret.reveal().rpartition(".")[2].encode() not in kept


def test_an_expired_token_is_good_to_its_last_second(tokens, clock):
    _, parts = give(tokens, clock, days=1)
    clock.advance(86_399)
    assert tokens.authenticate(ACME, parts) is not None
    clock.advance(1)
    assert tokens.authenticate(ACME, parts) is None


def test_a_revoked_token_is_useless_at_once_and_twice_is_once(tokens, clock):
    _, parts = give(tokens, clock)
    assert tokens.authenticate(ACME, parts) is not None
    first = tokens.revoke(ACME, parts.token_id, ANN)
    assert tokens.authenticate(ACME, parts) is None
    clock.advance(5)
    assert tokens.revoke(ACME, parts.token_id, ANN).revoked_at == first.revoked_at


def test_a_wrong_secret_or_group_finds_nothing(tokens, clock):
    _, parts = give(tokens, clock)
    _, other = new_token(ACME)
    assert tokens.authenticate(ACME, TokenParts(ACME, parts.token_id, other.digest)) is None
    assert tokens.authenticate(GLOBEX, TokenParts(GLOBEX, parts.token_id, parts.digest)) is None
    assert tokens.authenticate(ACME, other) is None


def test_a_token_belongs_to_its_group(tokens, clock):
    _, parts = give(tokens, clock)
    assert [one.token_id for one in tokens.all(ACME)] == [parts.token_id]
    assert tokens.all(GLOBEX) == []
    with pytest.raises(UnknownToken):
        tokens.revoke(GLOBEX, parts.token_id, ANN)
    assert tokens.authenticate(ACME, parts) is not None
    with pytest.raises(GroupMismatch):
        tokens.add(GLOBEX, parts, name="x", role=Role.ADMIN, expires_at=None, author=ANN)


def test_the_last_use_is_noted_once_a_minute(tokens, clock):
    _, parts = give(tokens, clock)
    start = clock.now()
    for seconds in (0, 30, 29, 1):
        clock.advance(seconds)
        tokens.authenticate(ACME, parts)
    assert tokens.all(ACME)[0].last_used_at == start + timedelta(seconds=60)


def test_a_wrong_secret_is_no_use_of_a_token(tokens, clock):
    _, parts = give(tokens, clock)
    tokens.authenticate(ACME, TokenParts(ACME, parts.token_id, "0" * 64))
    assert tokens.all(ACME)[0].last_used_at is None


def test_giving_out_and_taking_back_are_in_the_trail(tokens, engine, clock):
    _, parts = give(tokens, clock)
    for _ in range(2):
        tokens.revoke(ACME, parts.token_id, ANN)

    trail = ConfigAudit(open_sessions(engine), clock).entries(ACME)
    assert [entry.deed.action for entry in trail] == ["revoke_token", "create_token"]
    assert trail[0].deed.after == {"token_id": parts.token_id, "name": "ci", "role": "editor"}


def test_a_token_cannot_be_kept_without_a_group(tokens, engine):
    with pytest.raises(Exception, match="group_id"), engine.begin() as connection:
        connection.execute(text("INSERT INTO api_tokens (token_id) VALUES ('x')"))
