"""The code location as Dagster sees it: short lists that change only on purpose (rows G1, G2)."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

import kmflow_orchestration
from kmflow_orchestration.definitions import build_definitions
from kmflow_orchestration.doctor.findings import CHECK_IDS
from kmflow_orchestration.errors import UnknownGroup
from kmflow_orchestration.partitions.keys import (
    GROUP_BY_DAY,
    GROUP_BY_TABLE_GROUP,
    GROUPS,
    day_key,
)
from kmflow_orchestration.profiling.hygiene_rules import RULES
from kmflow_orchestration.resources.transient_retries import is_retried
from kmflow_orchestration.sensors import profile_completion
from kmflow_orchestration.sensors.all_sensors import SENSOR_NAMES

REPOSITORY = Path(kmflow_orchestration.__file__).parent.parent

DEPENDENCIES = {
    "evidence/workspace_connection": set(),
    "evidence/group_health": set(),
    "evidence/evidence_files": set(),
    "evidence/evidence_inventory": set(),
    "evidence/metadata_reconciliation": set(),
    "evidence/unity_catalog_registration": set(),
    "bronze/bronze_evidence": {"evidence/evidence_files"},
    "bronze/bronze_datasets": {"evidence/evidence_files"},
    "silver/silver_evidence_fragments": {"bronze/bronze_evidence", "bronze/bronze_datasets"},
    "silver/silver_extracted_entities": {"bronze/bronze_evidence", "bronze/bronze_datasets"},
    "silver/silver_quality_events": {"bronze/bronze_evidence", "bronze/bronze_datasets"},
    "gold/gold_quality_score_history": {"silver/silver_quality_events"},
    "profiles/profile_run": {"bronze/bronze_datasets"},
    "profiles/profile_results": {"profiles/profile_run"},
    "profiles/hygiene_issues": {"profiles/profile_results"},
    "profiles/quality_scores": {"profiles/hygiene_issues"},
}
PARTITIONS = {
    "evidence": GROUP_BY_DAY,
    "bronze": GROUP_BY_DAY,
    "silver": GROUP_BY_DAY,
    "gold": GROUPS,
    "profiles": GROUP_BY_TABLE_GROUP,
}
OF_THE_GROUP = {
    *("evidence/workspace_connection", "evidence/group_health", "evidence/evidence_inventory"),
    *("evidence/metadata_reconciliation", "evidence/unity_catalog_registration"),
}
CHECKS = {
    "evidence/workspace_connection": {"workspace_answers"},
    "evidence/group_health": set(CHECK_IDS),
    "evidence/evidence_files": {"all_files_entered"},
    "evidence/evidence_inventory": {"everything_listed"},
    "evidence/metadata_reconciliation": {
        *("files_without_rows", "rows_without_files", "hash_differences"),
        *("duplicates", "foreign_paths"),
    },
    "evidence/unity_catalog_registration": {"all_registered"},
    "bronze/bronze_evidence": {"bronze_equals_evidence"},
    "bronze/bronze_datasets": {"no_loss", "schema_stable", "values_decided"},
    "silver/silver_evidence_fragments": {"every_document_has_text"},
    "profiles/profile_results": {"profile_run_succeeded"},
    "profiles/hygiene_issues": {f"rule_{rule.id}_{rule.name.lower()}" for rule in RULES},
}
AUTOMATED = {
    "silver/silver_evidence_fragments",
    "silver/silver_extracted_entities",
    "silver/silver_quality_events",
    "gold/gold_quality_score_history",
}
# Its tables are many, each with a schema of its own: found only when it is materialized.
WITHOUT_ONE_TABLE = {
    "evidence/workspace_connection",
    "evidence/group_health",
    "evidence/evidence_files",
    "evidence/evidence_inventory",
    "evidence/metadata_reconciliation",
    "evidence/unity_catalog_registration",
    "bronze/bronze_datasets",
    "profiles/profile_run",
    "profiles/hygiene_issues",
    "profiles/quality_scores",
}


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return build_definitions(sensors_running=False)


@pytest.fixture(scope="module")
def nodes(definitions):
    """Nodes of the asset graph by key."""
    graph = definitions.resolve_asset_graph()
    return {key.to_user_string(): graph.get(key) for key in graph.get_all_asset_keys()}


def test_the_graph_has_these_assets_and_dependencies(nodes):
    found = {
        key: {parent.to_user_string() for parent in node.parent_keys} for key, node in nodes.items()
    }

    assert found == DEPENDENCIES


def test_each_layer_has_its_own_partitions(nodes):
    found = {key: node.partitions_def for key, node in nodes.items()}

    expected = {key: PARTITIONS[key.split("/")[0]] for key in DEPENDENCIES}
    assert found == {**expected, **dict.fromkeys(OF_THE_GROUP, GROUPS)}


def test_these_checks_and_no_others_are_declared(nodes):
    found = {key: {check.name for check in node.check_keys} for key, node in nodes.items()}

    assert {key: names for key, names in found.items() if names} == CHECKS


def test_the_completion_sensor_answers_a_declared_check():
    assert profile_completion.PROFILE_RUN_SUCCEEDED in CHECKS["profiles/profile_results"]


@pytest.mark.parametrize("key", DEPENDENCIES)
def test_an_asset_says_everything_a_reader_asks(nodes, key):
    node = nodes[key]
    layer = key.split("/")[0]

    assert node.owners
    assert len(node.description) > 20
    assert node.kinds
    assert (node.group_name, node.tags["layer"]) == (layer, layer)
    assert "dagster/code_references" in node.metadata
    assert ("dagster/column_schema" in node.metadata) is (key not in WITHOUT_ONE_TABLE)


def test_each_step_waits_for_the_workspace_in_one_pool_and_retries_what_may_pass(definitions):
    graph = definitions.resolve_asset_graph()
    for node in graph.asset_nodes:
        op = node.assets_def.op
        assert op.pool == "databricks"
        # Dagster's own policy would try a cancelled step again.
        assert op.retry_policy is None
        assert is_retried(op.compute_fn.decorated_fn)


def test_day_ranges_run_as_one_run(nodes):
    by_day = {key for key, node in nodes.items() if node.partitions_def == GROUP_BY_DAY}

    assert {
        key for key in by_day if nodes[key].backfill_policy == dg.BackfillPolicy.single_run()
    } == by_day


def test_only_silver_and_gold_follow_their_upstream_by_themselves(nodes):
    assert {key for key, node in nodes.items() if node.automation_condition} == AUTOMATED


@pytest.mark.parametrize("running", [True, False])
def test_sensors_run_by_themselves_only_where_they_shall(running):
    sensors = list(build_definitions(sensors_running=running).sensors)

    assert [one.name for one in sensors] == [*SENSOR_NAMES, "kmflow_automation"]
    assert {one.default_status.name for one in sensors} == {"RUNNING" if running else "STOPPED"}


def _validated(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).parent / "dagster"), "definitions", "validate"],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_the_repository_root_validates():
    validated = _validated()

    assert validated.returncode == 0, validated.stdout
    assert "All code locations passed validation" in validated.stdout


@pytest.mark.slow
def test_a_wrong_process_setting_stops_the_load_with_one_message():
    validated = _validated(STORAGE_BACKEND="tape", KMFLOW_ENV="test")

    assert validated.returncode != 0
    assert "STORAGE_BACKEND: Input should be 'local', 'delta' or 'databricks'" in validated.stdout
    assert "KMFLOW_ENV: Input should be 'dev' or 'production'" in validated.stdout


def test_a_group_that_is_not_configured_fails_its_run_and_not_the_load(tmp_path):
    from kmflow_orchestration.config.settings import load_settings
    from kmflow_orchestration.context import Context

    overrides = {"home": str(tmp_path)}
    with Context(load_settings(**overrides)) as context:
        context.migrate()
    definitions = build_definitions(sensors_running=False, overrides=overrides)
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(GROUPS.name, ["nobody"])
        result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance,
            partition_key=day_key("nobody", date(2026, 11, 20)),
            asset_selection=[dg.AssetKey(["evidence", "evidence_files"])],
            raise_on_error=False,
        )

    assert not result.success
    assert UnknownGroup.code in _failure(result)
    assert not [event for event in result.all_events if event.is_step_up_for_retry]


def _failure(result: dg.ExecuteInProcessResult) -> str:
    texts = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    return "\n".join(
        f"{one.error_display_string} {one.user_failure_data and one.user_failure_data.description}"
        for one in texts
    )
