"""Marked secrets: no fault of the network or of a setting shows one, in any form."""

from __future__ import annotations

import base64
import traceback
from contextlib import closing
from pathlib import Path

import pytest

from kmflow_orchestration.clock import SystemClock
from kmflow_orchestration.config.secret_refs import SecretRef
from kmflow_orchestration.databricks_client.connect import connect
from kmflow_orchestration.databricks_client.workspace_info import current_principal
from kmflow_orchestration.errors import KmflowError
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration_tests.embedded import Room
from kmflow_orchestration_tests.embedded_groups import GroupsInRoom
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.isolation.marks import forms, found_in, mark


@pytest.mark.parametrize("before", [b"", b"a", b"ab", b"token:"])
def test_the_search_finds_a_secret_in_every_form(before: bytes) -> None:
    secret = mark("x")
    encoded = base64.b64encode(before + secret.encode() + b"&more")

    assert found_in(encoded, [secret]) == {secret}
    assert found_in(b"?t=" + secret.replace("/", "%2F").replace("+", "%2B").encode(), [secret])
    assert found_in(f"x{secret}y".encode(), [secret, mark("y")]) == {secret}
    assert all(len(form) > 20 for form in forms(secret))


def shown(error: BaseException) -> str:
    """All that a log, a debugger or a report can make of an error, with its causes."""
    chain, current = [], error
    while current is not None:
        chain.append(current)
        current = current.__cause__ or current.__context__  # type: ignore[assignment]
    texts = [f"{one} {one!r} {one.args} {vars(one)}" for one in chain]
    return "\n".join([*texts, "".join(traceback.format_exception(error))])


FAULTS = {
    "refused": Fault("fail_times", status=403, error_code="PERMISSION_DENIED"),
    "unknown": Fault("fail_times", status=401, error_code="UNAUTHENTICATED"),
    "broken": Fault("fail_times", status=500, error_code="INTERNAL_ERROR"),
    "busy": Fault("fail_times", times=9, status=503),
    "limited": Fault("rate_limit", times=9),
    "dropped": Fault("execute_then_drop", times=9),
    "cut": Fault("cut_body", times=9, keep_bytes=3),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_no_fault_of_the_network_shows_the_token(
    room: Room, clock: FakeClock, fault: Fault
) -> None:
    groups = GroupsInRoom(room, clock)
    token = groups.environment["TOKEN_acme"] if groups.config("acme") else ""
    with closing(groups.calls("acme")) as calls:
        room.server.faults.add(fault)
        with pytest.raises(KmflowError) as refusal:
            current_principal(calls)

    assert found_in(shown(refusal.value).encode(), [token]) == set()


@pytest.mark.parametrize(
    "value",
    ["{}", "Bearer {}", "{}\nsecond line", "{}\u20ac"],
    ids=["wrong", "prefix", "lines", "sign"],
)
def test_no_fault_of_a_setting_shows_the_token(room: Room, tmp_path: Path, value: str) -> None:
    secret = tmp_path / "token"
    secret.write_text(value.format(mark("x")), encoding="utf-8")
    config = GroupsInRoom(room).config("acme")
    broken = type(config)(
        **{name: getattr(config, name) for name in config.__dataclass_fields__}
        | {"token": SecretRef("file", str(secret))}
    )

    with (
        pytest.raises(KmflowError) as refusal,
        closing(connect(broken, clock=SystemClock())) as calls,
    ):
        current_principal(calls, is_patient=False)

    assert found_in(shown(refusal.value).encode(), [mark("x")]) == set()
