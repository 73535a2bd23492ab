"""The connection check in Dagster: a partition per group, a check that fails with what to do."""

from __future__ import annotations

import dagster as dg
import pytest

from kmflow_orchestration.config.group_input import parse_group
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context
from kmflow_orchestration.definitions import build_definitions
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.partitions.keys import GROUPS

ACME = GroupId("acme")


@pytest.fixture
def overrides(tmp_path):
    settings = {"home": str(tmp_path), "storage_backend": "local"}
    with Context(load_settings(**settings)) as context:
        context.migrate()
        context.group_configs.save(ACME, parse_group(ACME, {}), "a person")
    return settings


def checked(overrides) -> dg.ExecuteInProcessResult:
    definitions = build_definitions(sensors_running=False, overrides=overrides)
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(GROUPS.name or "", [ACME])
        job = definitions.resolve_job_def("connection_check_job")
        return job.execute_in_process(instance=instance, partition_key=ACME)


def test_a_group_that_can_be_used_passes(overrides, tmp_path):
    (tmp_path / "landing" / ACME).mkdir(parents=True)

    result = checked(overrides)

    (check,) = result.get_asset_check_evaluations()
    (made,) = result.asset_materializations_for_node("evidence__workspace_connection")
    assert (check.check_name, check.passed) == ("workspace_answers", True)
    assert (made.partition, made.metadata["status"].value) == ("acme", "success")


def test_a_group_that_cannot_fails_the_check_with_what_to_do(overrides):
    (check,) = checked(overrides).get_asset_check_evaluations()

    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "landing folder" in str(check.metadata["message"].value)
    assert check.metadata["what_to_do"].value == "kmflow must be able to read it"
