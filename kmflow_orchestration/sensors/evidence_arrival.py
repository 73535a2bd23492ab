"""New and changed files in every group's landing folder become runs of their day (row G5, AD7)."""

import json
from collections.abc import Mapping

import dagster as dg

from kmflow_orchestration.context import Context
from kmflow_orchestration.errors import KmflowError
from kmflow_orchestration.intake.arrivals import Look, look
from kmflow_orchestration.intake.ledger import DueDay
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.partitions.keys import GROUP_TAG, day_key, split_days
from kmflow_orchestration.resources.asset_keys import INTAKE
from kmflow_orchestration.resources.context_resource import ContextResource
from kmflow_orchestration.sensors.fairness import in_turns
from kmflow_orchestration.sensors.partition_sync import partition_requests
from kmflow_orchestration.sensors.run_keys import has_active_run

MAX_REQUESTS = 20


def evidence_arrival(
    context: dg.SensorEvaluationContext, kmflow: ContextResource
) -> dg.SensorResult:
    """Look at each group's landing folder, and request a run for each day that has work.

    A group whose folder cannot be read is named in the tick's outcome; the others go on.
    """
    opened = kmflow.context
    cursors = _cursors(context.cursor)
    waiting: dict[str, list[dg.RunRequest]] = {}
    told: list[str] = []
    for group in opened.group_configs.groups():
        try:
            seen = _look(opened, group, cursors.get(group))
        except KmflowError as error:
            context.log.warning("%s: landing not read: %s", group, error)
            told.append(f"{group}: landing not read: {error}")
            continue
        cursors[group] = seen.cursor
        requests, skipped = _requests(context.instance, opened, group)
        waiting[group] = requests
        told.append(_sentence(group, seen, len(requests), skipped))
    fair = in_turns(waiting, MAX_REQUESTS)
    _count(opened, fair)
    context.log.info("; ".join(told))
    return dg.SensorResult(
        run_requests=fair,
        dynamic_partitions_requests=partition_requests(context.instance, opened),
        cursor=json.dumps(cursors, sort_keys=True),
        skip_reason=None if fair else "; ".join(told) or "there is no group",
    )


def _cursors(text: str | None) -> dict[str, str]:
    """Cursor of each group; a text of another form starts every group anew."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(group): cursor for group, cursor in found.items() if isinstance(cursor, str)}


def _look(opened: Context, group: GroupId, cursor: str | None) -> Look:
    root = opened.group(group).landing_root
    return look(group, root, cursor, ledger=opened.ledger, clock=opened.clock)


def _requests(
    instance: dg.DagsterInstance, opened: Context, group: GroupId
) -> tuple[list[dg.RunRequest], list[str]]:
    """Requests for the group's due days, and the days that are skipped with a reason."""
    requests: list[dg.RunRequest] = []
    skipped: list[str] = []
    for due in opened.ledger.due_days(group):
        key = day_key(group, due.day)
        if has_active_run(instance, key):
            skipped.append(f"{due.day}: a run is under way")
        else:
            requests.append(_request(group, due, key))
    return requests, skipped


def _request(group: GroupId, due: DueDay, key: dg.MultiPartitionKey) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"{group}:{due.day.isoformat()}:{due.next_batch_no}",
        partition_key=key,
        asset_selection=INTAKE,
        tags={GROUP_TAG: group, "kmflow/pending_files": str(due.pending)},
    )


def _count(opened: Context, requests: list[dg.RunRequest]) -> None:
    """Even a run that dies before it claims anything must not take the next one's key."""
    for request in requests:
        target = split_days([request.partition_key or ""])
        opened.ledger.run_requested(target.group, target.days[0])


def _sentence(group: str, seen: Look, requested: int, skipped: list[str]) -> str:
    counts: Mapping[str, int] = {
        "seen": seen.observation.seen,
        "waiting": seen.observation.waiting,
        "new": seen.observation.pending,
        "quarantined": seen.observation.quarantined,
        "requested": requested,
    }
    told = ", ".join(f"{count} {name}" for name, count in counts.items())
    return f"{group}: {told}" + (f", skipped ({'; '.join(skipped)})" if skipped else "")
