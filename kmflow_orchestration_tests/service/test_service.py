"""The service as a whole: health, what it does not show, start and stop."""

from __future__ import annotations

import httpx
import pytest

from kmflow_orchestration.errors import (
    AccessRefused,
    CallbackRejected,
    ConfigurationError,
    KmflowError,
    RunOutstanding,
    UnknownRun,
)
from kmflow_orchestration.service.error_responses import status_of
from kmflow_orchestration.service.server import ServiceServer


def test_health_is_open_and_tells_three_things(caller):
    answer = caller.client.get(f"{caller.server.url}/api/v1/health")

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "storage": "local",
        "timestamp": "2026-11-20T09:00:00.000000+00:00",
    }


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/redoc", "/", "/api/v1/health/x"])
def test_nothing_else_is_served(caller, path):
    assert caller.client.get(caller.server.url + path).status_code == 404


def test_a_stopped_service_answers_nobody_and_stops_twice(caller):
    own = ServiceServer(caller.server.app).start()
    assert caller.client.get(f"{own.url}/api/v1/health").status_code == 200
    own.stop()
    own.stop()

    with pytest.raises(httpx.TransportError):
        httpx.get(f"{own.url}/api/v1/health", timeout=1)


def test_a_taken_port_is_named(caller):
    taken = ServiceServer(caller.server.app, port=caller.server.port)

    with pytest.raises(ConfigurationError, match=str(caller.server.port)):
        taken.start()


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigurationError("x"), 503),
        (UnknownRun("x"), 404),
        (RunOutstanding("x", profile_run_id="1"), 409),
        (CallbackRejected("x", http_status=403), 403),
        (AccessRefused("x"), 502),
        (KmflowError("x"), 500),
    ],
)
def test_every_error_has_its_status(error, status):
    assert status_of(error) == status
