"""Our retries against a server that really fails (row E4)."""

from __future__ import annotations

import pytest

from kmflow_orchestration.databricks_client.calls import WorkspaceCalls
from kmflow_orchestration.databricks_client.connect import connect
from kmflow_orchestration.databricks_client.retries import Retrier, RetryPolicy, TransientFault
from kmflow_orchestration.databricks_client.workspace_info import current_principal
from kmflow_orchestration.errors import (
    AccessRefused,
    RateLimited,
    RemoteFault,
    RemoteNotFound,
    RemoteTimeout,
    RequestRejected,
)
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration_tests.embedded import Room
from kmflow_orchestration_tests.embedded_groups import GroupsInRoom, group_config
from kmflow_orchestration_tests.fakes import FakeClock

ME = "*/scim/v2/Me"


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_passing_fault_is_waited_out(
    room: Room, calls: WorkspaceCalls, clock: FakeClock, status: int
) -> None:
    code = "UNHEARD_OF_CODE"
    room.server.faults.add(Fault("fail_times", path=ME, times=3, status=status, error_code=code))

    assert current_principal(calls).user_name == "acme-service"

    assert room.server.requests("GET", ME).count() == 4
    assert len(clock.slept) == 3


@pytest.mark.parametrize(
    ("status", "becomes"),
    [(429, RateLimited), (502, RemoteFault), (503, RemoteFault), (504, RemoteTimeout)],
)
def test_waits_double_within_their_jitter_and_the_last_fault_is_named(
    room: Room, calls: WorkspaceCalls, clock: FakeClock, status: int, becomes: type[Exception]
) -> None:
    code = "UNHEARD_OF_CODE"
    room.server.faults.add(Fault("fail_times", path=ME, times=9, status=status, error_code=code))

    with pytest.raises(becomes, match="gave up after 5 attempts") as fault:
        current_principal(calls)

    assert type(fault.value) is becomes
    assert fault.value.retryable
    assert room.server.requests("GET", ME).count() == 5
    for waited, plain in zip(clock.slept, (1, 2, 4, 8), strict=True):
        assert 0.8 * plain <= waited <= 1.2 * plain


@pytest.mark.parametrize(("asked_s", "waited_s"), [(7, 7), (3600, 60)])
def test_retry_after_is_obeyed_up_to_a_minute(
    room: Room, calls: WorkspaceCalls, clock: FakeClock, asked_s: int, waited_s: int
) -> None:
    room.server.faults.add(Fault("rate_limit", path=ME, retry_after_s=asked_s))

    current_principal(calls)

    assert clock.slept == [waited_s]


def test_a_dropped_answer_is_asked_for_again(
    room: Room, calls: WorkspaceCalls, clock: FakeClock
) -> None:
    room.server.faults.add(Fault("execute_then_drop", path=ME, times=2))

    assert current_principal(calls).user_name == "acme-service"

    assert len(clock.slept) == 2


def test_a_request_that_must_not_be_repeated_is_not(
    room: Room, calls: WorkspaceCalls, clock: FakeClock
) -> None:
    room.server.faults.add(Fault("execute_then_drop", path="/api/2.2/jobs/create"))

    with pytest.raises(RemoteFault):
        calls.do("POST", "/api/2.2/jobs/create", body={"name": "x"}, repeatable=False)

    assert room.server.requests("POST", "/api/2.2/jobs/create").count() == 1
    assert clock.slept == []


def test_a_refused_request_may_always_be_repeated(
    room: Room, calls: WorkspaceCalls, clock: FakeClock
) -> None:
    room.server.faults.add(Fault("rate_limit", path=ME, retry_after_s=2))

    calls.do("GET", "/api/2.0/preview/scim/v2/Me", repeatable=False)

    assert clock.slept == [2]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((400, "INVALID_PARAMETER_VALUE"), RequestRejected),
        ((401, "UNAUTHENTICATED"), AccessRefused),
        ((403, "PERMISSION_DENIED"), AccessRefused),
        ((404, "RESOURCE_DOES_NOT_EXIST"), RemoteNotFound),
        ((500, "INTERNAL_ERROR"), RemoteFault),
    ],
)
def test_a_lasting_fault_is_reported_at_once(
    room: Room,
    calls: WorkspaceCalls,
    clock: FakeClock,
    answer: tuple[int, str],
    error: type[Exception],
) -> None:
    status, code = answer
    room.server.faults.add(
        Fault("fail_times", path=ME, times=9, status=status, error_code=code, message="try later")
    )
    with pytest.raises(error, match="try later"):
        current_principal(calls)

    assert room.server.requests("GET", ME).count() == 1
    assert clock.slept == []


def test_a_temporarily_unavailable_500_is_waited_out(
    room: Room, calls: WorkspaceCalls, clock: FakeClock
) -> None:
    room.server.faults.add(
        Fault("fail_times", path=ME, status=500, error_code="TEMPORARILY_UNAVAILABLE")
    )
    current_principal(calls)

    assert len(clock.slept) == 1


def test_a_dead_host_is_given_up_without_waiting_for_minutes(
    groups: GroupsInRoom, clock: FakeClock
) -> None:
    seeded = groups.config("acme")
    config = group_config(
        "acme",
        workspace_url="http://127.0.0.1:9",
        token=seeded.token,
        allow_insecure_loopback=True,
    )
    calls = connect(config, clock=clock, environment=groups.environment)

    with pytest.raises(RemoteFault) as fault:
        current_principal(calls)

    assert fault.value.error_code == "CONNECTION"
    assert sum(clock.slept) < 20


def test_the_budget_of_all_attempts_ends_them(clock: FakeClock) -> None:
    asked: list[float] = []

    def busy() -> None:
        asked.append(clock.monotonic())
        raise TransientFault("busy", retry_after_s=60, becomes=RateLimited)

    with pytest.raises(RateLimited, match="gave up after 3 attempts"):
        Retrier(clock, RetryPolicy(attempts=99, budget_s=150.0)).call(busy)

    assert (len(asked), sum(clock.slept)) == (3, 120)


def test_no_wait_is_longer_than_a_minute_or_less_than_nothing() -> None:
    policy = RetryPolicy()
    slow = TransientFault("busy", retry_after_s=1e9)

    assert policy.wait_s(1, slow, 0.5) == 60
    assert policy.wait_s(4, TransientFault("x"), 0.5) == 8
    assert policy.wait_s(1, TransientFault("x", retry_after_s=-3), 0.5) == 0
