"""Rows C15 and E2: whatever text a secret is in, it leaves as `***` and nothing else."""

from __future__ import annotations

import base64
import json
import traceback
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from kmflow_orchestration.redaction import (
    MASK,
    SHORTEST,
    forgetting,
    redact,
    redacted,
    register,
    scrub,
)

SECRET = "kn0wn/to us+only=9f3a%51"
PASSWORD = 'päss "word" \\ 1'
API_TOKEN = f"kmf_acme-2.{'0f' * 8}.{'a1' * 32}"


@pytest.fixture(autouse=True, scope="module")
def _known() -> None:
    register(SECRET)
    register(PASSWORD)


FORMS = {
    "raw": lambda secret: secret,
    "url": lambda secret: quote(secret, safe=""),
    "url, slashes kept": quote,
    "url, lower case": lambda secret: quote(secret, safe="").replace("%2F", "%2f"),
    "form": quote_plus,
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "base64 for urls": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
    "basic": lambda secret: base64.b64encode(f"client:{secret}".encode()).decode(),
    "base64 in a url": lambda secret: quote(base64.b64encode(secret.encode()), safe=""),
    "json": lambda secret: json.dumps(secret)[1:-1],
    "repr": lambda secret: repr(secret)[1:-1],
    "bytes": lambda secret: str(secret.encode())[2:-1],
}


@pytest.mark.parametrize("secret", [SECRET, PASSWORD], ids=["token", "password"])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_known_secret_is_found_in_every_form(form, secret):
    assert redact(f"before ({form(secret)}) after") == f"before ({MASK}) after"


@given(before=st.text(max_size=30), after=st.text(max_size=30), form=st.sampled_from(list(FORMS)))
def test_whatever_stands_around_it_no_form_is_left(before, after, form):
    hidden = FORMS[form](SECRET)
    assert hidden not in redact(f"{before}{hidden}{after}")


@given(
    secrets=st.lists(st.text(min_size=SHORTEST, max_size=40), min_size=1, max_size=3),
    parts=st.lists(st.text(max_size=10), min_size=4, max_size=4),
)
def test_any_secrets_at_once_leave_in_no_form(secrets, parts):
    secrets = [one for one in map(str.strip, secrets) if len(one) >= SHORTEST]
    hidden = [form(one) for one in secrets for form in (str, quote, FORMS["base64"])]
    for one in secrets:
        register(one, passing=True)

    said = redact("".join(f"{parts[i % 4]}{one}" for i, one in enumerate(hidden)))

    assert [one for one in hidden if one in said] == []


@given(st.text(max_size=200))
def test_redacting_twice_changes_nothing_more(text):
    once = redact(text)
    assert redact(once) == once


SHAPES = {
    "a personal token": ("used dapi0123456789abcdef0123456789abcdef-2 here", "used *** here"),
    "a token of our own": (f"sent {API_TOKEN}, refused", "sent ***, refused"),
    "a callback's token": (f"token v1.1790000000.{'aB3_-' * 8}xyz, refused", "token ***, refused"),
    "it in json": (json.dumps({"told": f"Bearer {API_TOKEN}"}), '{"told": "Bearer ***"}'),
    "it in a url": (f"/me?x={API_TOKEN}&y=1", "/me?x=***&y=1"),
    "a service secret": ("dose0123456789abcdef0123456789abcdef", "***"),
    "a jwt": ("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.s1gn4ture-_x.", "got ***."),
    "an engine url": ("databricks://token:p4ss/w@adb-1.azuredatabricks.net/x", None),
    "a database url": ("postgresql://kmflow:p4ss@db/kmflow", "postgresql://***@db/kmflow"),
    "a bare user": ("token:p4ss@adb-1.azuredatabricks.net", "***@adb-1.azuredatabricks.net"),
    "a header": ("Authorization: Basic Y2xpZW50OnA0c3M=", "Authorization: ***"),
    "a header's dict": ("{'Authorization': 'Bearer p4ss'}", "{'Authorization': '***'}"),
    "a bearer": ("sent Bearer p4ss, refused", "sent Bearer ***, refused"),
    "a query": ("GET /x?access_token=p4ss&a=1", "GET /x?access_token=***&a=1"),
    "a form": ("client_secret=p4ss&scope=all-apis", "client_secret=***&scope=all-apis"),
    "keywords": ("connect(password='p4ss', port=1)", "connect(password='***', port=1)"),
    "json": ('{"client_secret": "p4\\"ss", "a": 1}', '{"client_secret": "***", "a": 1}'),
    "an s3 link": ("/b?X-Amz-Signature=p4ss&X-Amz-Date=1", "/b?X-Amz-Signature=***&X-Amz-Date=1"),
    "an azure link": ("/b?sv=1&sig=p4ss%3D", "/b?sv=1&sig=***"),
    "a nested link": ("?next=%2Fb%3Fsig%3Dp4ss", "?next=%2Fb%3Fsig%3D***"),
}


