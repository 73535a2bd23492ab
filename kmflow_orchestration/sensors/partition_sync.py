"""Partition keys follow the control database: groups and table groups come and go (row G3).

Hiding a key keeps its history; a group with a run under way keeps its key until the run is over.
"""

from collections.abc import Iterable

import dagster as dg

from kmflow_orchestration.context import Context
from kmflow_orchestration.partitions.keys import GROUP_TAG, GROUPS, TABLE_GROUPS
from kmflow_orchestration.sensors.run_keys import ACTIVE

PartitionRequest = dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest


def partition_requests(instance: dg.DagsterInstance, opened: Context) -> list[PartitionRequest]:
    """What must be added and hidden for the keys to be those of the control database."""
    groups = opened.group_configs.groups()
    table_groups = {
        str(one.table_group_id)
        for group in groups
        for one in opened.table_groups.all(group, active_only=True)
    }
    gone = _known(instance, GROUPS) - set(groups)
    return [
        *_requests(GROUPS, _known(instance, GROUPS), {*groups, *_busy(instance, gone)}),
        *_requests(TABLE_GROUPS, _known(instance, TABLE_GROUPS), table_groups),
    ]


def _known(instance: dg.DagsterInstance, keys: dg.DynamicPartitionsDefinition) -> set[str]:
    return set(instance.get_dynamic_partitions(keys.name or ""))


def _busy(instance: dg.DagsterInstance, groups: Iterable[str]) -> list[str]:
    return [
        group
        for group in groups
        if instance.get_runs_count(dg.RunsFilter(tags={GROUP_TAG: group}, statuses=ACTIVE))
    ]


def _requests(
    keys: dg.DynamicPartitionsDefinition, known: set[str], wanted: set[str]
) -> list[PartitionRequest]:
    requests: list[PartitionRequest] = []
    if missing := sorted(wanted - known):
        requests.append(keys.build_add_request(missing))
    if surplus := sorted(known - wanted):
        requests.append(keys.build_delete_request(surplus))
    return requests
