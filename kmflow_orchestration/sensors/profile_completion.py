"""Profile runs that ended become materializations, or a failed check and an observation (E45)."""

import dagster as dg

from kmflow_orchestration.context import Context
from kmflow_orchestration.errors import KmflowError
from kmflow_orchestration.metadata.profile_records import ProfileRun
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.partitions.keys import GROUP_TAG, table_group_key
from kmflow_orchestration.resources.asset_keys import (
    PROFILE_OUTCOME,
    PROFILE_RESULTS,
    PROFILE_RUN_SUCCEEDED,
    PROFILE_RUN_TAG,
)
from kmflow_orchestration.resources.context_resource import ContextResource
from kmflow_orchestration.runs.reconciliation import PolledGroup, poll_outstanding
from kmflow_orchestration.runs.run_state import SUCCESSFUL
from kmflow_orchestration.sensors.fairness import in_turns
from kmflow_orchestration.sensors.run_keys import why_not_now

MAX_REQUESTS = 50


def profile_completion(
    context: dg.SensorEvaluationContext, kmflow: ContextResource
) -> dg.SensorResult:
    """Poll runs that no callback ended, and take over every run that is over, once."""
    opened = kmflow.context
    for outcome in poll_outstanding(
        _polled(context, opened),
        runs=opened.profile_runs,
        clock=opened.clock,
        options=opened.polling,
    ):
        if outcome.error:
            context.log.warning("%s/%s: %s", outcome.group, outcome.profile_run_id, outcome.error)
    waiting: dict[str, list[dg.RunRequest]] = {}
    for group in opened.group_configs.groups():
        for run in opened.profile_runs.finished_unmaterialized(group):
            if run.status not in SUCCESSFUL:
                _report_failure(context.instance, run)
                _taken_over(opened, group, run)
            elif not why_not_now(context.instance, _tag(run), PROFILE_OUTCOME, opened.clock.now()):
                waiting.setdefault(group, []).append(_request(context.instance, run))
    # Its run marks a profile as taken over; until then the run key keeps repeats harmless.
    requests = in_turns(waiting, MAX_REQUESTS)
    if not requests:
        return dg.SensorResult(skip_reason="no profile run ended since the last tick")
    return dg.SensorResult(run_requests=requests)


def _polled(context: dg.SensorEvaluationContext, opened: Context) -> list[PolledGroup]:
    """Groups with runs to look at; one whose settings are wrong is named and left out."""
    polled: list[PolledGroup] = []
    for group in opened.group_configs.groups():
        if not opened.profile_runs.due(group, opened.clock.now(), limit=1):
            continue
        try:
            one = opened.group(group)
            polled.append(PolledGroup(group, one.jobs, one.stored_completion))
        except KmflowError as error:
            context.log.warning("%s: not polled: %s", group, error)
    return polled


def _tag(run: ProfileRun) -> dict[str, str]:
    return {PROFILE_RUN_TAG: run.profile_run_id}


def _request(instance: dg.DagsterInstance, run: ProfileRun) -> dg.RunRequest:
    """Its own id is the key; after a run that failed to take it over, with a number behind."""
    earlier = instance.get_runs_count(dg.RunsFilter(tags=_tag(run)))
    return dg.RunRequest(
        run_key=run.profile_run_id + (f":{earlier + 1}" if earlier else ""),
        partition_key=table_group_key(run.group_id, run.table_group_id),
        asset_selection=PROFILE_OUTCOME,
        tags={GROUP_TAG: run.group_id, **_tag(run)},
    )


def _report_failure(instance: dg.DagsterInstance, run: ProfileRun) -> None:
    key = str(table_group_key(run.group_id, run.table_group_id))
    facts = {
        "profile_run_id": run.profile_run_id,
        "status": str(run.status),
        "failure_class": run.failure_class or "",
        "error_message": run.error_message or "",
        "warnings": "; ".join(run.warnings),
    }
    instance.report_runless_asset_event(
        dg.AssetObservation(PROFILE_RESULTS, partition=key, metadata=facts)
    )
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=PROFILE_RESULTS,
            check_name=PROFILE_RUN_SUCCEEDED,
            passed=False,
            metadata={name: dg.MetadataValue.text(value) for name, value in facts.items()},
            severity=dg.AssetCheckSeverity.ERROR,
        )
    )


def _taken_over(opened: Context, group: GroupId, run: ProfileRun) -> None:
    opened.profile_runs.materialized(group, run.profile_run_id, at=opened.clock.now())
