"""Which runs a partition already has: run keys that make repeats harmless (AD7)."""

from collections.abc import Collection
from datetime import UTC, datetime

import dagster as dg

ACTIVE = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
PARTITION_TAG = "dagster/partition"
# Enough to find as many failures in a row as waits can tell apart, among runs of other steps.
_LATEST = 25


def has_active_run(instance: dg.DagsterInstance, partition: str) -> bool:
    """Whether a run of this partition is queued or under way."""
    filters = dg.RunsFilter(tags={PARTITION_TAG: partition}, statuses=ACTIVE)
    return instance.get_runs_count(filters) > 0


def has_run_since(instance: dg.DagsterInstance, partition: str, moment: datetime) -> bool:
    """Whether a run of this partition was created after a moment, whatever became of it."""
    filters = dg.RunsFilter(tags={PARTITION_TAG: partition}, created_after=moment)
    return instance.get_runs_count(filters) > 0


def failures_in_a_row(
    instance: dg.DagsterInstance, partition: str, assets: Collection[dg.AssetKey]
) -> list[datetime]:
    """When the newest runs of these assets in a partition failed, newest first.

    A run that went well, or that somebody cancelled, ends the row; runs of other assets do not.
    """
    filters = dg.RunsFilter(tags={PARTITION_TAG: partition})
    failures: list[datetime] = []
    for record in instance.get_run_records(filters, limit=_LATEST):
        if record.dagster_run.asset_selection and record.dagster_run.asset_selection.isdisjoint(
            assets
        ):
            continue
        if record.dagster_run.status is not dg.DagsterRunStatus.FAILURE:
            break
        ended = record.end_time
        failures.append(
            record.create_timestamp if ended is None else datetime.fromtimestamp(ended, UTC)
        )
    return failures


def next_run_key(instance: dg.DagsterInstance, partition: str, *parts: object) -> str:
    """A key no earlier run of the partition had, equal for two ticks that see the same runs."""
    count = instance.get_runs_count(dg.RunsFilter(tags={PARTITION_TAG: partition}))
    return ":".join([partition.replace("|", ":"), *(str(part) for part in parts), str(count + 1)])
