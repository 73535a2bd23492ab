"""Metadata rows that the warehouse refuses: never lost, told, drained; or required (B7, AB-S7)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from kmflow_orchestration.resources.asset_keys import (
    BRONZE_EVIDENCE,
    EVIDENCE_FILES,
    UNITY_CATALOG_REGISTRATION,
)
from kmflow_orchestration_tests.control_databases import NewDatabase
from kmflow_orchestration_tests.dagster_skins.workspace_world import (
    WorkspaceWorld,
    workspace_world,
)
from kmflow_orchestration_tests.embedded import Room, embedded_server, room

__all__ = ["embedded_server", "room"]

Opening = Callable[..., AbstractContextManager[WorkspaceWorld]]


@pytest.fixture
def opening(
    tmp_path: Path, control_database: NewDatabase, room: Room, monkeypatch: pytest.MonkeyPatch
) -> Opening:
    monkeypatch.setenv("ACME_TOKEN", room.group("acme").token)
    url = control_database(tmp_path / "control.db")
    return lambda **settings: workspace_world(tmp_path / "home", url, room, **settings)


def state(metadata: Any) -> tuple[object, object]:
    return metadata["metadata_row"].value, metadata["metadata_pending"].value


def materialized(result: dg.ExecuteInProcessResult, node: str) -> tuple[object, object]:
    (event,) = result.asset_materializations_for_node(node)
    return state(event.metadata)


def failed(result: dg.ExecuteInProcessResult, node: str) -> dict[str, Any]:
    """Metadata of the failure with which a step ended."""
    (data,) = [
        event.step_failure_data
        for event in result.all_events
        if event.is_step_failure and event.step_key == node
    ]
    assert data.user_failure_data is not None
    return dict(data.user_failure_data.metadata)


def test_a_refused_row_waits_while_its_file_is_kept_and_the_sensor_drains_it(
    opening: Opening,
) -> None:
    with opening() as acme:
        with acme.warehouse_refuses():
            result = acme.run([EVIDENCE_FILES, BRONZE_EVIDENCE])
            stored = acme.group.store.list_files("e1")

        assert (result.success, len(stored)) == (False, 1)
        assert materialized(result, "evidence__evidence_files") == ("pending", 1)
        assert state(failed(result, "bronze__bronze_evidence")) == ("pending", 1)
        assert acme.rows() == []

        (request,) = acme.world.tick("evidence_arrival").run_requests or []
        drained = acme.run(request.asset_selection or [], str(request.partition_key))

        assert materialized(drained, "bronze__bronze_evidence") == ("written", 0)
        assert acme.rows() == stored
        assert acme.group.metadata_state()["metadata_pending"] == 0
        acme.run([BRONZE_EVIDENCE])
        assert acme.rows() == stored


def test_where_the_row_is_required_the_step_that_stores_fails_without_it(opening: Opening) -> None:
    with opening(metadata="required") as acme:
        with acme.warehouse_refuses():
            refused = acme.run([EVIDENCE_FILES])

        assert not refused.success
        assert state(failed(refused, "evidence__evidence_files")) == ("pending", 1)
        stored = acme.group.store.list_files("e1")
        assert (len(stored), acme.rows()) == (1, [])

        assert acme.run([EVIDENCE_FILES]).success
        assert acme.rows() == stored
        bronze = acme.run([BRONZE_EVIDENCE])
        assert materialized(bronze, "bronze__bronze_evidence") == ("written", 0)
        assert acme.rows() == stored


def test_registration_is_checked_and_seen_failing_and_passing(opening: Opening) -> None:
    with opening() as acme:

        def registered() -> tuple[dg.AssetCheckEvaluation, dict[str, Any]]:
            result = acme.run([UNITY_CATALOG_REGISTRATION], "acme")
            (check,) = result.get_asset_check_evaluations()
            (event,) = result.asset_materializations_for_node(
                "evidence__unity_catalog_registration"
            )
            return check, {name: value.value for name, value in event.metadata.items()}

        check, metadata = registered()
        assert check.passed
        assert (metadata["tables"], metadata["errors"]) == (len(metadata["results"]), 0)
        assert metadata["results"]["gold.gold_quality_score_history"] == "ok"

        with acme.warehouse_refuses():
            check, metadata = registered()
        assert (check.passed, check.severity.name) == (False, "ERROR")
        assert metadata["errors"] == metadata["tables"]
        assert metadata["results"]["bronze.bronze_evidence_raw"].startswith("error: ")