@pytest.mark.parametrize(("text", "expected"), SHAPES.values(), ids=SHAPES)
def test_an_unknown_secret_is_found_by_its_shape(text, expected):
    said = redact(text)
    assert "p4ss" not in said
    assert expected in {None, said}


@pytest.mark.parametrize(
    "text",
    [
        "a bearer token of this service is required",
        'WWW-Authenticate: Bearer realm="DatabricksRealm"',
        "keep the bare token there, without `Bearer`",
        "GroupConfig(token=SecretRef('env', 'ACME_TOKEN'), client_secret=env:ACME)",
        "GET /list?page_token=abc&idempotency_token=def",
        "GET /oidc/.well-known/oauth-authorization-server 200 3 ms",
        "evidence_store/loan-origination/2026-11-20/0123456789abcdef_loan_tape.csv",
        "{'token': 'file:/run/secrets/acme'}",
        '{"token": "set (env:ACME_TOKEN)", "client_secret": "not set"}',
        "kmf_ is how tokens of group acme begin, kmf_acme.0123456789abcdef is none",
    ],
)
def test_ordinary_text_stays_as_it_is(text):
    assert redact(text) is text


def test_a_short_secret_does_not_blot_out_words():
    register("abc")
    assert redact("abcdef abc") == "abcdef abc"


def test_each_line_of_a_secret_is_one():
    register("first-line-of-two\nother-line-of-two\n")
    assert redact("x other-line-of-two y first-line-of-two") == "x *** y ***"


def test_only_the_latest_renewed_tokens_are_kept():
    for number in range(200):
        register(f"renewed-token-{number:04}", passing=True)
    assert redact("renewed-token-0199 renewed-token-0001") == "*** renewed-token-0001"


def test_what_is_registered_for_a_while_is_forgotten_after_it():
    with forgetting():
        register("known-for-a-while")
        register("renewed-for-a-while", passing=True)
        assert redact("known-for-a-while renewed-for-a-while") == "*** ***"
    assert MASK not in redact("known-for-a-while renewed-for-a-while")
    assert redact(SECRET) == MASK


def test_values_are_redacted_however_deep_they_lie():
    value = {"a": [SECRET, 1, (b"x", f"<{SECRET}>")], "b": {SECRET}, "c": b"." + SECRET.encode()}
    assert redacted(value) == {"a": [MASK, 1, (b"x", f"<{MASK}>")], "b": {MASK}, "c": b".***"}
    clean = {"a": [1, "x"], "b": ("y",)}
    assert redacted(clean) is clean


class Odd(Exception):
    """Makes its text of something that is no text."""

    def __init__(self, inside):
        super().__init__()
        self.inside = inside

    def __str__(self):
        return f"odd: {self.inside.text}"


class Holder:
    text = SECRET

    def __repr__(self):
        return SECRET


def caught(raising):
    with pytest.raises(BaseException) as error:  # noqa: PT011
        raising()
    return error.value


def with_cause():
    try:
        Path(f"/absent/{SECRET}").read_bytes()
    except OSError as error:
        error.add_note(f"noted {SECRET}")
        raise ValueError("went wrong", {"at": SECRET}) from error


def grouped():
    raise ExceptionGroup("several", [KeyError(SECRET), Odd(Holder())])


def quoting():
    raise UnicodeEncodeError("ascii", PASSWORD, 1, 2, "no ascii")


def held_by_another():
    raise RuntimeError("holds", LookupError(SECRET))


def renaming():
    Path(f"/absent/{SECRET}").rename(f"/absent/{SECRET}.new")


class Number(BaseModel):
    value: int


def not_to_be_changed():
    Number(value=SECRET)


def caused_by_what_is_not_to_be_changed():
    try:
        Number(value=SECRET)
    except ValueError as error:
        raise KeyError("value") from error


RAISING = [
    with_cause,
    grouped,
    quoting,
    held_by_another,
    renaming,
    not_to_be_changed,
    caused_by_what_is_not_to_be_changed,
]


@pytest.mark.parametrize("raising", RAISING)
def test_an_exception_and_all_it_carries_is_scrubbed(raising):
    error = scrub(caught(raising))
    said = "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
    assert SECRET not in said
    assert PASSWORD not in said
    assert MASK in said or raising is quoting


def test_a_clean_exception_stays_what_it_was():
    error = caught(lambda: Path("/absent/file").read_bytes())
    before = (str(error), repr(error), error.__traceback__)
    assert scrub(error) is error
    assert (str(error), repr(error), error.__traceback__) == before
    assert str(scrub(OSError(2, "none"))) == "[Errno 2] none"


def test_of_two_contexts_the_hidden_one_stays_hidden():
    def raising():
        try:
            {}["hidden"]
        except KeyError:
            raise ValueError(SECRET) from None

    error = scrub(caught(raising))
    assert "hidden" not in "".join(traceback.format_exception(error))
