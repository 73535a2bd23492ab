"""Two services over one control database: whoever takes a completion, it counts once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier

import httpx
import pytest

from kmflow_orchestration.metadata.api_tokens import ApiTokens
from kmflow_orchestration.metadata.engine import open_engine, open_sessions
from kmflow_orchestration.metadata.profile_runs import ProfileRuns
from kmflow_orchestration.service.app import create_app
from kmflow_orchestration.service.dependencies import ServiceDependencies
from kmflow_orchestration.service.server import ServiceServer
from kmflow_orchestration_tests.runs.profile_world import ACME, ProfileWorld
from kmflow_orchestration_tests.service.conftest import Caller
from kmflow_orchestration_tests.service.test_completion_endpoint import BODY

ROUNDS = range(1, 6)


@pytest.fixture
def services(world: ProfileWorld) -> Iterator[list[Caller]]:
    """Two, each with connections of its own, as on two machines."""
    with ExitStack() as opened:
        callers = []
        for _ in range(2):
            engine = open_engine(world.database_url)
            opened.callback(engine.dispose)
            sessions = open_sessions(engine)
            runs, tokens = ProfileRuns(sessions), ApiTokens(sessions, world.clock)
            app = create_app(ServiceDependencies(runs, world.keys, "local", world.clock, tokens))
            server = opened.enter_context(ServiceServer(app))
            client = opened.enter_context(httpx.Client(timeout=30))
            callers.append(Caller(world, server, client))
        yield callers


def test_the_same_completion_at_both_at_once_is_taken_by_one(
    world: ProfileWorld, services: list[Caller]
) -> None:
    for number in ROUNDS:
        run = world.submit(number)
        at_once = Barrier(2)

        def report(caller: Caller, run=run, at_once=at_once) -> httpx.Response:
            at_once.wait()
            return caller.post(run, BODY)

        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(report, services))

        assert [answer.status_code for answer in answers] == [204, 204]
        assert sorted(one.headers["x-kmflow-applied"] for one in answers) == ["false", "true"]
        assert world.read(run).status == "completed"
        assert len(world.findings.anomalies(ACME, run.profile_run_id)) == 1
        assert len(world.findings.operations(ACME, run.profile_run_id)) == 1
        ends = [event.to_status for event in world.runs.events(ACME, run.profile_run_id)]
        assert ends == ["queued", "completed"]


def test_two_ends_at_once_leave_one_of_them_whole(
    world: ProfileWorld, services: list[Caller]
) -> None:
    bodies = (BODY, {"status": "failed", "error_message": "no such table"})
    for number in ROUNDS:
        run = world.submit(number)
        at_once = Barrier(2)

        def report(index: int, run=run, at_once=at_once) -> int:
            at_once.wait()
            return services[index].post(run, bodies[index]).status_code

        with ThreadPoolExecutor(2) as pool:
            codes = list(pool.map(report, range(2)))

        assert sorted(codes) == [204, 409]
        won = codes.index(204)
        found = world.findings.anomalies(ACME, run.profile_run_id)
        assert (world.read(run).status, len(found)) == (("completed", 1), ("failed", 0))[won]


def test_a_service_without_its_database_asks_to_come_again_and_then_takes_it(
    world: ProfileWorld, services: list[Caller], postgres_server
) -> None:
    run, (caller, _) = world.submit(), services
    postgres_server.stop()

    away = caller.post(run, BODY)

    assert (away.status_code, away.json()["error"]) == (503, "KM-METADATA-001")
    assert away.json()["retryable"] is True
    assert postgres_server.password not in away.text
    health = caller.client.get(f"{caller.server.url}/api/v1/health")
    assert health.status_code == 200

    postgres_server.start()
    assert caller.post(run, BODY).headers["x-kmflow-applied"] == "true"
