"""The doctor's checks of each group as asset checks: what was found, and what to do."""

from dataclasses import asdict

import dagster as dg

from kmflow_orchestration.assets.layers import DATA_OWNER, WORKSPACE_POOL
from kmflow_orchestration.doctor.findings import CHECK_IDS, Checked
from kmflow_orchestration.partitions.keys import GROUPS
from kmflow_orchestration.resources.asset_keys import GROUP_HEALTH, LAYER_EVIDENCE
from kmflow_orchestration.resources.context_resource import ContextResource
from kmflow_orchestration.resources.failures import failing_as_dagster


@dg.asset(
    key=GROUP_HEALTH,
    partitions_def=GROUPS,
    group_name=LAYER_EVIDENCE,
    kinds={"databricks"},
    owners=[DATA_OWNER],
    tags={"layer": LAYER_EVIDENCE},
    pool=WORKSPACE_POOL,
    check_specs=[dg.AssetCheckSpec(name=one, asset=GROUP_HEALTH) for one in CHECK_IDS],
    description="What the doctor finds in a group: `kmflow doctor` says the same at the shell.",
)
def group_health(
    context: dg.AssetExecutionContext, kmflow: ContextResource
) -> dg.MaterializeResult:
    from kmflow_orchestration.doctor.diagnose import diagnose

    with failing_as_dagster():
        found = diagnose(kmflow.for_group(context.partition_key).patient)
    for one in found.checks:
        context.log.info("%s: %s: %s", one.id, one.status, one.evidence)
    return dg.MaterializeResult(
        metadata={
            "exit_code": found.exit_code(),
            "failed": len(found.with_status("fail")),
            "warnings": len(found.with_status("warn")),
            "checks": dg.MetadataValue.json([asdict(one) for one in found.checks]),
        },
        check_results=[_result(one) for one in found.checks],
    )


def _result(one: Checked) -> dg.AssetCheckResult:
    grave = dg.AssetCheckSeverity.ERROR if one.status == "fail" else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(
        check_name=one.id,
        asset_key=GROUP_HEALTH,
        passed=one.status in {"pass", "skip"},
        severity=grave,
        metadata={
            "status": one.status,
            "found": one.evidence,
            **({"what_to_do": one.fix} if one.fix else {}),
        },
    )


DOCTOR_ASSETS = [group_health]
