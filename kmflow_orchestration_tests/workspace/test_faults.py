from __future__ import annotations

import time

import pytest
import requests
from databricks.sdk.errors import (
    DatabricksError,
    InternalError,
    InvalidParameterValue,
    NotFound,
    PermissionDenied,
)

from kmflow_orchestration.workspace.faults import Fault, FaultName, Faults
from kmflow_orchestration_tests.embedded import GroupInRoom, Room
from kmflow_orchestration_tests.workspace.wheel_jobs import create_job

ME = "/api/2.0/preview/scim/v2/Me"
FILES = "/api/2.0/fs/files/*"


def test_a_request_fails_as_often_as_told(room: Room, acme: GroupInRoom) -> None:
    room.server.faults.add(
        Fault("fail_times", "GET", ME, times=2, status=500, error_code="INTERNAL_ERROR")
    )
    for _ in range(2):
        with pytest.raises(InternalError, match="Injected fault"):
            acme.client().current_user.me()
    assert acme.client().current_user.me().active


def test_a_fault_waits_for_its_turn_and_its_principal(room: Room, acme: GroupInRoom) -> None:
    room.server.faults.add(
        Fault("fail_times", path=ME, after=1, principal="acme-service", status=500)
    )
    room.group("beta").client().current_user.me()
    acme.client().current_user.me()
    with pytest.raises(DatabricksError):
        acme.client().current_user.me()
    assert room.server.faults.pending() == {}


def test_a_failed_upload_has_stored_nothing(room: Room, acme: GroupInRoom) -> None:
    room.server.faults.add(Fault("fail_times", "PUT", FILES, status=500))
    with pytest.raises(DatabricksError):
        acme.upload("a.txt", b"1")
    with pytest.raises(NotFound):
        acme.client().files.get_metadata(f"{acme.volume}/a.txt")


def test_rate_limiting_tells_when_to_come_back(room: Room, acme: GroupInRoom) -> None:
    room.server.faults.add(Fault("rate_limit", path=ME, times=2, retry_after_s=30))
    clock = _ClientClock()
    assert acme.client(clock=clock, retry_timeout_seconds=300).current_user.me().active
    assert [int(slept) for slept in clock.slept] == [30, 30]


def test_a_delay_takes_its_time(room: Room, acme: GroupInRoom) -> None:
    client = acme.client()
    room.server.faults.add(Fault("delay", path=ME, seconds=0.2))
    started = time.monotonic()
    assert client.current_user.me().active
    assert time.monotonic() - started >= 0.2


def test_execute_then_drop_does_the_work_and_answers_nothing(room: Room, acme: GroupInRoom) -> None:
    job_id, client = create_job(acme, "def main(): pass"), acme.client(retry_timeout_seconds=5)
    room.server.faults.add(Fault("execute_then_drop", "POST", "/api/2.2/jobs/run-now"))
    run = client.jobs.run_now(job_id, idempotency_token="once")
    assert [each.run_id for each in client.jobs.list_runs(job_id=job_id)] == [run.run_id]
    assert room.server.requests("POST", "*/run-now").count() == 2
    assert room.server.requests("POST", "*/run-now").count(status=0) == 1


@pytest.mark.parametrize("name", ["execute_then_drop", "cut_body"])
def test_a_dropped_connection_is_no_error_of_the_server(
    room: Room, acme: GroupInRoom, name: FaultName, caplog: pytest.LogCaptureFixture
) -> None:
    acme.upload("a.txt", b"1" * 3_000_000)
    room.server.services.request_log.clear()
    for method in ("GET", "PUT"):
        room.server.faults.add(Fault(name, method, FILES, keep_bytes=2_000_000))
        with pytest.raises((OSError, TimeoutError, requests.RequestException)):
            _at_once(acme, method)
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []
    assert room.server.requests("*", FILES).count(status=0) == 2


