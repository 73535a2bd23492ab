"""Every kind of failure as an HTTP answer, with real faults behind it (row E5)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest
import sqlalchemy as sa

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.config.group_input import parse_group
from kmflow_orchestration.databricks_client.connect import connect
from kmflow_orchestration.databricks_client.warehouses import discover_warehouse
from kmflow_orchestration.databricks_client.workspace_info import current_principal
from kmflow_orchestration.errors import CallbackRejected, KmflowError, UnknownTableGroup
from kmflow_orchestration.metadata.engine import open_sessions
from kmflow_orchestration.metadata.group_configs import GroupConfigs
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.redaction import register
from kmflow_orchestration.service.app import create_app
from kmflow_orchestration.service.dependencies import ServiceDependencies
from kmflow_orchestration.service.error_responses import status_of
from kmflow_orchestration.service.server import ServiceServer
from kmflow_orchestration_tests.embedded import embedded_server, fresh_room
from kmflow_orchestration_tests.runs.profile_world import ACME, ProfileWorld
from kmflow_orchestration_tests.service.platform_world import Platform, Starter, add_routes

__all__ = ["embedded_server"]

# One workspace and one service for the module: its tests stay together in one worker.
pytestmark = pytest.mark.xdist_group("service_error_map")

CREATE, RUN_NOW = "/api/2.*/jobs/create", "/api/2.*/jobs/run-now"
ME = "*/scim/v2/Me"
ALWAYS = {"error", "detail", "retryable"}
KNOWN = {"table_group_id", "profile_run_id", "databricks_error_code"}


@pytest.fixture(scope="module")
def platform(embedded_server) -> Iterator[Platform]:
    made = Platform(fresh_room(embedded_server))
    yield made
    made.close()


@pytest.fixture(scope="module")
def app_server(tmp_path_factory, control_databases) -> Iterator[ServiceServer]:
    home = tmp_path_factory.mktemp("errors")
    nothing = ProfileWorld(control_databases.new(home / "control.db"))
    app = create_app(
        ServiceDependencies(nothing.runs, None, "databricks", nothing.clock, nothing.tokens)
    )
    add_routes(app)
    with ServiceServer(app) as listening:
        yield listening


@pytest.fixture
def service(world, platform, app_server) -> Iterator[Starter]:
    platform.room.server.faults.clear()
    with httpx.Client(timeout=30) as client:
        starter = Starter(world, platform, client, app_server.url)
        app_server.app.state.starter = starter
        starter.fill("e1")
        yield starter
    platform.room.server.faults.clear()


def told(answer: httpx.Response) -> tuple[int, str, bool]:
    """Status, code and retryable; the body has what a body always has, and nothing unknown."""
    body = answer.json()
    assert body.keys() >= ALWAYS
    assert body.keys() - ALWAYS <= KNOWN
    assert body["detail"]
    return answer.status_code, body["error"], body["retryable"]


def test_a_start_that_goes_well_is_accepted(service):
    service.fail("run_ends", "*", times=1)

    answer = service.start()

    assert (answer.status_code, answer.json()["status"]) == (202, "queued")


def test_missing_configuration_is_503_and_nothing_is_asked_of_the_workspace(service, platform):
    bare = GroupConfig(group_id=ACME, version=1, catalog="c", schema="s")
    before = platform.room.server.requests().count()

    answer = service.answer_to(lambda: connect(bare, clock=platform.clock))

    assert told(answer) == (503, "KM-CONFIG-001", False)
    assert "workspace_url, token" in answer.json()["detail"]
    assert platform.room.server.requests().count() == before


def test_an_unknown_group_is_404(service, world):
    configs = GroupConfigs(open_sessions(world.engine), world.clock)

    answer = service.answer_to(lambda: configs.active(GroupId("nobody")))

    assert told(answer) == (404, "KM-CONFIG-002", False)


def test_a_group_that_is_switched_off_is_409(service, world):
    configs = GroupConfigs(open_sessions(world.engine), world.clock)
    configs.save(ACME, parse_group(ACME, {"catalog": "c", "enabled": False}), "tests")

    answer = service.answer_to(lambda: configs.active(ACME))

    assert told(answer) == (409, "KM-CONFIG-006", False)


@pytest.mark.parametrize(
    ("table_group", "code"), [("nobody", "KM-PROFILE-008"), ("empty", "KM-PROFILE-010")]
)
def test_an_unknown_or_empty_table_group_is_404_and_named(service, world, table_group, code):
    world.add_table_group(ACME, "empty")

    answer = service.start(table_group)

    assert told(answer) == (404, code, False)
    assert answer.json()["table_group_id"] == table_group


def test_an_unknown_run_is_404_and_named(service, world):
    answer = service.answer_to(lambda: world.runs.get(ACME, "no-such-run"))

    assert told(answer) == (404, "KM-PROFILE-003", False)
    assert answer.json()["profile_run_id"] == "no-such-run"


def test_an_inactive_table_group_is_409(service, world):
    world.table_groups.save(ACME, replace(world.table_group, is_active=False))

    answer = service.start()

    assert told(answer) == (409, "KM-PROFILE-009", False)
    assert answer.json()["table_group_id"] == "e1"


def test_an_outstanding_run_is_409_and_named(service, world):
    run = world.submit()

    answer = service.start()

    assert told(answer) == (409, "KM-PROFILE-002", False)
    assert (answer.json()["table_group_id"], answer.json()["profile_run_id"]) == (
        "e1",
        run.profile_run_id,
    )


@pytest.mark.parametrize(
    ("status", "word", "code"),
    [
        (400, "INVALID_PARAMETER_VALUE", "KM-REMOTE-010"),
        (403, "PERMISSION_DENIED", "KM-ACCESS-001"),
        (404, "RESOURCE_DOES_NOT_EXIST", "KM-REMOTE-005"),
    ],
)
def test_a_job_the_workspace_refuses_to_make_is_502_and_leaves_no_run(
    service, world, status, word, code
):
    service.fail("fail_times", CREATE, status=status, error_code=word)
    service.fill("fresh")

    answer = service.start("fresh")

    assert told(answer) == (502, code, False)
    assert answer.json()["databricks_error_code"] == word
    assert answer.json()["table_group_id"] == "fresh"
    assert world.runs.latest(ACME) == []


def test_a_run_the_workspace_refuses_to_start_is_502_and_names_the_run_that_failed(service, world):
    service.fail("fail_times", RUN_NOW, status=400, error_code="INVALID_PARAMETER_VALUE")

    answer = service.start()

    assert told(answer) == (502, "KM-REMOTE-010", False)
    (run,) = world.runs.latest(ACME)
    assert (run.status, run.error_message) == ("failed", answer.json()["detail"])
    assert answer.json()["profile_run_id"] == run.profile_run_id
    assert answer.json()["databricks_error_code"] == "INVALID_PARAMETER_VALUE"


def test_a_workspace_that_limits_our_rate_is_503_with_the_wait_it_asked_for(service, world):
    service.fail("rate_limit", RUN_NOW, retry_after_s=7)

    answer = service.start()

    assert told(answer) == (503, "KM-REMOTE-014", True)
    assert answer.headers["retry-after"] == "7"
    assert answer.json()["databricks_error_code"] == "RESOURCE_EXHAUSTED"
    assert answer.json()["profile_run_id"] == world.runs.latest(ACME)[0].profile_run_id


def test_a_rate_limit_without_a_wait_is_503_with_the_one_we_would_have_kept(service, platform):
    service.fail("fail_times", ME, status=429, error_code="REQUEST_LIMIT_EXCEEDED")

    answer = service.answer_to(lambda: current_principal(platform.calls))

    assert told(answer) == (503, "KM-REMOTE-014", True)
    assert 12 <= int(answer.headers["retry-after"]) <= 20


def test_a_wait_of_no_time_at_all_is_told_as_a_second(service, platform):
    service.fail("rate_limit", ME, retry_after_s=0)

    answer = service.answer_to(lambda: current_principal(platform.calls))

    assert answer.headers["retry-after"] == "1"


def test_a_workspace_that_does_not_answer_in_time_is_504(service, platform):
    service.fail("delay", ME, seconds=3.0)

    answer = service.answer_to(lambda: current_principal(platform.impatient()))

    assert told(answer) == (504, "KM-REMOTE-013", True)


@pytest.mark.parametrize("status", [408, 504])
def test_a_timeout_the_workspace_tells_of_is_504(service, platform, status):
    service.fail("fail_times", ME, status=status, error_code="DEADLINE_EXCEEDED")

    answer = service.answer_to(lambda: current_principal(platform.calls))

    assert told(answer) == (504, "KM-REMOTE-013", True)


def test_a_warehouse_that_does_not_start_in_time_is_504(service, platform):
    admin = platform.room.admin_client()
    for one in admin.warehouses.list():
        admin.warehouses.stop(one.id)
    service.fail("cold_warehouse", "*", seconds=60.0)

    answer = service.answer_to(lambda: discover_warehouse(platform.calls, clock=platform.clock))

    assert told(answer) == (504, "KM-REMOTE-012", True)


@pytest.mark.parametrize("fault", ["fail_times", "execute_then_drop"])
def test_a_workspace_that_is_away_is_502_and_may_be_tried_again(service, platform, fault):
    service.fail(fault, ME)

    answer = service.answer_to(lambda: current_principal(platform.calls))

    assert told(answer) == (502, "KM-REMOTE-001", True)
    assert "retry-after" not in answer.headers


def test_a_metadata_store_that_is_down_is_503(service, world):
    with world.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE dq_profiles RENAME TO elsewhere"))

    answer = service.start()

    assert told(answer)[::2] == (503, True)
    assert answer.json()["table_group_id"] == "e1"


def test_a_parameter_that_is_wrong_is_422_and_named(service):
    answer = service.client.post(f"{service.url}/api/v1/calls?limit=many")

    assert (answer.status_code, answer.json()["error"]) == (422, "invalid_body")
    assert answer.json()["fields"].keys() == {"query.limit"}
    assert "many" not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "status", "word"),
    [
        ("GET", "/api/v1/nothing", 404, "not_found"),
        ("GET", "/api/v1/calls", 405, "method_not_allowed"),
    ],
)
def test_what_is_not_served_has_the_same_body(service, method, path, status, word):
    answer = service.client.request(method, service.url + path)

    assert told(answer) == (status, word, False)


def test_a_defect_of_ours_is_500_and_its_text_stays_inside(service):
    def broken() -> None:
        raise RuntimeError("a value of the data")

    answer = service.answer_to(broken)

    assert told(answer) == (500, "internal_error", False)
    assert "value" not in answer.text


def _kinds(kind: type[KmflowError]) -> Iterator[type[KmflowError]]:
    for one in kind.__subclasses__():
        yield one
        yield from _kinds(one)


def test_no_error_of_ours_is_left_without_a_status():
    # A rejected callback brings its own; the embedded workspace's errors never get here.
    ours = [
        kind
        for kind in _kinds(KmflowError)
        if kind is not CallbackRejected and ".workspace." not in kind.__module__
    ]

    assert [kind.__name__ for kind in ours if status_of(kind.__new__(kind)) == 500] == []


def test_no_answer_and_no_log_shows_a_secret(service, caplog):
    secret = "t0ld/by+a=service9f3a51"
    register(secret)

    def refused() -> None:
        raise UnknownTableGroup("no such table group").about(table_group_id=secret)

    def broken() -> None:
        raise RuntimeError(f"with {secret}")

    answer = service.answer_to(refused)
    assert answer.json()["table_group_id"] == "***"
    assert service.answer_to(broken).status_code == 500
    give_up_at = time.monotonic() + 10
    while "RuntimeError: with ***" not in caplog.text:  # logged after the answer
        assert time.monotonic() < give_up_at
        time.sleep(0.02)
    assert secret not in caplog.text + answer.text
