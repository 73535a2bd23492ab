"""The form of an API token, and how long one is good."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmflow_orchestration.access.api_tokens import bearer_token, new_token, parse_token
from kmflow_orchestration.access.expiry import parse_expiry
from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration.names import GroupId

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


@given(st.from_regex(r"[a-z0-9][a-z0-9_-]{0,62}", fullmatch=True))
def test_a_new_token_is_taken_apart_again(group):
    secret, parts = new_token(GroupId(group))
    assert parse_token(secret.reveal()) == parts
    assert (parts.group, len(parts.token_id), len(parts.digest)) == (group, 16, 64)


def test_the_kept_parts_do_not_hold_the_secret():
    secret, parts = new_token(GroupId("acme"))
    assert secret.reveal().rpartition(".")[2] not in repr(parts)
    assert str(secret) == "***"


def test_no_two_tokens_are_alike():
    made = [new_token(GroupId("acme"))[1] for _ in range(50)]
    assert len({one.token_id for one in made}) == len({one.digest for one in made}) == 50


def test_a_secret_is_256_random_bits_of_which_the_digest_is_kept():
    """What a plain digest rests on (decision 7): 200 of them show each bit both ways."""
    always, ever = (1 << 256) - 1, 0
    for _ in range(200):
        shown, parts = new_token(GroupId("acme"))
        secret = shown.reveal().rpartition(".")[2]
        assert parts.digest == hashlib.sha256(secret.encode()).hexdigest()
        always &= int(secret, 16)
        ever |= int(secret, 16)
    assert (always, ever) == (0, (1 << 256) - 1)


@given(st.text(max_size=120))
def test_any_other_text_is_no_token(text):
    assert parse_token(text) is None
    assert bearer_token(text) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + "\n",
        lambda text: text.upper(),
        lambda text: text.replace("kmf_acme", "kmf_../acme"),
        lambda text: text.replace("kmf_acme", "kmf_"),
        lambda text: text[:-1],
        lambda text: text.replace("kmf_", ""),
    ],
)
def test_a_token_of_another_form_is_none(change):
    assert parse_token(change(new_token(GroupId("acme"))[0].reveal())) is None


def test_only_a_bearer_header_holds_a_token():
    text = new_token(GroupId("acme"))[0].reveal()
    for good in (f"Bearer {text}", f"bearer  {text} "):
        assert bearer_token(good) is not None
    for bad in (None, "", text, f"Basic {text}", f"Bearer {text} {text}", f"Bearer{text}"):
        assert bearer_token(bad) is None


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("30d", "2026-12-20T09:00:00+00:00"),
        ("12h", "2026-11-20T21:00:00+00:00"),
        ("2w", "2026-12-04T09:00:00+00:00"),
        ("2026-11-20", "2026-11-21T00:00:00+00:00"),
        ("2026-11-20T10:00", "2026-11-20T10:00:00+00:00"),
        ("2026-11-20T12:00+02:00", "2026-11-20T10:00:00+00:00"),
    ],
)
def test_a_time_is_a_span_a_last_day_or_a_moment(text, end):
    expires_at = parse_expiry(text, now=NOW)
    assert expires_at is not None
    assert expires_at.isoformat() == end


def test_a_token_may_be_good_for_ever():
    assert parse_expiry("Never", now=NOW) is None


@pytest.mark.parametrize(
    "text", ["", "0d", "-1d", "30", "d", "soon", "2026-02-30", "2026-11-19", "9999-12-31", "1e3d"]
)
def test_another_time_or_a_past_one_is_refused(text):
    with pytest.raises(ConfigurationError) as caught:
        parse_expiry(text, now=NOW)
    assert caught.value.fields == ("expires",)


@given(st.text(max_size=20))
def test_any_text_is_a_time_to_come_or_refused(text):
    try:
        end = parse_expiry(text, now=NOW)
    except ConfigurationError:
        return
    assert end is None or end > NOW
