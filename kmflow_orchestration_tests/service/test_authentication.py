"""API tokens at the service: who may ask, for which group, in which role (rows A5, E5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI

from kmflow_orchestration.access.api_tokens import new_token
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.metadata.api_tokens import ApiTokens
from kmflow_orchestration.metadata.engine import open_engine, open_sessions
from kmflow_orchestration.service import error_responses
from kmflow_orchestration.service.app import create_app
from kmflow_orchestration.service.authentication import GROUP_HEADER, SignedIn, signed_in
from kmflow_orchestration.service.dependencies import ServiceDependencies
from kmflow_orchestration.service.server import ServiceServer
from kmflow_orchestration_tests.runs.profile_world import ACME, GLOBEX, ProfileWorld
from kmflow_orchestration_tests.service.conftest import Caller

ANN = "ann@kmflow.test"


def with_routes(app: FastAPI) -> FastAPI:
    """Two more routes as a later one may be: one for editors, one with the group in its path."""

    @app.post("/api/v1/work")
    def work(who: Annotated[SignedIn, Depends(signed_in(Role.EDITOR))]) -> dict[str, str]:
        return {"group": who.group}

    @app.get("/api/v1/groups/{group_id}/things")
    def things(
        group_id: str, who: Annotated[SignedIn, Depends(signed_in(Role.VIEWER))]
    ) -> dict[str, str]:
        return {"asked": group_id, "group": who.group}

    return app


@pytest.fixture
def service(world: ProfileWorld) -> Iterator[httpx.Client]:
    given = ServiceDependencies(world.runs, None, "local", world.clock, world.tokens)
    with (
        ServiceServer(with_routes(create_app(given))) as server,
        httpx.Client(base_url=server.url, timeout=10) as client,
    ):
        yield client


Give = Callable[..., dict[str, str]]


@pytest.fixture
def give(world: ProfileWorld) -> Give:
    """Headers with a new token."""

    def made(group=ACME, role=Role.VIEWER, *, days: int | None = None) -> dict[str, str]:
        secret, parts = new_token(group)
        end = None if days is None else world.clock.now() + timedelta(days=days)
        world.tokens.add(group, parts, name="ci", role=role, expires_at=end, author=ANN)
        return {"Authorization": f"Bearer {secret.reveal()}"}

    return made


def test_a_token_tells_what_it_is_good_for(service: httpx.Client, give: Give) -> None:
    answer = service.get("/api/v1/me", headers=give(role=Role.ADMIN, days=1))

    assert answer.json() == {
        "group_id": "acme",
        "role": "admin",
        "token_name": "ci",
        "expires_at": "2026-11-21T09:00:00.000000+00:00",
    }
    assert service.get("/api/v1/me", headers=give()).json()["expires_at"] is None


def test_every_bad_token_gets_the_same_answer(
    service: httpx.Client, give: Give, world: ProfileWorld
) -> None:
    expired, revoked, good = give(days=1), give(), give()["Authorization"]
    world.clock.advance(86_400)
    token_id = revoked["Authorization"].split(".")[1]
    world.tokens.revoke(ACME, token_id, ANN)
    unknown = f"Bearer {new_token(ACME)[0].reveal()}"
    stolen = good.replace("kmf_acme", "kmf_globex")
    headers = [
        {}, expired, revoked, {"Authorization": unknown}, {"Authorization": stolen},
        {"Authorization": "Bearer x"}, {"Authorization": good.replace("Bearer", "Basic")},
        {"Authorization": good[:-1] + ("0" if good[-1] != "0" else "1")},
    ]  # fmt: skip

    answers = [service.get("/api/v1/me", headers=one) for one in headers]

    assert {one.status_code for one in answers} == {401}
    assert len({one.text for one in answers}) == 1
    assert answers[0].json()["error"] == "KM-CALLER-002"
    assert {one.headers["www-authenticate"] for one in answers} == {"Bearer"}
    assert service.get("/api/v1/me", headers={"Authorization": good}).status_code == 200


def test_a_token_revoked_while_it_is_in_use_is_refused_by_the_next_request(
    service: httpx.Client, give: Give, world: ProfileWorld
) -> None:
    """Another process revokes it: nothing of it is remembered here."""
    headers = give()
    assert service.get("/api/v1/me", headers=headers).status_code == 200
    engine = open_engine(world.database_url)
    elsewhere = ApiTokens(open_sessions(engine), world.clock)
    elsewhere.revoke(ACME, headers["Authorization"].split(".")[1], ANN)
    engine.dispose()
    assert service.get("/api/v1/me", headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("role", "status"), [(Role.VIEWER, 403), (Role.EDITOR, 200), (Role.ADMIN, 200)]
)
def test_a_route_asks_for_a_role(service: httpx.Client, give: Give, role, status) -> None:
    answer = service.post("/api/v1/work", headers=give(role=role))
    assert answer.status_code == status
    assert status == 200 or answer.json()["error"] == "KM-CALLER-003"


@pytest.mark.parametrize("group", ["globex", "ACME", "acme,globex", "nobody"])
def test_a_header_or_path_never_reaches_another_group(
    service: httpx.Client, give: Give, group: str
) -> None:
    headers = give(role=Role.ADMIN)
    asked = service.get("/api/v1/me", headers={**headers, GROUP_HEADER: group})
    went = service.get(f"/api/v1/groups/{group}/things", headers=headers)

    assert (asked.status_code, went.status_code) == (403, 403)
    assert asked.json() == went.json()
    assert asked.json()["error"] == "KM-CALLER-004"


def test_naming_ones_own_group_is_fine(service: httpx.Client, give: Give) -> None:
    headers = give()
    asked = service.get("/api/v1/me", headers={**headers, GROUP_HEADER: "acme"})
    went = service.get("/api/v1/groups/acme/things", headers=headers)
    assert (asked.json()["group_id"], went.json()["group"]) == ("acme", "acme")


def test_query_and_body_say_nothing_about_the_group(service: httpx.Client, give: Give) -> None:
    headers = give(role=Role.EDITOR)
    asked = service.get("/api/v1/me", params={"group_id": "globex"}, headers=headers)
    worked = service.post("/api/v1/work", json={"group_id": "globex"}, headers=headers)
    assert asked.json()["group_id"] == worked.json()["group"] == "acme"


def test_each_group_has_its_own_tokens(service: httpx.Client, give: Give) -> None:
    theirs = service.get("/api/v1/me", headers=give(GLOBEX))
    assert theirs.json()["group_id"] == "globex"


def test_health_needs_no_token_and_a_callback_token_opens_nothing_else(
    service: httpx.Client, caller: Caller, world: ProfileWorld
) -> None:
    assert service.get("/api/v1/health").status_code == 200
    assert service.get("/api/v1/me", headers=caller.headers(world.submit())).status_code == 401


def test_a_database_that_is_away_is_no_reason_to_let_anybody_in(
    service: httpx.Client, give: Give, world: ProfileWorld
) -> None:
    headers = give()
    with world.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE api_tokens RENAME TO away")
    answer = service.get("/api/v1/me", headers=headers)
    assert (answer.status_code, answer.json()["retryable"]) == (503, True)


def test_the_dependency_works_in_any_application(world: ProfileWorld, give: Give) -> None:
    app = FastAPI()
    app.state.dependencies = ServiceDependencies(
        world.runs, None, "local", world.clock, world.tokens
    )
    error_responses.install(app)
    with ServiceServer(with_routes(app)) as server:
        answer = httpx.get(f"{server.url}/api/v1/groups/acme/things", headers=give(), timeout=10)
    assert answer.json() == {"asked": "acme", "group": "acme"}
