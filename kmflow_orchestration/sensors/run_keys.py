"""Which runs a partition already has: run keys that make repeats harmless (AD7)."""

from datetime import datetime

import dagster as dg

ACTIVE = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
PARTITION_TAG = "dagster/partition"


def has_active_run(instance: dg.DagsterInstance, partition: str) -> bool:
    """Whether a run of this partition is queued or under way."""
    filters = dg.RunsFilter(tags={PARTITION_TAG: partition}, statuses=ACTIVE)
    return instance.get_runs_count(filters) > 0


def has_run_since(instance: dg.DagsterInstance, partition: str, moment: datetime) -> bool:
    """Whether a run of this partition was created after a moment, whatever became of it."""
    filters = dg.RunsFilter(tags={PARTITION_TAG: partition}, created_after=moment)
    return instance.get_runs_count(filters) > 0


def next_run_key(instance: dg.DagsterInstance, partition: str, *parts: object) -> str:
    """A key no earlier run of the partition had, equal for two ticks that see the same runs."""
    count = instance.get_runs_count(dg.RunsFilter(tags={PARTITION_TAG: partition}))
    return ":".join([partition.replace("|", ":"), *(str(part) for part in parts), str(count + 1)])
