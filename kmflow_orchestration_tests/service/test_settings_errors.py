"""Refused settings as HTTP answers (rows A2, A7, E5): real operations behind one route."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest

from kmflow_orchestration.access.caller import Caller, caller_of
from kmflow_orchestration.access.roles import Role, parse_role
from kmflow_orchestration.config.group_input import parse_group
from kmflow_orchestration.intake.ledger import Ledger
from kmflow_orchestration.metadata.engagements import Engagements
from kmflow_orchestration.metadata.engine import transaction
from kmflow_orchestration.metadata.group_configs import GroupConfigs
from kmflow_orchestration.operations import group_settings
from kmflow_orchestration.operations.engagement_settings import set_quality_weights
from kmflow_orchestration.operations.token_administration import create_token, revoke_token
from kmflow_orchestration.outputs.resolve import resolve_upload
from kmflow_orchestration.service.app import create_app
from kmflow_orchestration.service.dependencies import ServiceDependencies
from kmflow_orchestration.service.server import ServiceServer
from kmflow_orchestration_tests.control_databases import ControlDatabases
from kmflow_orchestration_tests.runs.profile_world import ACME, GLOBEX, ProfileWorld

pytestmark = pytest.mark.xdist_group("service_settings_errors")

PASTED = "dapi0123456789abcdef0123456789abcdef"
ADMIN = caller_of("ann@kmflow.test", (ACME,), Role.ADMIN)
OPERATOR = replace(ADMIN, is_operator=True)
VIEWER = caller_of("eve@kmflow.test", (ACME,), Role.VIEWER)
STRANGER = caller_of("bob@kmflow.test", (GLOBEX,), Role.ADMIN)
BAD = {
    "catalog": "a b",
    "workspace_url": "http://10.0.0.1/path",
    "token": PASTED,
    "volume_enabled": True,
    "max_file_size_mb": 0,
    "volume_file_formt": "json",
}


@dataclass
class Answering:
    """A service with one route that does what it is told to."""

    url: str
    app: Any
    world: ProfileWorld
    configs: GroupConfigs
    ledger: Ledger

    def to(self, call: Callable[[], object]) -> httpx.Response:
        self.app.state.call = call
        return httpx.post(f"{self.url}/call", timeout=10)

    def settings(self, name: str, *values: Any, caller: Caller = ADMIN, **more: Any) -> Any:
        """What an operation on acme's settings is answered with."""
        operation = getattr(group_settings, name)
        return self.to(
            lambda: operation(ACME, *values, caller=caller, configs=self.configs, **more)
        )


@pytest.fixture(scope="module")
def answering(
    tmp_path_factory: pytest.TempPathFactory, control_databases: ControlDatabases
) -> Iterator[Answering]:
    home = tmp_path_factory.mktemp("settings")
    world = ProfileWorld(control_databases.new(home / "control.db"))
    sessions = world.runs.sessions
    configs, ledger = GroupConfigs(sessions, world.clock), Ledger(sessions, world.clock)
    configs.save(ACME, parse_group(ACME, {"catalog": "acme"}), "tests")
    landing = {"catalog": "globex", "landing_path": str(home / "globex")}
    configs.save(GLOBEX, parse_group(GLOBEX, landing), "tests")
    with transaction(sessions) as session:
        Engagements(session).register(ACME, ["e1"], world.clock.now())
    app = create_app(ServiceDependencies(world.runs, None, "local", world.clock, world.tokens))

    @app.post("/call")
    def call() -> dict[str, str]:
        return {"answer": str(app.state.call())[:20]}

    with ServiceServer(app) as listening:
        yield Answering(listening.url, app, world, configs, ledger)


def told(answer: httpx.Response) -> tuple[int, str]:
    body = answer.json()
    assert body["retryable"] is False
    assert body["detail"]
    return answer.status_code, body["error"]


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("save_settings", {"warehouse_id", "schema", "volume_path"}),
        ("change_settings", {"warehouse_id", "volume_path"}),
    ],
)
def test_every_bad_field_is_named_with_its_rule_and_no_value(
    answering: Answering, name: str, needed: set[str]
) -> None:
    before = answering.configs.history(ACME)

    answer = answering.settings(name, BAD)

    assert told(answer) == (422, "KM-CONFIG-008")
    fields = answer.json()["fields"]
    assert fields.keys() == {*BAD, *needed} - {"volume_enabled"}
    assert fields["max_file_size_mb"] == "Input should be greater than or equal to 1"
    assert "did you mean volume_file_format" in fields["volume_file_formt"]
    assert PASTED not in answer.text
    assert "10.0.0.1" not in answer.text
    assert answering.configs.history(ACME) == before


