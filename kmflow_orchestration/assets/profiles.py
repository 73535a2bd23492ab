"""Profiles of a group's table groups: requested, run by a job, judged by hygiene rules, scored."""

from typing import Any

import dagster as dg

from kmflow_orchestration.assets.layers import QUALITY_OWNER, WORKSPACE_POOL
from kmflow_orchestration.assets.profile_reports import (
    issues_metadata,
    results_metadata,
    scores_metadata,
)
from kmflow_orchestration.assets.rendering import column_schema
from kmflow_orchestration.assets.rule_checks import rule_checks, rule_specs
from kmflow_orchestration.context import GroupContext
from kmflow_orchestration.errors import RunOutstanding, UnknownRun
from kmflow_orchestration.metadata.profile_records import ProfileRun
from kmflow_orchestration.operations.read_profile import judge_again, stored_rows
from kmflow_orchestration.partitions.keys import GROUP_BY_TABLE_GROUP, split_table_group
from kmflow_orchestration.resources.asset_keys import (
    BRONZE_DATASETS,
    HYGIENE_ISSUES,
    LAYER_PROFILES,
    PROFILE_RESULTS,
    PROFILE_RUN,
    PROFILE_RUN_SUCCEEDED,
    PROFILE_RUN_TAG,
    QUALITY_SCORES,
)
from kmflow_orchestration.resources.context_resource import ContextResource
from kmflow_orchestration.resources.failures import failing_as_dagster
from kmflow_orchestration.runs.submission import ProfilingLaunchResult, Trigger, start_profile
from kmflow_orchestration.tables.profiling import DQ_PROFILE_RESULTS

COMMON: dict[str, Any] = {
    "partitions_def": GROUP_BY_TABLE_GROUP,
    "group_name": LAYER_PROFILES,
    "owners": [QUALITY_OWNER],
    "tags": {"layer": LAYER_PROFILES},
    "pool": WORKSPACE_POOL,
}
RUN_SUCCEEDED = dg.AssetCheckSpec(
    name=PROFILE_RUN_SUCCEEDED,
    asset=PROFILE_RESULTS,
    description="The newest profiling job ended well and its results are stored.",
)
# A profile reads whatever its group's days have brought: days and table groups are two ways to cut.
OF_THE_GROUP = dg.MultiPartitionMapping(
    {"group": dg.DimensionPartitionMapping("group", dg.IdentityPartitionMapping())}
)


@dg.asset(
    key=PROFILE_RUN,
    deps=[dg.AssetDep(BRONZE_DATASETS, partition_mapping=OF_THE_GROUP)],
    kinds={"databricks", "spark"},
    description="A profiling job, handed to the workspace; it reports back when it is done.",
    **COMMON,
)
def profile_run(context: dg.AssetExecutionContext, kmflow: ContextResource) -> dg.MaterializeResult:
    trigger = Trigger(source="dagster", partition_key=context.partition_key)
    with failing_as_dagster():
        group_id, table_group_id = split_table_group(context.partition_key)
        group = kmflow.for_group(group_id)
        try:
            launched = start_profile(group.id, table_group_id, trigger=trigger, **group.profiling())
        except RunOutstanding as outstanding:
            context.log.info("a run is under way already: %s", outstanding.profile_run_id)
            return dg.MaterializeResult(
                metadata={"profile_run_id": outstanding.profile_run_id, "status": "outstanding"}
            )
    return dg.MaterializeResult(metadata=_launched(launched))


def _launched(launched: ProfilingLaunchResult) -> dict[str, Any]:
    page = launched.run_page_url
    return {
        "profile_run_id": launched.profile_run_id,
        "databricks_job_id": launched.job_id,
        "databricks_run_id": launched.databricks_run_id,
        "status": str(launched.status),
        "warnings": list(launched.warnings),
        **({"run_page": dg.MetadataValue.url(page)} if page else {}),
    }


@dg.asset(
    key=PROFILE_RESULTS,
    deps=[PROFILE_RUN],
    kinds={"databricks", "delta"},
    check_specs=[RUN_SUCCEEDED],
    metadata={
        "dagster/column_schema": column_schema(
            [(column.name, column.type) for column in DQ_PROFILE_RESULTS.columns]
        )
    },
    description="What the job measured of every column, stored before it was counted.",
    **COMMON,
)
def profile_results(
    context: dg.AssetExecutionContext, kmflow: ContextResource
) -> dg.MaterializeResult:
    group, run = finished_run(context, kmflow)
    with failing_as_dagster():
        rows = stored_rows(run, lakehouse=group.lakehouse, config=group.config)
    return dg.MaterializeResult(
        metadata=results_metadata(group, run, rows),
        check_results=[
            dg.AssetCheckResult(
                check_name=PROFILE_RUN_SUCCEEDED,
                asset_key=PROFILE_RESULTS,
                passed=True,
                metadata={"profile_run_id": run.profile_run_id, "status": str(run.status)},
            )
        ],
    )


@dg.asset(
    key=HYGIENE_ISSUES,
    deps=[PROFILE_RESULTS],
    check_specs=rule_specs(),
    kinds={"python"},
    description="Issues by the hygiene rules of today, from the stored measures.",
    **COMMON,
)
def hygiene_issues(
    context: dg.AssetExecutionContext, kmflow: ContextResource
) -> dg.MaterializeResult:
    group, run = finished_run(context, kmflow)
    with failing_as_dagster():
        judged = judge_again(group.id, run, **group.judging())
    return dg.MaterializeResult(
        metadata=issues_metadata(group, judged), check_results=rule_checks(judged)
    )


@dg.asset(
    key=QUALITY_SCORES,
    deps=[HYGIENE_ISSUES],
    kinds={"python"},
    description="Scores of every column, table and the table group, from the issues.",
    **COMMON,
)
def quality_scores(
    context: dg.AssetExecutionContext, kmflow: ContextResource
) -> dg.MaterializeResult:
    group, run = finished_run(context, kmflow)
    with failing_as_dagster():
        judged = judge_again(group.id, run, **group.judging())
        # Last of the three: until it succeeds, the sensor asks for them again.
        group.profile_materialized(run)
    return dg.MaterializeResult(metadata=scores_metadata(group, judged))


def finished_run(
    context: dg.AssetExecutionContext, kmflow: ContextResource
) -> tuple[GroupContext, ProfileRun]:
    """The group and the completed run a step is about: the tagged one, else the newest."""
    tagged = context.run.tags.get(PROFILE_RUN_TAG)
    with failing_as_dagster():
        group_id, table_group_id = split_table_group(context.partition_key)
        group = kmflow.for_group(group_id)
        run = group.profile_run(tagged) if tagged else group.latest_profile_run(table_group_id)
        if run is None:
            raise UnknownRun(
                f"no profile of {group_id}/{table_group_id} is completed yet",
                hint="materialize profile_run and wait for its job",
            )
    return group, run


PROFILE_ASSETS = [profile_run, profile_results, hygiene_issues, quality_scores]
