"""Every partition definition, and the only place that builds or splits a partition key (AD6)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import dagster as dg

from kmflow_orchestration.clock import FIRST_DAY
from kmflow_orchestration.errors import GroupMismatch
from kmflow_orchestration.names import GroupId, TableGroupId, group_id, table_group_id

# Dagster joins a key's parts in the alphabetical order of the dimensions' names: "group" stands
# before both others, so every key begins with its group.
GROUP = "group"
RECEIVED_ON = "received_on"
TABLE_GROUP = "table_group"

GROUPS = dg.DynamicPartitionsDefinition(name="kmflow_groups")
TABLE_GROUPS = dg.DynamicPartitionsDefinition(name="kmflow_table_groups")
DAYS = dg.DailyPartitionsDefinition(start_date=FIRST_DAY.isoformat(), end_offset=1)

GROUP_BY_DAY = dg.MultiPartitionsDefinition({GROUP: GROUPS, RECEIVED_ON: DAYS})
GROUP_BY_TABLE_GROUP = dg.MultiPartitionsDefinition({GROUP: GROUPS, TABLE_GROUP: TABLE_GROUPS})

GROUP_TAG = "kmflow/group"
RUN_NAME_TAG = "kmflow/run_name"


@dataclass(frozen=True, slots=True)
class GroupDays:
    """What one run of a group-by-day asset is about."""

    group: GroupId
    days: tuple[date, ...]


def day_key(group: str, day: date) -> dg.MultiPartitionKey:
    """Key of a group's day, `acme|2026-11-20`."""
    return dg.MultiPartitionKey({GROUP: group_id(group), RECEIVED_ON: day.isoformat()})


def is_day(day: date, today: date) -> bool:
    """Whether there is a partition of a day: a clock that was not set names days without one."""
    return FIRST_DAY <= day <= today


def table_group_key(group: str, table_group: str) -> dg.MultiPartitionKey:
    """Key of a group's table group, `acme|lending`."""
    return dg.MultiPartitionKey({GROUP: group_id(group), TABLE_GROUP: table_group_id(table_group)})


def split_days(keys: Iterable[str]) -> GroupDays:
    """The one group and the days of a run's keys, days sorted.

    Raises:
        GroupMismatch: keys of several groups, which no run may ever mix.
    """
    parts = [_dimensions(GROUP_BY_DAY, key) for key in keys]
    group = _one_group([part[GROUP] for part in parts])
    return GroupDays(group, tuple(sorted(date.fromisoformat(part[RECEIVED_ON]) for part in parts)))


def split_table_group(key: str) -> tuple[GroupId, TableGroupId]:
    """Group and table group of a key."""
    parts = _dimensions(GROUP_BY_TABLE_GROUP, key)
    return group_id(parts[GROUP]), table_group_id(parts[TABLE_GROUP])


def group_of(definition: dg.PartitionsDefinition, keys: Iterable[str]) -> GroupId | None:
    """The group that keys of somebody's own partitions are about; None when they tell of none.

    They do if a dimension is called `group`, or if they are our groups themselves.

    Raises:
        GroupMismatch: keys of several groups.
    """
    if isinstance(definition, dg.MultiPartitionsDefinition):
        if GROUP not in definition.partition_dimension_names:
            return None
        return _one_group([_dimensions(definition, key)[GROUP] for key in keys])
    return _one_group(list(keys)) if definition == GROUPS else None


def start_of(definition: dg.PartitionsDefinition, key: str) -> datetime | None:
    """When the time that a key is about begins; None when it is about no time."""
    if isinstance(definition, dg.MultiPartitionsDefinition):
        parts = _dimensions(definition, key)
        starts = [
            start_of(one.partitions_def, parts[one.name]) for one in definition.partitions_defs
        ]
        return next((start for start in starts if start is not None), None)
    if isinstance(definition, dg.TimeWindowPartitionsDefinition):
        return definition.time_window_for_partition_key(key).start
    return None


def _dimensions(definition: dg.MultiPartitionsDefinition, key: str) -> dict[str, str]:
    if isinstance(key, dg.MultiPartitionKey):
        return dict(key.keys_by_dimension)
    return dict(definition.get_partition_key_from_str(key).keys_by_dimension)


def _one_group(groups: Sequence[str]) -> GroupId:
    distinct = sorted(set(groups))
    if len(distinct) != 1:
        raise GroupMismatch(
            f"one run was given partitions of {len(distinct)} groups: {', '.join(distinct)}",
            hint="start one run per group",
        )
    return group_id(distinct[0])