def test_a_place_of_another_group_is_422(answering: Answering) -> None:
    folder = answering.configs.active(GLOBEX).landing_path

    answer = answering.settings("change_settings", {"landing_path": folder}, caller=OPERATOR)

    assert told(answer) == (422, "KM-CONFIG-008")
    assert answer.json()["fields"].keys() == {"landing_path"}


@pytest.mark.parametrize(
    ("name", "values", "more"),
    [
        ("save_settings", [{"catalog": "x"}], {"expected_version": 9}),
        ("change_settings", [{"catalog": "x"}], {"expected_version": 9}),
        ("disable_group", [], {"expected_version": 9}),
        ("create_group", [{"catalog": "x"}], {}),
    ],
)
def test_another_version_than_the_active_one_is_409(
    answering: Answering, name: str, values: list[Any], more: dict[str, Any]
) -> None:
    assert told(answering.settings(name, *values, **more)) == (409, "KM-CONFIG-007")
    assert answering.configs.active(ACME).version == 1


@pytest.mark.parametrize(
    ("caller", "changes", "code"),
    [
        (VIEWER, {"catalog": "x"}, "KM-CALLER-003"),
        (STRANGER, {"catalog": "x"}, "KM-CALLER-004"),
        (ADMIN, {"group_id": "globex"}, "KM-CALLER-004"),
        (ADMIN, {"landing_path": "/etc"}, "KM-CALLER-005"),
    ],
    ids=["role", "group", "group in the body", "operator's setting"],
)
def test_who_may_not_is_403(
    answering: Answering, caller: Caller, changes: dict[str, Any], code: str
) -> None:
    assert told(answering.settings("change_settings", changes, caller=caller)) == (403, code)
    assert answering.configs.active(ACME).version == 1


def test_bad_values_of_other_operations_are_422_and_unknown_things_404(
    answering: Answering,
) -> None:
    def weigh(engagement: str, weights: dict[str, float]) -> object:
        return set_quality_weights(ACME, engagement, weights, caller=ADMIN, ledger=answering.ledger)

    def token(expires: str, name: str = "ci") -> object:
        return create_token(
            ACME,
            Role.VIEWER,
            caller=ADMIN,
            tokens=answering.world.tokens,
            configs=answering.configs,
            clock=answering.world.clock,
            name=name,
            expires=expires,
        )

    even = dict.fromkeys(("completeness", "reliability", "freshness", "consistency"), 0.25)
    config = answering.configs.active(ACME)
    for call, field in (
        (lambda: weigh("e1", {**even, "freshness": 7.0}), "quality_weights"),
        (lambda: token("2020-01-01"), "expires"),
        (lambda: token("30d", "two\nlines"), "name"),
        (lambda: parse_role("owner"), "role"),
        (lambda: resolve_upload(config, {"token": PASTED}), "token"),
    ):
        answer = answering.to(call)
        assert told(answer) == (422, "KM-CONFIG-008")
        assert answer.json()["fields"].keys() == {field}
        assert PASTED not in answer.text
    assert told(answering.to(lambda: weigh("nowhere", even))) == (404, "KM-CONFIG-009")
    revoke = revoke_token
    assert told(
        answering.to(lambda: revoke(ACME, "0" * 16, caller=ADMIN, tokens=answering.world.tokens))
    ) == (404, "KM-TOKEN-001")


def test_what_is_missing_on_this_side_stays_503(answering: Answering) -> None:
    """A configuration that was saved and does not suffice is no fault of the request."""
    config = answering.configs.active(ACME)
    answer = answering.to(lambda: resolve_upload(replace(config, volume_enabled=True), None))
    assert told(answer) == (503, "KM-CONFIG-001")
    assert "fields" not in answer.json()
