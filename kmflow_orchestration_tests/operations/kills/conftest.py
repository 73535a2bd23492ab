"""One group with a past and an eventful drop, on each kind of storage."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kmflow_orchestration_tests.operations.kills.scene import Scene, made_scene

BACKENDS = [
    # A scene is costly: its tests stay together in one worker.
    pytest.param(backend, marks=pytest.mark.xdist_group(f"kills_{backend}"))
    for backend in ("local", "databricks")
]


@pytest.fixture(scope="package", params=BACKENDS)
def scene(request, tmp_path_factory, control_databases) -> Iterator[Scene]:
    root = tmp_path_factory.mktemp(request.param) / "home"
    made = made_scene(root, request.param, control_databases)
    yield made
    made.close()
