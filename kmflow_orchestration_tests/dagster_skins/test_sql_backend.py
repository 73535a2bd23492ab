"""An asset of a user's own on a group's SQL engine, and the check that tells of a fallback."""

from __future__ import annotations

import dagster as dg
import pytest

from kmflow_orchestration.assets.sql_backend import backend_is_databricks
from kmflow_orchestration.config.group_input import parse_group
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.resources.context_resource import ContextResource

ACME = GroupId("acme")
KEY = dg.AssetKey(["mine", "people"])


@dg.asset(key=KEY)
def people(kmflow: ContextResource) -> dg.MaterializeResult:
    opened = kmflow.for_group(ACME).open_engine()
    with opened.engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
    return dg.MaterializeResult(metadata=opened.choice.metadata())


@pytest.fixture
def overrides(tmp_path):
    settings = {"home": str(tmp_path), "use_databricks": "true"}
    with Context(load_settings(**settings)) as context:
        context.migrate()
        # Nobody listens at port 9 of this machine.
        config = {
            "workspace_url": "http://127.0.0.1:9",
            "allow_insecure_loopback": True,
            "warehouse_id": "0123456789abcdef",
            "token": "env:ACME_TOKEN",
            "catalog": "acme",
            "schema": "evidence",
            "landing_path": str(tmp_path),
        }
        context.group_configs.save(ACME, parse_group(ACME, config), "a person")
    return settings


def checked(overrides) -> tuple[dg.AssetCheckEvaluation, dg.AssetMaterialization]:
    definitions = dg.Definitions(
        assets=[people],
        asset_checks=[backend_is_databricks(KEY)],
        resources={"kmflow": ContextResource(overrides=overrides)},
    )
    job = definitions.resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance)
    (check,) = result.get_asset_check_evaluations()
    (made,) = result.asset_materializations_for_node("mine__people")
    return check, made


def test_an_asset_without_databricks_is_told_apart_by_a_warning(overrides):
    check, made = checked({**overrides, "use_databricks": "false"})
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert made.metadata["db/backend"].value == "sqlite"
    assert made.metadata["db/fallback"].value is False


@pytest.mark.slow
def test_a_fallback_is_seen_in_the_metadata_and_warned_of(overrides, monkeypatch):
    monkeypatch.setenv("ACME_TOKEN", "dapi-7f3a9c51e2d8")
    check, made = checked({**overrides, "databricks_fallback": "on_unreachable"})
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert made.metadata["db/fallback"].value is True
    assert "cannot be reached" in made.metadata["db/fallback_reason"].value
    assert "cannot be reached" in check.metadata["reason"].value
