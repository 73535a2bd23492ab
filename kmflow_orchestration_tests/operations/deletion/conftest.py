"""A group whose evidence is deleted, on each kind of storage."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kmflow_orchestration_tests.operations.deletion.world import DeletionWorld, opened_world

BACKENDS = [
    # A world is costly: its tests stay together in one worker.
    pytest.param(backend, marks=pytest.mark.xdist_group(f"deletion_{backend}"))
    for backend in ("local", "databricks")
]

# For what is decided before any storage is asked.
ONE_BACKEND = pytest.mark.parametrize("shared", BACKENDS[:1], indirect=True, scope="package")


@pytest.fixture(scope="package", params=BACKENDS)
def shared(request, tmp_path_factory, control_databases) -> Iterator[DeletionWorld]:
    root = tmp_path_factory.mktemp(f"deletion-{request.param}") / "home"
    with opened_world(root, request.param, control_databases) as world:
        yield world


@pytest.fixture
def world(shared: DeletionWorld) -> Iterator[DeletionWorld]:
    shared.next_engagement()
    yield shared
    shared.mend()
