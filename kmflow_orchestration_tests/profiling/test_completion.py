from __future__ import annotations

import hashlib
import hmac
import json

import pytest

from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration.profiling.completion import (
    check_url,
    failure_body,
    post_completion,
    without_secrets,
)
from kmflow_orchestration_tests.profiling.receiver import RunningReceiver


@pytest.fixture
def receiver():
    with RunningReceiver() as running:
        yield running


def send(receiver, clock) -> bool:
    return post_completion(
        {"status": "completed"},
        url=receiver.url,
        token="v1.99.abc",
        idempotency_key="run:1",
        clock=clock,
    )


def test_a_completion_carries_token_and_key(receiver, clock):
    assert send(receiver, clock)
    assert receiver.bodies == [{"status": "completed"}]
    assert receiver.headers[0]["Authorization"] == "Bearer v1.99.abc"
    assert receiver.headers[0]["Content-Type"] == "application/json"
    assert receiver.headers[0]["Idempotency-Key"] == "run:1"
    sent = json.dumps(receiver.bodies[0]).encode()
    signature = hmac.new(b"v1.99.abc", sent, hashlib.sha256).hexdigest()
    assert receiver.headers[0]["X-Kmflow-Signature"] == f"sha256={signature}"


@pytest.mark.parametrize("trouble", [429, 500, 502, 503])
def test_trouble_on_their_side_is_waited_out(receiver, clock, trouble):
    receiver.answers = [trouble, trouble, 204]

    assert send(receiver, clock)
    assert clock.slept == [1.0, 2.0]


@pytest.mark.parametrize("refusal", [302, 401, 403, 404, 409, 413, 422])
def test_a_refusal_is_final_and_logged(receiver, clock, refusal, caplog):
    receiver.answers = [refusal]

    assert not send(receiver, clock)
    assert f"completion answered with status {refusal}" in caplog.text
    assert (len(receiver.bodies), clock.slept) == (1, [])


def test_tries_end_without_an_error(receiver, clock):
    receiver.answers = [503]

    assert not send(receiver, clock)
    assert clock.slept == [1.0, 2.0, 4.0, 8.0, 16.0]


def test_nobody_listening_is_no_error(clock):
    assert not post_completion(
        {}, url="http://127.0.0.1:9/", token="t", idempotency_key="k", clock=clock
    )
    assert len(clock.slept) == 5


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/x",
        "ftp://127.0.0.1/",
        "http://127.0.0.1.evil/",
        "",
        "https:///x",
        "https://[x",
    ],
)
def test_only_https_or_this_machine_is_called(url):
    with pytest.raises(ConfigurationError):
        check_url(url)


def test_addresses_that_may_be_called():
    for url in (
        "https://kmflow.example/x",
        "http://127.0.0.1:8/x",
        "http://[::1]:8/",
        "http://localhost/",
    ):
        assert check_url(url) == url


def test_secrets_leave_no_trace_in_a_failure():
    error = ValueError(
        "Bearer abc.def password=hunter2 dapi0123456789abcdef my-token " + "x" * 3000
    )
    body = failure_body(error, "my-token")

    assert len(body["error_message"]) == 2000
    for secret in ("abc.def", "hunter2", "dapi01", "my-token"):
        assert secret not in body["error_message"]
    assert without_secrets("v1.170000.AbC-_d stays out") == "*** stays out"
