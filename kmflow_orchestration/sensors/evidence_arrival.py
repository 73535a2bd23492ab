"""New and changed files in every group's landing place become runs of their day (row G5, AD7)."""

import json
from collections.abc import Mapping
from datetime import timedelta

import dagster as dg

from kmflow_orchestration.clock import utc_day
from kmflow_orchestration.context import Context
from kmflow_orchestration.errors import KmflowError
from kmflow_orchestration.intake.arrivals import Look, look
from kmflow_orchestration.intake.ledger import DueDay
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.partitions.keys import GROUP_TAG, day_key, is_day, split_days
from kmflow_orchestration.resources.asset_keys import INTAKE, SILVER
from kmflow_orchestration.resources.context_resource import ContextResource
from kmflow_orchestration.sensors.fairness import in_turns
from kmflow_orchestration.sensors.partition_sync import partition_requests
from kmflow_orchestration.sensors.run_keys import (
    PARTITION_TAG,
    has_active_run,
    has_run_since,
    why_not_now,
)

MAX_REQUESTS = 20
# Automation follows an intake run within a tick or two; what is missing after this long failed.
# A run that fails for ever is asked for again as seldom.
SILVER_GRACE = timedelta(minutes=10)


def evidence_arrival(
    context: dg.SensorEvaluationContext, kmflow: ContextResource
) -> dg.SensorResult:
    """Look at each group's landing place, and request a run for each day that has work.

    A group whose place cannot be read is named in the tick's outcome; the others go on.
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
    fair = _first_to_ask(opened, in_turns(waiting, MAX_REQUESTS))
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
    place = opened.group(group).landing(briefly=True)
    return look(group, place, cursor, ledger=opened.ledger, clock=opened.clock)


def _requests(
    instance: dg.DagsterInstance, opened: Context, group: GroupId
) -> tuple[list[dg.RunRequest], list[str]]:
    """Requests for the group's due days, and the days that are skipped with a reason."""
    requests: list[dg.RunRequest] = []
    skipped: list[str] = []
    due = {one.day: one for one in opened.ledger.due_days(group)}
    today = utc_day(opened.clock.now())
    for day, one in due.items():
        if not is_day(day, today):
            # Asked for, it would end the tick, and with it everybody else's.
            skipped.append(f"{day}: no such day yet: is the clock right?")
            continue
        runs_of_day = {PARTITION_TAG: day_key(group, day)}
        reason = why_not_now(instance, runs_of_day, INTAKE, opened.clock.now())
        if reason:
            skipped.append(f"{day}: {reason}")
        else:
            requests.append(_request(group, one, INTAKE))
    # A day that is due gets its silver steps by the automation that follows its run.
    late = _late_silver(instance, opened, group)
    requests += [
        _request(group, one, SILVER, kind="silver:")
        for one in late
        if one.day not in due and is_day(one.day, today)
    ]
    return requests, skipped


def _late_silver(instance: dg.DagsterInstance, opened: Context, group: GroupId) -> list[DueDay]:
    """Days whose silver run failed and that no run has worked on for a while."""
    before = opened.clock.now() - SILVER_GRACE
    return [
        late
        for late in opened.ledger.late_days(group, before)
        if not has_active_run(instance, day_key(group, late.day))
        and not has_run_since(instance, day_key(group, late.day), before)
    ]


def _request(
    group: GroupId, due: DueDay, assets: list[dg.AssetKey], *, kind: str = ""
) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"{group}:{due.day.isoformat()}:{kind}{due.next_batch_no}",
        partition_key=day_key(group, due.day),
        asset_selection=assets,
        tags={GROUP_TAG: group, "kmflow/pending_files": str(due.pending)},
    )


def _first_to_ask(opened: Context, requests: list[dg.RunRequest]) -> list[dg.RunRequest]:
    """Requests that nobody made meanwhile: two daemons may tick at the same moment.

    Even a run that dies before it claims anything must not take the next one's key.
    """
    return [request for request in requests if _is_first_to_ask(opened, request)]


def _is_first_to_ask(opened: Context, request: dg.RunRequest) -> bool:
    target = split_days([request.partition_key or ""])
    number = int((request.run_key or "").rpartition(":")[2])
    return opened.ledger.run_requested(target.group, target.days[0], number)


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
