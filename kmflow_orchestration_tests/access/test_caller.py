"""Row A5: who asks, for which groups, in which role; nothing it asks for widens that."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmflow_orchestration.access.caller import Caller, caller_of, private_group_id
from kmflow_orchestration.access.roles import Role, parse_role
from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.errors import (
    ConfigurationError,
    GroupRefused,
    MissingGroup,
    NotAuthenticated,
    RoleRefused,
)
from kmflow_orchestration.names import is_id

ANN = "ann@kmflow.test"
BOTH = caller_of(ANN, ("acme", "globex"), Role.EDITOR)


def test_the_first_group_is_the_primary_one():
    assert BOTH.primary_group_id == BOTH.group() == "acme"
    assert BOTH.group("globex") == "globex"


@pytest.mark.parametrize("asked", ["umbra", "ACME", "acme ", "../acme", "acme,globex", "*"])
def test_a_group_that_is_not_the_callers_is_refused(asked):
    with pytest.raises(GroupRefused):
        BOTH.group(asked)


@pytest.mark.parametrize("asked", ["", "  ", "\n"])
def test_a_blank_group_is_missing(asked):
    with pytest.raises(MissingGroup):
        BOTH.group(asked)


def test_a_caller_without_groups_has_none_to_work_in():
    nobody = Caller(group_ids=(), group_email=ANN, user_role=Role.ADMIN)
    for call in (nobody.group, lambda: nobody.group("acme"), lambda: nobody.primary_group_id):
        with pytest.raises(MissingGroup):
            call()


@pytest.mark.parametrize(
    ("role", "reached"),
    [
        (Role.VIEWER, {Role.VIEWER}),
        (Role.EDITOR, {Role.VIEWER, Role.EDITOR}),
        (Role.ADMIN, {Role.VIEWER, Role.EDITOR, Role.ADMIN}),
    ],
)
def test_a_role_reaches_as_far_as_those_below_it(role, reached):
    assert {needed for needed in Role if role.reaches(needed)} == reached


def test_a_role_that_does_not_reach_is_told_which_would():
    with pytest.raises(RoleRefused, match=r"editor .* admin"):
        BOTH.require(Role.ADMIN, "acme")
    assert BOTH.require(Role.EDITOR, "globex") == "globex"


def test_another_group_is_refused_before_the_role_is_looked_at():
    with pytest.raises(GroupRefused):
        BOTH.require(Role.ADMIN, "umbra")


def test_an_unknown_role_is_told_the_nearest():
    with pytest.raises(ConfigurationError, match="did you mean admin"):
        parse_role("admn")
    assert parse_role("viewer") is Role.VIEWER


def test_somebody_without_a_group_gets_one_of_their_own():
    lonely = caller_of(" Ann.Lee@KMFlow.test ", (), Role.ADMIN)
    assert lonely.primary_group_id.startswith("user-ann-lee-kmflow-test-")
    assert lonely.group_ids == (private_group_id("ann.lee@kmflow.test"),)


def test_addresses_that_look_alike_get_different_groups():
    alike = ("a.b@c.de", "a-b@c.de", "a_b@c.de", "a.b@c-de", "é.b@c.de")
    assert len({private_group_id(one) for one in alike}) == len(alike)


@pytest.mark.parametrize("email", ["", "  ", "ann\nbob", "a\x00b"])
def test_a_caller_without_a_name_is_none(email):
    with pytest.raises(NotAuthenticated):
        caller_of(email, (), Role.VIEWER)


@given(st.text(max_size=400))
def test_every_private_group_is_an_id(email):
    group = private_group_id(email)
    assert is_id(group)
    assert group.startswith("user-")


def test_a_callers_own_token_is_never_shown():
    caller = caller_of(ANN, ("acme",), Role.VIEWER, access_token=Secret("canary-77"))
    assert "canary" not in f"{caller!r} {caller}"
