"""Rows A8 and C16: each step that fails says in known words what failed, and exactly what to do."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pytest

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.config.secret_refs import SecretRef
from kmflow_orchestration.databricks_client.connect import connect
from kmflow_orchestration.databricks_client.retries import RetryPolicy
from kmflow_orchestration.operations.check_connection import ConnectionCheck, check_connection
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration.workspace.seeding import seed_client
from kmflow_orchestration.workspace.wire import Caller
from kmflow_orchestration_tests.databricks_client.conftest import answering
from kmflow_orchestration_tests.embedded import Room, embedded_server, room
from kmflow_orchestration_tests.embedded_groups import GroupsInRoom
from kmflow_orchestration_tests.fakes import FakeClock

__all__ = ["embedded_server", "room"]

ME, WAREHOUSES = "*/scim/v2/Me", "/api/2.0/sql/warehouses/*"
STATEMENTS, CATALOG = "/api/2.0/sql/statements*", "/api/2.1/unity-catalog"
HOST = "127.0.0.1"


@dataclass
class Trying:
    """acme's workspace, in which something is wrong, and its connection check."""

    groups: GroupsInRoom
    config: GroupConfig
    timeout_s: float = 30.0
    kept: list[Any] = field(default_factory=list)

    @property
    def room(self) -> Room:
        return self.groups.room

    def token(self, value: str) -> None:
        self.groups.environment["TOKEN_acme"] = value

    def settings(self, **changes: Any) -> None:
        self.config = replace(self.config, **changes)

    def fault(self, **how: Any) -> None:
        self.room.server.faults.add(Fault(**{"name": "fail_times", "times": 99, **how}))

    def refusal(self, path: str, method: str = "*") -> None:
        self.fault(path=path, method=method, status=403, error_code="PERMISSION_DENIED")

    def checked(self) -> ConnectionCheck:
        opening = partial(
            connect,
            clock=self.groups.clock,
            environment=self.groups.environment,
            http_timeout_s=self.timeout_s,
            retry_policy=RetryPolicy(attempts=3),
        )
        return check_connection(
            self.config, connect=opening, clock=self.groups.clock, timeout_s=self.timeout_s
        )


@pytest.fixture
def trying(room: Room, clock: FakeClock) -> Iterator[Trying]:
    groups = GroupsInRoom(room, clock)
    warehouse = room.server.services.warehouses.default_id(room.admin.workspace_id)
    opened = Trying(groups, replace(groups.config("acme"), warehouse_id=warehouse))
    yield opened
    groups.close()
    for one in opened.kept:
        one.close()


def nobodys_port() -> int:
    with socket.create_server((HOST, 0)) as taken:
        return int(taken.getsockname()[1])


def silent_host(trying: Trying) -> None:
    trying.kept.append(server := socket.create_server((HOST, 0), backlog=1))
    trying.timeout_s = 0.2
    trying.settings(workspace_url=f"https://{HOST}:{server.getsockname()[1]}")


def slow_answer(trying: Trying) -> None:
    trying.timeout_s = 0.2
    trying.fault(name="delay", path=ME, seconds=0.5)


def wrong_client(trying: Trying) -> None:
    caller = Caller(trying.room.admin.workspace_id, "acme-service")
    client_id = seed_client(trying.room.server, caller, secret="a-clients-secret-4f9d8a7b")
    trying.groups.environment["S"] = "another-secret-9e107d9d"
    trying.settings(token=None, client_id=client_id, client_secret=SecretRef("env", "S"))


def not_a_workspace(trying: Trying) -> None:
    context = answering({"hello": "from somebody else"})
    trying.settings(workspace_url=context.__enter__())
    trying.kept.append(_Leaving(context))


class _Leaving:
    def __init__(self, context: Any) -> None:
        self._context = context

    def close(self) -> None:
        self._context.__exit__(None, None, None)


def cold_warehouse(trying: Trying) -> None:
    trying.room.admin_client().warehouses.stop(trying.config.warehouse_id)
    trying.fault(name="cold_warehouse", seconds=3600)
    trying.settings(warehouse_start_timeout_s=60)


@dataclass(frozen=True)
class Case:
    """What is wrong, where it must be seen, and in which words."""

    spoil: Callable[[Trying], object]
    step: str
    exit_code: int
    code: str
    says: str
    remedy: str


