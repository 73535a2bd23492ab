"""Which runs there are already: run keys that make repeats harmless, waits after failures (AD7)."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

import dagster as dg

from kmflow_orchestration.intake.retry_waits import wait_after

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


def why_not_now(
    instance: dg.DagsterInstance,
    tags: Mapping[str, str],
    assets: Collection[dg.AssetKey],
    now: datetime,
) -> str:
    """Why work on these assets gets no run now, '' when it does; its runs are those with the tags.

    Work whose runs keep failing is asked for ever more seldom, as a file that cannot be stored.
    """
    if instance.get_runs_count(dg.RunsFilter(tags=dict(tags), statuses=ACTIVE)):
        return "a run is under way"
    failures = _failures_in_a_row(instance, tags, assets)
    if not failures:
        return ""
    due_at = failures[0] + wait_after(len(failures))
    if due_at <= now:
        return ""
    return f"{len(failures)} runs in a row failed, the next is due at {due_at:%Y-%m-%d %H:%M} UTC"


def _failures_in_a_row(
    instance: dg.DagsterInstance, tags: Mapping[str, str], assets: Collection[dg.AssetKey]
) -> list[datetime]:
    """When the newest runs of these assets failed, newest first.

    A run that went well, or that somebody cancelled, ends the row; runs of other assets do not.
    """
    failures: list[datetime] = []
    for record in instance.get_run_records(dg.RunsFilter(tags=dict(tags)), limit=_LATEST):
        chosen = record.dagster_run.asset_selection
        if chosen and chosen.isdisjoint(assets):
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
