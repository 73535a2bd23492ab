"""Every night each group's stored files are compared with their rows (row B22)."""

import dagster as dg

from kmflow_orchestration.partitions.keys import GROUP_TAG, GROUPS
from kmflow_orchestration.resources.asset_keys import METADATA_RECONCILIATION
from kmflow_orchestration.resources.context_resource import ContextResource

RECONCILED_AT = "30 2 * * *"


def metadata_reconciliation_daily(
    context: dg.ScheduleEvaluationContext, kmflow: ContextResource
) -> list[dg.RunRequest] | dg.SkipReason:
    """A run for each group whose key is known; a group that came today gets one tomorrow."""
    moment = context.scheduled_execution_time
    known = set(context.instance.get_dynamic_partitions(GROUPS.name or ""))
    groups = [group for group in kmflow.context.group_configs.groups() if group in known]
    if not groups:
        return dg.SkipReason("there is no group")
    return [
        dg.RunRequest(
            run_key=f"{group}:{moment.isoformat()}",
            partition_key=group,
            asset_selection=[METADATA_RECONCILIATION],
            tags={GROUP_TAG: group},
        )
        for group in groups
    ]
