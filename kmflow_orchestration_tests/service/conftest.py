"""A listening service over a real control database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
import pytest

from kmflow_orchestration.metadata.profile_records import ProfileRun
from kmflow_orchestration.runs.callback_tokens import CallbackKeys
from kmflow_orchestration.runs.callbacks import CallbackSettings
from kmflow_orchestration.service.app import create_app
from kmflow_orchestration.service.dependencies import ServiceDependencies
from kmflow_orchestration.service.server import ServiceServer
from kmflow_orchestration_tests.runs.profile_world import ProfileWorld


@dataclass
class Caller:
    """Speaks to the service as a job does."""

    world: ProfileWorld
    server: ServiceServer
    client: httpx.Client

    @property
    def settings(self) -> CallbackSettings:
        return CallbackSettings(self.server.url, self.world.keys)

    def headers(self, run: ProfileRun) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.settings.token(run).reveal()}"}

    def post(self, run: ProfileRun, body: object = None, **kwargs: object) -> httpx.Response:
        kwargs.setdefault("headers", self.headers(run))
        if "content" not in kwargs:
            kwargs["json"] = {"status": "completed"} if body is None else body
        return self.client.post(self.settings.url(run), **kwargs)


@pytest.fixture
def world(tmp_path, control_database) -> ProfileWorld:
    return ProfileWorld(control_database(tmp_path / "control.db"))


@pytest.fixture(scope="session")
def server(tmp_path_factory, control_databases) -> Iterator[ServiceServer]:
    """One listening service; each test gives its application its own dependencies."""
    home = tmp_path_factory.mktemp("service")
    nothing = ProfileWorld(control_databases.new(home / "control.db"))
    app = create_app(
        ServiceDependencies(nothing.runs, None, "local", nothing.clock, nothing.tokens)
    )
    with ServiceServer(app) as listening:
        yield listening


@pytest.fixture
def serve(world, server) -> Iterator[Callable[[CallbackKeys | None], Caller]]:
    """Make the service know these keys."""
    with httpx.Client(timeout=10) as client:

        def with_keys(keys: CallbackKeys | None) -> Caller:
            dependencies = ServiceDependencies(world.runs, keys, "local", world.clock, world.tokens)
            server.app.state.dependencies = dependencies
            return Caller(world, server, client)

        yield with_keys


@pytest.fixture
def caller(world, serve) -> Caller:
    return serve(world.keys)
