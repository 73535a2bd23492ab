"""One Sail server for all tests of this area; each test has a session of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kmflow_orchestration.sail.execution import SailSession
from kmflow_orchestration.sail.process import SailServer


@pytest.fixture(scope="session")
def server() -> Iterator[SailServer]:
    with SailServer(catalogs=("main", "evidence")) as running:
        yield running


@pytest.fixture
def session(server: SailServer) -> Iterator[SailSession]:
    with SailSession(server.address) as opened:
        yield opened
