"""A standing question about outputs: did each of an asset's arrive?"""

import dagster as dg

from kmflow_orchestration.errors import MissingGroup
from kmflow_orchestration.partitions.keys import GROUP_TAG, group_of
from kmflow_orchestration.resources.failures import failing_as_dagster
from kmflow_orchestration.resources.task_outputs import IO_MANAGER_KEY, KmflowOutputIOManager


def output_uploaded_check(asset: dg.AssetsDefinition) -> dg.AssetChecksDefinition:
    """A check of an asset with `kmflow_output`: WARN while an upload of its partition failed."""

    @dg.asset_check(
        asset=asset,
        name="output_uploaded",
        description="No upload of the output waits to be tried again.",
        required_resource_keys={IO_MANAGER_KEY},
    )
    def output_uploaded(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        manager: KmflowOutputIOManager = getattr(context.resources, IO_MANAGER_KEY)
        key = context.partition_key if context.has_partition_key else ""
        with failing_as_dagster():
            group = manager.kmflow.for_group(_group(context, asset, manager, key))
            waiting = group.outbox.failures.open_of(
                group.id, asset.key.to_user_string(), partition_key=key
            )
        return dg.AssetCheckResult(
            passed=not waiting,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                "failed_uploads": [f"{one.failure_id}: {one.error_message}" for one in waiting][
                    :50
                ],
                "retry": f"kmflow output retry --group {group.id}",
            },
        )

    return output_uploaded


def _group(
    context: dg.AssetCheckExecutionContext,
    asset: dg.AssetsDefinition,
    manager: KmflowOutputIOManager,
    key: str,
) -> str:
    found: str | None = None
    if asset.partitions_def is not None and key:
        found = group_of(asset.partitions_def, [key])
    found = found or context.run.tags.get(GROUP_TAG) or manager.kmflow.group_of_run
    if found is None:
        raise MissingGroup(
            "neither the partition nor the run tells whose outputs these are",
            hint=f"partition the asset by group, or tag the run {GROUP_TAG}",
        )
    return found