def _at_once(group: GroupInRoom, method: str) -> None:
    """One request without the SDK, which would send it again."""
    url = f"{group.host}/api/2.0/fs/files{group.volume}/a.txt?overwrite=true"
    bearer = {"Authorization": f"Bearer {group.token}"}
    requests.request(method, url, data=b"1" * 10, headers=bearer, timeout=5)


def test_an_upload_cut_in_the_middle_leaves_nothing(room: Room, acme: GroupInRoom) -> None:
    room.server.faults.add(Fault("cut_body", "PUT", FILES, keep_bytes=1_500_000))
    client = acme.client(retry_timeout_seconds=5)
    with pytest.raises((DatabricksError, TimeoutError, OSError)):
        client.files.upload(f"{acme.volume}/a.bin", _Once(b"x" * 3_000_000), overwrite=True)
    with pytest.raises(NotFound):
        acme.client().files.get_metadata(f"{acme.volume}/a.bin")


def test_a_cut_upload_is_whole_after_the_clients_second_try(room: Room, acme: GroupInRoom) -> None:
    import io

    room.server.faults.add(Fault("cut_body", "PUT", FILES, keep_bytes=10))
    client = acme.client(retry_timeout_seconds=5)
    client.files.upload(f"{acme.volume}/a.bin", io.BytesIO(b"x" * 1000), overwrite=True)
    assert client.files.get_metadata(f"{acme.volume}/a.bin").content_length == 1000


def test_a_download_cut_in_the_middle_ends_early(room: Room, acme: GroupInRoom) -> None:
    path = acme.upload("a.bin", b"x" * 3_000_000)
    room.server.faults.add(Fault("cut_body", "GET", FILES, keep_bytes=1000, times=100))
    with pytest.raises(Exception) as cut:  # noqa: PT011 - requests' own errors, by version
        acme.client().files.download(path).contents.read()
    assert "IncompleteRead" in str(cut.value) or "Connection" in str(cut.value)


def test_a_cold_warehouse_is_cold_as_often_as_told() -> None:
    faults = Faults()
    faults.add(Fault("cold_warehouse", seconds=30))
    assert faults.take("GET", "/any", "anybody") is None
    assert [faults.cold_start_s(), faults.cold_start_s()] == [30, 0]


def test_administrators_arm_faults_over_http(room: Room, acme: GroupInRoom) -> None:
    desk = room.admin_client().api_client
    fault = {"name": "fail_times", "path": ME, "status": 500, "principal": "acme-service"}
    armed = desk.do("POST", "/__kmflow/faults", body=fault)
    assert desk.do("GET", "/__kmflow/faults")["faults"][0]["status"] == 500
    with pytest.raises(DatabricksError):
        acme.client().current_user.me()
    desk.do("POST", "/__kmflow/faults", body=fault)
    desk.do("DELETE", f"/__kmflow/faults/{armed['fault_id'] + 1}")
    assert desk.do("GET", "/__kmflow/faults")["faults"] == []


def test_nobody_else_arms_faults(acme: GroupInRoom) -> None:
    with pytest.raises(PermissionDenied):
        acme.client().api_client.do("POST", "/__kmflow/faults", body={"name": "delay"})


@pytest.mark.parametrize("body", [{"name": "explode"}, {"name": "delay", "colour": 1}, {}], ids=str)
def test_a_fault_that_makes_no_sense_is_refused(room: Room, body: dict[str, object]) -> None:
    with pytest.raises(InvalidParameterValue):
        room.admin_client().api_client.do("POST", "/__kmflow/faults", body=body)


class _ClientClock:
    """The SDK's own clock, moved by its sleeping."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def time(self) -> float:
        return sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


class _Once:
    """A body that can be read once, so that no client can send it again."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, size: int = -1) -> bytes:
        size = len(self._content) if size < 0 else size
        chunk, self._content = self._content[:size], self._content[size:]
        return chunk

    def __iter__(self):  # type: ignore[no-untyped-def]
        while chunk := self.read(65536):
            yield chunk
