"""One sensor evaluates every stored cron: schedules are data, Dagster's are fixed (AD7)."""

import dagster as dg

from kmflow_orchestration.metadata.profile_records import TableGroup
from kmflow_orchestration.partitions.keys import GROUP_TAG, table_group_key
from kmflow_orchestration.resources.asset_keys import PROFILE_RUN
from kmflow_orchestration.resources.context_resource import ContextResource
from kmflow_orchestration.sensors.fairness import in_turns
from kmflow_orchestration.sensors.partition_sync import partition_requests
from kmflow_orchestration.sensors.run_keys import next_run_key

MAX_REQUESTS = 20


def profiling_cron(context: dg.SensorEvaluationContext, kmflow: ContextResource) -> dg.SensorResult:
    """Request a profile of each table group whose cron is due and whose tables changed.

    A tick is answered by a request or by a skip; one that finds no room waits for the next time.
    """
    opened = kmflow.context
    now = opened.clock.now()
    due: dict[str, list[TableGroup]] = {}
    unchanged: list[str] = []
    for group in opened.group_configs.groups():
        stale = {one.table_group_id for one in opened.table_groups.stale(group)}
        for table_group in opened.table_groups.due_by_cron(group, now):
            if table_group.table_group_id in stale:
                due.setdefault(group, []).append(table_group)
            else:
                opened.table_groups.ticked(group, table_group.table_group_id, now)
                unchanged.append(f"{group}/{table_group.table_group_id}")
    requests: list[dg.RunRequest] = []
    for table_group in in_turns(due, MAX_REQUESTS):
        requests.append(_request(context.instance, table_group))
        opened.table_groups.ticked(table_group.group_id, table_group.table_group_id, now)
    if unchanged:
        context.log.info("no table changed since the last run: %s", ", ".join(unchanged))
    quiet = f"unchanged: {', '.join(unchanged)}" if unchanged else "no schedule is due"
    return dg.SensorResult(
        run_requests=requests,
        # A table group's key must be there in the tick that asks for its first profile.
        dynamic_partitions_requests=partition_requests(context.instance, opened),
        skip_reason=None if requests else quiet,
    )


def _request(instance: dg.DagsterInstance, table_group: TableGroup) -> dg.RunRequest:
    key = table_group_key(table_group.group_id, table_group.table_group_id)
    return dg.RunRequest(
        run_key=next_run_key(instance, key, "profile"),
        partition_key=key,
        asset_selection=[PROFILE_RUN],
        tags={GROUP_TAG: table_group.group_id},
    )
