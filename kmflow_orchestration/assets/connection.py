"""Whether each group's workspace can be used, to be looked at before anything else."""

from dataclasses import asdict

import dagster as dg

from kmflow_orchestration.assets.layers import DATA_OWNER, WORKSPACE_POOL
from kmflow_orchestration.assets.rendering import bars
from kmflow_orchestration.operations.check_connection import ConnectionCheck
from kmflow_orchestration.partitions.keys import GROUPS
from kmflow_orchestration.resources.asset_keys import LAYER_EVIDENCE, WORKSPACE_CONNECTION
from kmflow_orchestration.resources.context_resource import ContextResource
from kmflow_orchestration.resources.failures import failing_as_dagster

ANSWERS = dg.AssetCheckSpec(
    name="workspace_answers",
    asset=WORKSPACE_CONNECTION,
    description="Settings, sign-in, warehouse, schemas and Volume of the group can be used.",
)


@dg.asset(
    key=WORKSPACE_CONNECTION,
    partitions_def=GROUPS,
    group_name=LAYER_EVIDENCE,
    kinds={"databricks"},
    owners=[DATA_OWNER],
    tags={"layer": LAYER_EVIDENCE},
    pool=WORKSPACE_POOL,
    check_specs=[ANSWERS],
    description="The group's workspace, tried step by step; a failed step says what to do.",
)
def workspace_connection(
    context: dg.AssetExecutionContext, kmflow: ContextResource
) -> dg.MaterializeResult:
    with failing_as_dagster():
        found = kmflow.for_group(context.partition_key).check_connection()
    for step in found.steps:
        context.log.info("%s: %s: %s", step.name, step.status, step.detail)
    times = {step.name: step.milliseconds for step in found.steps}
    return dg.MaterializeResult(
        metadata={
            "status": found.status,
            "milliseconds": sum(times.values()),
            "time_by_step": bars("Milliseconds by step", times),
            "steps": dg.MetadataValue.json([asdict(step) for step in found.steps]),
        },
        check_results=[_answer(found)],
    )


def _answer(found: ConnectionCheck) -> dg.AssetCheckResult:
    failed = next((step for step in found.steps if step.status == "fail"), None)
    return dg.AssetCheckResult(
        check_name=ANSWERS.name,
        asset_key=ANSWERS.asset_key,
        passed=found.connected,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "message": found.message,
            **({"what_to_do": failed.remedy, "code": failed.code} if failed else {}),
        },
    )


CONNECTION_ASSETS = [workspace_connection]
