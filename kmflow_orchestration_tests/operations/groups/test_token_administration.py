"""API tokens are given out and taken back by admins of the group."""

from __future__ import annotations

import pytest

from kmflow_orchestration.access.api_tokens import parse_token
from kmflow_orchestration.access.caller import caller_of
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.errors import (
    ConfigurationError,
    GroupRefused,
    RoleRefused,
    UnknownGroup,
    UnknownToken,
)
from kmflow_orchestration.operations.group_settings import create_group
from kmflow_orchestration.operations.token_administration import (
    create_token,
    list_tokens,
    revoke_token,
)
from kmflow_orchestration_tests.operations.groups.conftest import BOB


@pytest.fixture
def give(configs, tokens, clock, ann):
    create_group("acme", {}, caller=ann, configs=configs)

    def made(group="acme", role=Role.VIEWER, caller=ann, **options):
        return create_token(
            group, role, caller=caller, tokens=tokens, configs=configs, clock=clock, **options
        )

    return made


def test_a_token_is_good_for_ninety_days_unless_it_says_otherwise(give, tokens):
    new = give(role=Role.EDITOR)
    parts = parse_token(new.secret.reveal())
    assert tokens.authenticate(parts.group, parts).role is Role.EDITOR
    assert (new.token.expires_at - new.token.created_at).days == 90
    assert give(expires="never").token.expires_at is None
    assert "kmf_" not in repr(new)


def test_a_token_has_a_name(give):
    assert give(name="  nightly job ").token.name == "nightly job"
    assert give().token.name == "viewer"
    for bad in ("x" * 101, "a\nb"):
        with pytest.raises(ConfigurationError) as caught:
            give(name=bad)
        assert caught.value.fields == ("name",)


def test_a_group_without_settings_gets_no_token(give, bob):
    with pytest.raises(UnknownGroup):
        give("globex", caller=bob)


def test_a_revoked_token_is_listed_and_no_longer_good(give, tokens, ann, clock):
    new, kept = give(), give()
    revoke_token("acme", new.token.token_id, caller=ann, tokens=tokens)
    good = {
        one.token_id: one.is_good(clock.now())
        for one in list_tokens("acme", caller=ann, tokens=tokens)
    }
    assert good == {new.token.token_id: False, kept.token.token_id: True}


def test_another_groups_tokens_are_out_of_reach(give, tokens, bob):
    token_id = give().token.token_id
    for call in (
        lambda: give(caller=bob),
        lambda: list_tokens("acme", caller=bob, tokens=tokens),
        lambda: revoke_token("acme", token_id, caller=bob, tokens=tokens),
    ):
        with pytest.raises(GroupRefused):
            call()
    with pytest.raises(UnknownToken):
        revoke_token("globex", token_id, caller=bob, tokens=tokens)


def test_tokens_are_for_admins(give, tokens):
    editor = caller_of(BOB, ("acme",), Role.EDITOR)
    token_id = give().token.token_id
    for call in (
        lambda: give(caller=editor),
        lambda: list_tokens("acme", caller=editor, tokens=tokens),
        lambda: revoke_token("acme", token_id, caller=editor, tokens=tokens),
    ):
        with pytest.raises(RoleRefused):
            call()