CASES = {
    "missing fields": Case(
        lambda it: it.settings(workspace_url="", token=None),
        *("settings", 3, "KM-CONFIG-001"),
        says="missing workspace_url, token",
        remedy="set them in the group's configuration",
    ),
    "plain http": Case(
        lambda it: it.settings(workspace_url="http://adb-1.7.azuredatabricks.net"),
        *("settings", 3, "KM-CONFIG-001"),
        says="workspace_url must use https",
        remedy="correct workspace_url: kmflow group set acme",
    ),
    "unset variable": Case(
        lambda it: it.groups.environment.pop("TOKEN_acme"),
        *("credentials", 3, "KM-CONFIG-004"),
        says="env:TOKEN_acme is not set",
        remedy="export TOKEN_acme",
    ),
    "placeholder": Case(
        lambda it: it.token("your-token-here"),
        *("credentials", 3, "KM-CONFIG-004"),
        says="env:TOKEN_acme still holds the template value",
        remedy="put the secret there",
    ),
    "pasted header": Case(
        lambda it: it.token("Bearer dapi9e107d9d372bb6826bd81d3542a419d6"),
        *("credentials", 3, "KM-CONFIG-004"),
        says="begins with `Bearer`",
        remedy="remove the prefix",
    ),
    "no such file": Case(
        lambda it: it.settings(token=SecretRef("file", "/absent/token")),
        *("credentials", 3, "KM-CONFIG-004"),
        says="file:/absent/token cannot be read: No such file",
        remedy="put the secret where the settings say: kmflow group show acme",
    ),
    "unknown host": Case(
        lambda it: it.settings(workspace_url="https://no-such-host.invalid"),
        *("host name", 5, "KM-REMOTE-011"),
        says="no-such-host.invalid has no address",
        remedy="check workspace_url for a typing error",
    ),
    "closed port": Case(
        lambda it: it.settings(workspace_url=f"http://{HOST}:{nobodys_port()}"),
        *("network", 5, "KM-REMOTE-011"),
        says="cannot be reached: Connection refused",
        remedy="check workspace_url, the firewall and the proxy",
    ),
    "silent host": Case(
        silent_host,
        *("network", 5, "KM-REMOTE-011"),
        says="timeout: 127.0.0.1",
        remedy="check the firewall and the proxy between this machine and the workspace",
    ),
    "unknown token": Case(
        lambda it: it.token("dapi-of-nobody"),
        *("sign-in", 4, "KM-ACCESS-003"),
        says="invalid credentials: GET ",
        remedy="accepts into env:TOKEN_acme",
    ),
    "401": Case(
        lambda it: it.fault(path=ME, status=401, error_code="UNAUTHENTICATED"),
        *("sign-in", 4, "KM-ACCESS-003"),
        says="invalid credentials: GET ",
        remedy="accepts into env:TOKEN_acme",
    ),
    "wrong client": Case(
        wrong_client,
        *("sign-in", 4, "KM-ACCESS-003"),
        says="invalid credentials: POST /oidc/v1/token",
        remedy="accepts into env:S",
    ),
    "403": Case(
        lambda it: it.refusal(ME),
        *("sign-in", 4, "KM-ACCESS-001"),
        says="permissions: GET ",
        remedy="ask an administrator: may env:TOKEN_acme use 127.0.0.1",
    ),
    "no answer": Case(
        slow_answer,
        *("sign-in", 5, "KM-REMOTE-013"),
        says="timeout: GET ",
        remedy="give it more than 0.2 s (--timeout)",
    ),
    "429": Case(
        lambda it: it.fault(name="rate_limit", path=ME, retry_after_s=7),
        *("sign-in", 5, "KM-REMOTE-014"),
        says="gave up after 3 attempts",
        remedy="too many requests: try again in 7 s",
    ),
    "503": Case(
        lambda it: it.fault(path=ME),
        *("sign-in", 5, "KM-REMOTE-001"),
        says="gave up after 3 attempts",
        remedy="in maintenance? look at its status page",
    ),
    "not a workspace": Case(
        not_a_workspace,
        *("sign-in", 5, "KM-REMOTE-007"),
        says="the answer lacks userName",
        remedy="check workspace_url: 127.0.0.1",
    ),
    "warehouse of nobody": Case(
        lambda it: it.settings(warehouse_id="00000000deadbeef"),
        *("warehouse", 5, "KM-REMOTE-005"),
        says="there is no warehouse 00000000deadbeef",
        remedy="set warehouse_id to one of: ",
    ),
    "refused warehouse": Case(
        lambda it: it.refusal(WAREHOUSES),
        *("warehouse", 4, "KM-ACCESS-001"),
        says="permissions: GET /api/2.0/sql/warehouses/",
        remedy="ask for CAN USE on the warehouse",
    ),
    "cold warehouse": Case(
        cold_warehouse,
        *("warehouse", 5, "KM-REMOTE-012"),
        says="is STARTING and did not run in 60 s",
        remedy="start it or enable auto-start",
    ),
    "refused statement": Case(
        lambda it: it.refusal(STATEMENTS, "POST"),
        *("statement", 4, "KM-ACCESS-001"),
        says="permissions: POST /api/2.0/sql/statements",
        remedy="ask for CAN USE on the warehouse, and look at its query history",
    ),
    "refused catalog": Case(
        lambda it: it.refusal(f"{CATALOG}/catalogs/*"),
        *("catalog", 4, "KM-ACCESS-001"),
        says="permissions: GET /api/2.1/unity-catalog/catalogs/kmflow",
        remedy="ask for USE CATALOG on kmflow",
    ),
    "no catalog": Case(
        lambda it: it.settings(catalog="nobodys"),
        *("catalog", 5, "KM-REMOTE-005"),
        says="there is no catalog nobodys",
        remedy="kmflow provision --group acme, or ask for USE CATALOG",
    ),
    "refused schemas": Case(
        lambda it: it.refusal(f"{CATALOG}/schemas"),
        *("schema", 4, "KM-ACCESS-001"),
        says="permissions: GET /api/2.1/unity-catalog/schemas",
        remedy="USE SCHEMA on kmflow.acme_evidence",
    ),
    "no schema": Case(
        lambda it: it.settings(schema="nobodys"),
        *("schema", 5, "KM-REMOTE-005"),
        says="missing in kmflow: nobodys, nobodys_bronze",
        remedy="kmflow provision --group acme, or ask for USE SCHEMA",
    ),
    "refused Volume": Case(
        lambda it: it.refusal(f"{CATALOG}/volumes"),
        *("volume", 4, "KM-ACCESS-001"),
        says="permissions: GET /api/2.1/unity-catalog/volumes",
        remedy="READ VOLUME on the evidence Volume",
    ),
    "no Volume": Case(
        lambda it: it.settings(evidence_volume="nobodys"),
        *("volume", 5, "KM-REMOTE-005"),
        says="there is no Volume /Volumes/kmflow/acme_evidence/nobodys",
        remedy="kmflow provision --group acme, or ask for READ VOLUME",
    ),
    "refused write": Case(
        lambda it: it.refusal("*", "PUT"),
        *("probe file", 4, "KM-ACCESS-001"),
        says="permissions: PUT /api/2.0/fs/",
        remedy="ask for READ VOLUME and WRITE VOLUME on the evidence Volume",
    ),
    "refused read": Case(
        lambda it: it.refusal("/api/2.0/fs/files/*", "GET"),
        *("probe file", 4, "KM-ACCESS-001"),
        says="permissions: GET /api/2.0/fs/files/",
        remedy="ask for READ VOLUME and WRITE VOLUME on the evidence Volume",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_step_that_fails_says_what_and_what_to_do(trying: Trying, case: Case) -> None:
    case.spoil(trying)

    found = trying.checked()

    *before, last = found.steps
    assert {step.status for step in before} <= {"ok"}
    assert (last.name, last.status, found.status) == (case.step, "fail", "error")
    assert (last.exit_code, found.exit_code, last.code) == (case.exit_code,) * 2 + (case.code,)
    assert case.says in last.detail
    assert case.remedy in last.remedy
    assert found.message == f"{last.name}: {last.detail}"
    assert "Traceback" not in repr(found)
    assert [one for one in trying.groups.environment.values() if one in repr(found)] == []


def test_each_step_has_its_own_time(trying: Trying, clock: FakeClock) -> None:
    trying.fault(path=ME, times=2)

    times = {step.name: step.milliseconds for step in trying.checked().steps}

    assert times["sign-in"] == pytest.approx(1000 * sum(clock.slept))
    assert times["sign-in"] >= 2000
    assert times["settings"] == times["catalog"] == 0


def test_a_step_that_fails_has_the_time_it_took(trying: Trying, clock: FakeClock) -> None:
    cold_warehouse(trying)

    last = trying.checked().steps[-1]

    assert (last.name, last.status) == ("warehouse", "fail")
    assert last.milliseconds == pytest.approx(60_000)
