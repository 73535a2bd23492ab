"""The doctor in Dagster: a check for each of its own, with what to do."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from kmflow_orchestration.config.group_input import parse_group
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context
from kmflow_orchestration.definitions import build_definitions
from kmflow_orchestration.doctor.findings import CHECK_IDS
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.provision import provision
from kmflow_orchestration.partitions.keys import GROUPS

ACME = GroupId("acme")


def test_each_check_is_answered_and_a_failed_one_says_what_to_do(tmp_path: Path) -> None:
    settings = {"home": str(tmp_path), "storage_backend": "local"}
    with Context(load_settings(**settings)) as context:
        context.migrate()
        context.group_configs.save(ACME, parse_group(ACME, {}), "a person")
        acme = context.group(ACME)
        provision(acme.config, acme.lakehouse, None)
    definitions = build_definitions(sensors_running=False, overrides=settings)

    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(GROUPS.name or "", [ACME])
        job = definitions.resolve_job_def("doctor_job")
        result = job.execute_in_process(instance=instance, partition_key=ACME)

    found = {one.check_name: one for one in result.get_asset_check_evaluations()}
    assert set(found) == set(CHECK_IDS)
    passed = {name for name, one in found.items() if one.passed}
    assert set(CHECK_IDS) - passed == {"config"}
    config = found["config"]
    assert config.severity is dg.AssetCheckSeverity.WARN
    assert config.metadata["what_to_do"].value == f"mkdir -p {tmp_path / 'landing' / ACME}"
    statuses = {name: one.metadata["status"].value for name, one in found.items()}
    assert {name for name, status in statuses.items() if status == "skip"} == {
        *("sdk", "sign_in", "runtime", "objects", "privileges", "too_broad", "warehouse", "token"),
        "landing",
    }
    (made,) = result.asset_materializations_for_node("evidence__group_health")
    assert (made.metadata["failed"].value, made.metadata["exit_code"].value) == (0, 0)
