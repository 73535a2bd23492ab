"""Can a group's workspace be used: each step on the real thing, and each way it can fail (C16)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from socket import create_server

import pytest
from databricks.sdk.service.catalog import VolumeType

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.config.secret_refs import SecretRef
from kmflow_orchestration.databricks_client.connect import connect
from kmflow_orchestration.databricks_client.retries import RetryPolicy
from kmflow_orchestration.operations.check_connection import (
    PROBE_FOLDER,
    ConnectionCheck,
    check_connection,
    check_folders,
)
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration_tests.embedded import Room, client_for, embedded_server, room
from kmflow_orchestration_tests.embedded_groups import GroupsInRoom
from kmflow_orchestration_tests.fakes import FakeClock

__all__ = ["embedded_server", "room"]

STEPS = [
    "settings",
    "credentials",
    "host name",
    "network",
    "sign-in",
    "warehouse",
    "statement",
    "catalog",
    "schema",
    "volume",
    "probe file",
]


@pytest.fixture
def groups(room: Room, clock: FakeClock) -> Iterator[GroupsInRoom]:
    opened = GroupsInRoom(room, clock)
    yield opened
    opened.close()


@pytest.fixture
def acme(groups: GroupsInRoom) -> GroupConfig:
    warehouse = groups.room.server.services.warehouses
    return replace(
        groups.config("acme"), warehouse_id=warehouse.default_id(groups.room.admin.workspace_id)
    )


def checked(groups: GroupsInRoom, config: GroupConfig, **settings: float) -> ConnectionCheck:
    opening = partial(
        connect,
        clock=groups.clock,
        environment=groups.environment,
        retry_policy=RetryPolicy(attempts=3),
    )
    return check_connection(config, connect=opening, clock=groups.clock, **settings)


def failed(found: ConnectionCheck) -> tuple[str, int]:
    """The step that failed, which is the last, and the exit code it leads to."""
    *before, last = found.steps
    assert {step.status for step in before} <= {"ok"}
    assert last.status == "fail"
    assert last.remedy
    return last.name, found.exit_code


def test_a_good_group_passes_every_step_and_leaves_nothing_behind(
    groups: GroupsInRoom, acme: GroupConfig
) -> None:
    found = checked(groups, acme)

    assert [step.name for step in found.steps] == STEPS
    assert (found.status, found.connected, found.exit_code) == ("success", True, 0)
    probes = f"{acme.volume.text}/{'/'.join(PROBE_FOLDER)}"
    files = groups.room.admin_client().files
    assert list(files.list_directory_contents(probes)) == []


def test_it_says_who_we_are_and_never_the_token(groups: GroupsInRoom, acme: GroupConfig) -> None:
    found = {step.name: step.detail for step in checked(groups, acme).steps}

    assert found["sign-in"] == "acme-service (pat)"
    assert found["credentials"] == "set (env:TOKEN_acme)"
    assert groups.environment["TOKEN_acme"] not in repr(found)


def test_a_second_check_finds_the_same(groups: GroupsInRoom, acme: GroupConfig) -> None:
    first, second = checked(groups, acme), checked(groups, acme)
    assert [step.name for step in first.steps] == [step.name for step in second.steps]
    assert (first.status, second.status) == ("success", "success")


@pytest.mark.parametrize(
    ("changes", "step", "exit_code"),
    [
        ({"token": None}, "settings", 3),
        ({"workspace_url": ""}, "settings", 3),
        ({"token": SecretRef("env", "NOWHERE")}, "credentials", 3),
        ({"workspace_url": "https://no-such-host.invalid"}, "host name", 5),
        ({"workspace_url": "http://127.0.0.1:9"}, "network", 5),
        ({"warehouse_id": "00000000deadbeef"}, "warehouse", 5),
        ({"catalog": "nobodys"}, "catalog", 5),
        ({"schema": "nobodys"}, "schema", 5),
        ({"evidence_volume": "nobodys"}, "volume", 5),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else str(value),
)
def test_the_step_that_is_wrong_is_the_one_that_fails(
    groups: GroupsInRoom, acme: GroupConfig, changes: dict[str, object], step: str, exit_code: int
) -> None:
    assert failed(checked(groups, replace(acme, **changes))) == (step, exit_code)  # type: ignore[arg-type]


def test_a_token_nobody_knows_is_an_access_problem(groups: GroupsInRoom, acme: GroupConfig) -> None:
    groups.environment["TOKEN_acme"] = "dapi-of-nobody"
    assert failed(checked(groups, acme)) == ("sign-in", 4)


def test_a_volume_that_may_not_be_written_fails_at_the_probe(
    groups: GroupsInRoom, acme: GroupConfig
) -> None:
    refused = Fault("fail_times", method="PUT", status=403, error_code="PERMISSION_DENIED")
    groups.room.server.faults.add(refused)
    assert failed(checked(groups, acme)) == ("probe file", 4)


def with_outputs(config: GroupConfig, volume: str, *, schema: str = "") -> GroupConfig:
    """The group also sends outputs of tasks, to a Volume in a schema, by default its own."""
    place = f"{config.catalog}.{schema or config.schema}.{volume}"
    return replace(config, volume_enabled=True, volume_path=place)


def test_the_place_for_outputs_is_written_too(groups: GroupsInRoom, acme: GroupConfig) -> None:
    own = client_for(groups.room.url, groups.environment["TOKEN_acme"])
    own.volumes.create(acme.catalog, acme.schema, "reports", VolumeType.MANAGED)

    found = checked(groups, with_outputs(acme, "reports"))

    assert [step.name for step in found.steps] == [*STEPS, "outputs"]
    assert found.exit_code == 0
    assert found.steps[-1].detail.endswith("/reports: written, read, removed")


def test_a_volume_for_outputs_that_is_made_with_the_first_is_no_fault(
    groups: GroupsInRoom, acme: GroupConfig
) -> None:
    found = checked(groups, with_outputs(acme, "reports"))

    assert (found.exit_code, found.steps[-1].status) == (0, "ok")
    assert found.steps[-1].detail.endswith("/reports is made with the first output")


def test_a_place_for_outputs_that_cannot_be_is_named(
    groups: GroupsInRoom, acme: GroupConfig
) -> None:
    found = checked(groups, with_outputs(acme, "reports", schema="nobodys"))

    assert failed(found) == ("outputs", 5)
    assert f"no schema {acme.catalog}.nobodys for outputs" in found.message


def test_outputs_that_may_not_be_written_fail_though_evidence_may(
    groups: GroupsInRoom, acme: GroupConfig
) -> None:
    refused = Fault(
        "fail_times", method="PUT", path="*/reports/*", status=403, error_code="PERMISSION_DENIED"
    )
    groups.room.server.faults.add(refused)

    found = checked(groups, with_outputs(acme, "reports"))

    assert failed(found) == ("outputs", 4)
    assert "WRITE VOLUME on the Volume that volume_path names" in found.steps[-1].remedy


def test_a_workspace_that_stays_away_is_asked_three_times(
    groups: GroupsInRoom, acme: GroupConfig
) -> None:
    groups.room.server.faults.add(Fault("fail_times", path="*/scim/v2/Me", times=100))

    assert failed(checked(groups, acme)) == ("sign-in", 5)
    assert groups.room.server.requests("GET", "*/scim/v2/Me").count() == 3


def test_a_workspace_that_stumbles_passes(groups: GroupsInRoom, acme: GroupConfig) -> None:
    groups.room.server.faults.add(Fault("fail_times", path="*/scim/v2/Me", times=2))
    assert checked(groups, acme).status == "success"


def test_a_stopped_warehouse_is_started_and_waited_for(
    groups: GroupsInRoom, acme: GroupConfig
) -> None:
    admin = groups.room.admin_client()
    admin.warehouses.stop(acme.warehouse_id)

    details = {step.name: step.detail for step in checked(groups, acme).steps}

    assert details["warehouse"] == f"{acme.warehouse_id} was STOPPED"
    assert admin.warehouses.get(acme.warehouse_id).state.value == "RUNNING"


def test_a_warehouse_that_does_not_start_ends_the_check_in_time(
    groups: GroupsInRoom, acme: GroupConfig
) -> None:
    groups.room.admin_client().warehouses.stop(acme.warehouse_id)
    groups.room.server.faults.add(Fault("cold_warehouse", seconds=3600))

    found = checked(groups, replace(acme, warehouse_start_timeout_s=120))

    assert failed(found) == ("warehouse", 5)
    assert "enable auto-start" in found.steps[-1].remedy


def test_a_warehouse_that_is_not_there_is_answered_with_those_that_are(
    groups: GroupsInRoom, acme: GroupConfig
) -> None:
    found = checked(groups, replace(acme, warehouse_id="00000000deadbeef"))
    assert acme.warehouse_id in found.steps[-1].remedy


def test_a_disabled_group_is_not_tried(groups: GroupsInRoom, acme: GroupConfig) -> None:
    groups.room.server.services.request_log.clear()

    found = checked(groups, replace(acme, is_enabled=False))

    assert (found.status, found.steps, found.exit_code) == ("disabled", (), 3)
    assert groups.room.server.requests().count() == 0


def test_a_host_that_never_answers_is_given_up(groups: GroupsInRoom, acme: GroupConfig) -> None:
    with create_server(("127.0.0.1", 0), backlog=1) as silent:
        address = f"https://127.0.0.1:{silent.getsockname()[1]}"
        found = checked(groups, replace(acme, workspace_url=address), timeout_s=0.2)
    assert failed(found) == ("network", 5)
    assert "did not answer within 0.2 s" in found.message


def test_a_host_that_cannot_prove_who_it_is_is_not_trusted(
    groups: GroupsInRoom, acme: GroupConfig
) -> None:
    with create_server(("127.0.0.1", 0)) as plain:
        address = f"https://127.0.0.1:{plain.getsockname()[1]}"
        answering = threading.Thread(target=_answer_without_tls, args=(plain,), daemon=True)
        answering.start()
        found = checked(groups, replace(acme, workspace_url=address))
        answering.join(5)
    assert failed(found) == ("network", 5)
    assert "does not prove who it is" in found.message


def _answer_without_tls(server: object) -> None:
    connection, _ = server.accept()  # type: ignore[attr-defined]
    with connection:
        connection.recv(1)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def test_a_group_without_a_workspace_has_its_folders_tried(
    tmp_path: Path, acme: GroupConfig, clock: FakeClock
) -> None:
    landing, evidence = tmp_path / "landing", tmp_path / "evidence"
    landing.mkdir()

    good = check_folders(acme, landing=landing, evidence=evidence, clock=clock)
    bad = check_folders(acme, landing=tmp_path / "absent", evidence=evidence, clock=clock)

    assert good.status == "success"
    assert [path for path in evidence.rglob("*") if path.is_file()] == []
    assert failed(bad) == ("landing folder", 5)
