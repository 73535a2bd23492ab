"""Whatever takes a caller refuses another group; whatever is served asks who calls.

Operations and routes are found, not listed: one written tomorrow is tried from its first day.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from kmflow_orchestration import operations
from kmflow_orchestration.access.api_tokens import new_token
from kmflow_orchestration.access.caller import Caller, caller_of
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.config.group_input import parse_group
from kmflow_orchestration.context import GroupContext
from kmflow_orchestration.databricks_client.connect import ClientCache
from kmflow_orchestration.errors import GroupRefused, MissingGroup
from kmflow_orchestration.intake.corrections import CorrectionStore
from kmflow_orchestration.intake.evidence_register import EvidenceRegister
from kmflow_orchestration.intake.file_history import FileHistory
from kmflow_orchestration.intake.ledger import Ledger
from kmflow_orchestration.intake.outlook import Landing
from kmflow_orchestration.intake.quarantine import QuarantineStore
from kmflow_orchestration.metadata.api_tokens import ApiTokens
from kmflow_orchestration.metadata.config_audit import ConfigAudit
from kmflow_orchestration.metadata.dataset_tables import DatasetTables
from kmflow_orchestration.metadata.engagements import Engagements
from kmflow_orchestration.metadata.engine import open_sessions, transaction
from kmflow_orchestration.metadata.group_configs import GroupConfigs
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.correction_requests import CorrectionRequest
from kmflow_orchestration.operations.health import Health
from kmflow_orchestration.service.app import create_app
from kmflow_orchestration.service.dependencies import ServiceDependencies
from kmflow_orchestration.service.server import ServiceServer
from kmflow_orchestration_tests.control_databases import ControlDatabases, NewDatabase, engine_of
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.runs.profile_world import ACME, GLOBEX, ProfileWorld

OPEN = {"/api/v1/health": "tells nothing about any group"}
OWN_TOKENS = {
    "/data-quality/testgen/profile-runs/{profile_run_id}/complete": "signed for one run",
    "/api/v1/data-quality/testgen/profile-runs/{profile_run_id}/complete": "the same",
}


def takes_caller(function: Callable[..., Any]) -> bool:
    public = not function.__name__.startswith("_")
    return public and "caller" in inspect.signature(function).parameters


def operations_with_a_caller() -> dict[str, Callable[..., Any]]:
    modules = (
        importlib.import_module(one.name)
        for one in pkgutil.iter_modules(operations.__path__, f"{operations.__name__}.")
        if not one.ispkg
    )
    return {
        name: function
        for module in modules
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if takes_caller(function)
    }


OPERATIONS = operations_with_a_caller()
BOB = caller_of("bob@kmflow.test", ("globex",), Role.ADMIN)
NOBODY = Caller(group_ids=(), group_email="nobody@kmflow.test", user_role=Role.ADMIN)


@pytest.fixture
def at_hand(tmp_path: Path, control_database: NewDatabase) -> dict[str, Any]:
    """What an operation may ask for, by the name of its parameter."""
    sessions = open_sessions(engine_of(control_database(tmp_path / "control.db")))
    clock = FakeClock()
    configs, tokens = GroupConfigs(sessions, clock), ApiTokens(sessions, clock)
    configs.save(ACME, parse_group(ACME, {}), "ann")
    _, parts = new_token(ACME)
    with transaction(sessions) as session:
        Engagements(session).register(ACME, ["e1"], clock.now())
    token = tokens.add(ACME, parts, name="ci", role=Role.ADMIN, expires_at=None, author="ann")
    return {
        "group": ACME,
        "configs": configs,
        "tokens": tokens,
        "audit": ConfigAudit(sessions, clock),
        "clock": clock,
        "role": Role.VIEWER,
        "token_id": token.token_id,
        "values": {"catalog": "stolen"},
        "changes": {"catalog": "stolen"},
        "ledger": Ledger(sessions, clock),
        "config": configs.find(ACME),
        "calls": None,
        "principals": ["analysts"],
        "engagement": "e1",
        "clients": ClientCache(clock),
        "check": lambda config: config,
        "item_id": "i1",
        "register": EvidenceRegister(sessions, clock),
        "asked": "e1/loans.csv",
        "history": FileHistory(sessions, clock),
        "registry": DatasetTables(sessions),
        "corrections": CorrectionStore(sessions, clock),
        "request": CorrectionRequest(engagement="e1", files="*.csv", options={"decimal": ","}),
        "numbers": [1],
        "workers": 0,
        "work_dir": tmp_path,
        "publish": None,
        "landing": Landing(tmp_path, 0, 1),
        "table": "e1__loans",
        "keys": ["id=1"],
        "item": "e1/loans.csv",
        "reason": "fine",
        "quarantine": QuarantineStore(sessions, clock),
        # What nothing may be asked of before the caller was looked at.
        "store": None,
        "stores": None,
        "items": [],
        "target_dir": tmp_path,
        "kept": None,
        "lakehouse": None,
        "moved": None,
        "manifest": tmp_path / "manifest.jsonl",
        "source_dir": tmp_path,
        "weights": {"completeness": 1.0, "reliability": 0.0, "freshness": 0.0, "consistency": 0.0},
    }


def call(function: Callable[..., Any], at_hand: dict[str, Any], caller: Caller) -> Any:
    needed = [
        one.name
        for one in inspect.signature(function).parameters.values()
        if one.default is inspect.Parameter.empty
    ]
    return function(**{name: {**at_hand, "caller": caller}[name] for name in needed})


def all_of_acme(at_hand: dict[str, Any]) -> object:
    return (
        at_hand["configs"].history(ACME),
        at_hand["tokens"].all(ACME),
        at_hand["audit"].entries(ACME),
        at_hand["ledger"].engagements(ACME),
    )


def test_the_search_finds_the_operations() -> None:
    assert {"read_settings", "change_settings", "create_token", "audit_trail"} <= set(OPERATIONS)
    assert {"check_workspace", "discover_workspace", "personal_token_required"} <= set(OPERATIONS)


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_an_operation_refuses_a_group_that_is_not_the_callers(
    name: str, at_hand: dict[str, Any]
) -> None:
    before = all_of_acme(at_hand)
    with pytest.raises(GroupRefused):
        call(OPERATIONS[name], at_hand, BOB)
    assert all_of_acme(at_hand) == before


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_an_operation_does_nothing_for_a_caller_without_a_group(
    name: str, at_hand: dict[str, Any]
) -> None:
    before = all_of_acme(at_hand)
    with pytest.raises(MissingGroup):
        call(OPERATIONS[name], at_hand, NOBODY)
    assert all_of_acme(at_hand) == before


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, control_databases: ControlDatabases
) -> ProfileWorld:
    home = tmp_path_factory.mktemp("routes")
    return ProfileWorld(control_databases.new(home / "control.db"))


@pytest.fixture(scope="module")
def served(world: ProfileWorld) -> Iterator[ServiceServer]:
    given = ServiceDependencies(
        *(world.runs, world.keys, "local", world.clock, world.tokens), health=never, group=nothing
    )
    with ServiceServer(create_app(given)) as server:
        yield server


def never(group: GroupId, caller: Caller) -> Health:
    """Nobody who may not know how a group is gets this far."""
    raise AssertionError(group)


def nothing(group: GroupId) -> GroupContext:
    """Nor does anybody who has no business with it."""
    raise AssertionError(group)


def routes(server: ServiceServer) -> list[tuple[str, str]]:
    """Method and path of every route, `{names}` in it still to be filled in."""
    paths = server.app.openapi()["paths"]
    return [(method, path) for path, methods in paths.items() for method in methods]


def test_every_route_but_the_open_ones_asks_who_calls(served: ServiceServer) -> None:
    let_in = {}
    for method, path in routes(served):
        address = served.url + path.replace("{group_id}", "acme")
        let_in[path] = httpx.request(method, address, timeout=10).status_code != 401
    assert {path for path, inside in let_in.items() if inside} == set(OPEN)
    assert {*OPEN, *OWN_TOKENS, "/api/v1/me"} <= set(let_in)


def test_no_route_is_opened_to_another_group(served: ServiceServer, world: ProfileWorld) -> None:
    secret, parts = new_token(GLOBEX)
    world.tokens.add(GLOBEX, parts, name="x", role=Role.ADMIN, expires_at=None, author="bob")
    headers = {"Authorization": f"Bearer {secret.reveal()}", "X-KMFlow-Group": "acme"}
    for method, path in routes(served):
        if path not in {*OPEN, *OWN_TOKENS}:
            address = served.url + path.replace("{group_id}", "acme")
            answer = httpx.request(method, address, headers=headers, timeout=10)
            assert (path, answer.status_code) == (path, 403)
