"""Tokens that let one run report, until an hour after its deadline."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.errors import CallbackRejected, ConfigurationError
from kmflow_orchestration.runs.callback_tokens import CallbackKeys
from kmflow_orchestration.runs.callbacks import CallbackSettings
from kmflow_orchestration_tests.fakes import FakeClock

OLD, NEW = "o" * 32, "n" * 32
NOW = FakeClock().now()
KEYS = CallbackKeys.of(Secret(NEW))


def verify(token, *, run="r1", table_group="e1", keys=KEYS, now=NOW):
    keys.verify(f"Bearer {token}", run, table_group, now=now)


def mint(keys=KEYS):
    return keys.mint("r1", "e1", deadline=NOW).reveal()


def test_a_token_is_good_until_an_hour_after_the_deadline():
    token = mint()

    verify(token)
    verify(token, now=NOW + timedelta(hours=1))
    with pytest.raises(CallbackRejected, match="expired") as refused:
        verify(token, now=NOW + timedelta(hours=1, seconds=1))
    assert refused.value.http_status == 401


@pytest.mark.parametrize(("run", "table_group"), [("r2", "e1"), ("r1", "e2"), ("r1\ne1", "")])
def test_a_token_is_of_no_use_to_another_run(run, table_group):
    with pytest.raises(CallbackRejected) as refused:
        verify(mint(), run=run, table_group=table_group)

    assert refused.value.http_status == 403


def test_an_expiry_cannot_be_moved():
    version, expiry, mac = mint().split(".")

    with pytest.raises(CallbackRejected) as refused:
        verify(f"{version}.{int(expiry) + 999}.{mac}")

    assert refused.value.http_status == 403


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic dTpw",
        "Bearer v2.9999999999.abc",
        "Bearer v1.x.abc",
        "Bearer v1.9999999999.",
        "Bearer v1.9999999999",
        f"Bearer v1.{'9' * 40}.abc",
        mint(),
    ],
)
def test_what_is_no_token_of_ours_is_unauthorized(header):
    with pytest.raises(CallbackRejected) as refused:
        KEYS.verify(header, "r1", "e1", now=NOW)

    assert refused.value.http_status == 401


def test_both_keys_are_good_while_one_replaces_the_other():
    both = CallbackKeys.of(Secret(f"{NEW}\n{OLD}"))

    verify(mint(CallbackKeys.of(Secret(OLD))), keys=both)
    verify(mint(both), keys=KEYS)


@pytest.mark.parametrize("text", ["short", f"{NEW} {OLD} {NEW}", f"{NEW}\nshort"])
def test_keys_that_protect_nothing_are_refused(text):
    with pytest.raises(ConfigurationError) as refused:
        CallbackKeys.of(Secret(text))

    assert text.split()[0] not in str(refused.value)


@given(st.text())
def test_no_header_whatever_is_accepted_or_crashes(header):
    with pytest.raises(CallbackRejected):
        KEYS.verify(header, "r1", "e1", now=NOW)


def test_without_url_or_key_a_run_gets_no_address_and_no_token(world):
    run = world.queue()

    for off in (CallbackSettings(), CallbackSettings("https://x"), CallbackSettings("", KEYS)):
        assert (off.url(run), off.token(run).reveal()) == ("", "")
