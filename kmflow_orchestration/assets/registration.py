"""A group's tables in Unity Catalog: described, tagged, confirmed (row B20)."""

import dagster as dg

from kmflow_orchestration.assets.layers import DATA_OWNER, WORKSPACE_POOL
from kmflow_orchestration.operations.entries_of_group import entries_of_group
from kmflow_orchestration.partitions.keys import GROUPS
from kmflow_orchestration.resources.asset_keys import LAYER_EVIDENCE, UNITY_CATALOG_REGISTRATION
from kmflow_orchestration.resources.context_resource import ContextResource
from kmflow_orchestration.resources.failures import failing_as_dagster

ALL_REGISTERED = dg.AssetCheckSpec(
    name="all_registered",
    asset=UNITY_CATALOG_REGISTRATION,
    description="Every table of the group's layers is in Unity Catalog with its classification.",
)


@dg.asset(
    key=UNITY_CATALOG_REGISTRATION,
    partitions_def=GROUPS,
    group_name=LAYER_EVIDENCE,
    kinds={"databricks"},
    owners=[DATA_OWNER],
    tags={"layer": LAYER_EVIDENCE},
    pool=WORKSPACE_POOL,
    check_specs=[ALL_REGISTERED],
    description="Tables of the group's bronze, silver and gold, registered in Unity Catalog.",
)
def unity_catalog_registration(
    context: dg.AssetExecutionContext, kmflow: ContextResource
) -> dg.MaterializeResult:
    with failing_as_dagster():
        group = kmflow.for_group(context.partition_key)
        entries = entries_of_group(group.lakehouse, group.config)
        done = group.register_tables(entries)
    errors = [f"{key}: {outcome}" for key, outcome in done.errors.items()]
    return dg.MaterializeResult(
        metadata={
            "tables": len(done),
            "errors": len(errors),
            "results": dg.MetadataValue.json(dict(done)),
            "warnings": dg.MetadataValue.json({key: list(of) for key, of in done.warnings.items()}),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=ALL_REGISTERED.name,
                asset_key=ALL_REGISTERED.asset_key,
                passed=not errors,
                severity=dg.AssetCheckSeverity.ERROR,
                metadata={"errors": errors[:50]},
            )
        ],
    )


REGISTRATION_ASSETS = [unity_catalog_registration]
