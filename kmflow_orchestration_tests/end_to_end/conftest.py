"""Whole set-ups, one per module and backend: opening one costs a second or more."""

from __future__ import annotations

import pytest

from kmflow_orchestration_tests.end_to_end.world import opened_world


@pytest.fixture(scope="module")
def local_world(tmp_path_factory, control_databases):
    with opened_world(tmp_path_factory.mktemp("local"), "local", control_databases) as world:
        yield world


@pytest.fixture(scope="module")
def workspace_world(tmp_path_factory, control_databases):
    root = tmp_path_factory.mktemp("workspace")
    with opened_world(root, "databricks", control_databases) as world:
        yield world
