"""Silver: text of evidence in fragments, and the quality of each item."""

from datetime import date

import dagster as dg

from kmflow_orchestration.assets.days import DayReport, materialize_days
from kmflow_orchestration.assets.evidence import TRANSIENT_RETRY
from kmflow_orchestration.assets.layers import (
    DATA_OWNER,
    LAYER_BRONZE,
    LAYER_SILVER,
    QUALITY_OWNER,
    WORKSPACE_POOL,
)
from kmflow_orchestration.assets.rendering import bars, column_schema, preview
from kmflow_orchestration.context import GroupContext
from kmflow_orchestration.operations.publish_quality import publish_quality
from kmflow_orchestration.operations.read_tables import first_rows
from kmflow_orchestration.operations.silver_fragments import publish_fragments
from kmflow_orchestration.partitions.keys import GROUP_BY_DAY
from kmflow_orchestration.resources.context_resource import ContextResource
from kmflow_orchestration.tables.medallion import (
    SILVER_EVIDENCE_FRAGMENTS,
    SILVER_QUALITY_EVENTS,
)

# Not plain `eager()`, which never fires while any other day of the group is missing.
FOLLOW_UPSTREAM = (
    dg.AutomationCondition.any_deps_updated().since_last_handled()
    & ~dg.AutomationCondition.in_progress()
    & ~dg.AutomationCondition.any_deps_in_progress()
)
BRONZE_DEPS = [
    dg.AssetKey([LAYER_BRONZE, "bronze_evidence"]),
    dg.AssetKey([LAYER_BRONZE, "bronze_datasets"]),
]


@dg.asset(
    key=[LAYER_SILVER, "silver_evidence_fragments"],
    deps=BRONZE_DEPS,
    partitions_def=GROUP_BY_DAY,
    backfill_policy=dg.BackfillPolicy.single_run(),
    automation_condition=FOLLOW_UPSTREAM,
    group_name=LAYER_SILVER,
    kinds={"databricks", "delta"},
    owners=[DATA_OWNER],
    tags={"layer": LAYER_SILVER},
    pool=WORKSPACE_POOL,
    retry_policy=TRANSIENT_RETRY,
    metadata={
        "dagster/column_schema": column_schema(
            [(column.name, column.type) for column in SILVER_EVIDENCE_FRAGMENTS.columns]
        )
    },
    description="Text of documents in chunks that keep their heading.",
)
def silver_evidence_fragments(
    context: dg.AssetExecutionContext, kmflow: ContextResource
) -> dg.MaterializeResult[None]:
    return materialize_days(context, kmflow, _fragments_day)


def _fragments_day(group: GroupContext, day: date) -> DayReport:
    published = publish_fragments(group.id, day, **group.reading())
    table = group.config.namespace.silver(SILVER_EVIDENCE_FRAGMENTS.name)
    return DayReport(
        {
            "dagster/row_count": published.fragments,
            "documents": published.documents,
            "characters": published.characters,
            "table": table.text,
            "preview": preview(first_rows(table, published.batches, lakehouse=group.lakehouse)),
            **group.links(table),
        }
    )


@dg.asset(
    key=[LAYER_SILVER, "silver_quality_events"],
    deps=BRONZE_DEPS,
    partitions_def=GROUP_BY_DAY,
    backfill_policy=dg.BackfillPolicy.single_run(),
    automation_condition=FOLLOW_UPSTREAM,
    group_name=LAYER_SILVER,
    kinds={"databricks", "delta"},
    owners=[QUALITY_OWNER],
    tags={"layer": LAYER_SILVER},
    pool=WORKSPACE_POOL,
    retry_policy=TRANSIENT_RETRY,
    metadata={
        "dagster/column_schema": column_schema(
            [(column.name, column.type) for column in SILVER_QUALITY_EVENTS.columns]
        )
    },
    description="Quality of each item in four dimensions, as of its first publication.",
)
def silver_quality_events(
    context: dg.AssetExecutionContext, kmflow: ContextResource
) -> dg.MaterializeResult[None]:
    return materialize_days(context, kmflow, _quality_day)


def _quality_day(group: GroupContext, day: date) -> DayReport:
    published = publish_quality(group.id, day, **group.publishing())
    table = group.config.namespace.silver(SILVER_QUALITY_EVENTS.name)
    by_category: dict[str, list[float]] = {}
    for item in published.scored:
        if item.scores:
            by_category.setdefault(item.category, []).append(item.scores.composite)
    means = {name: sum(values) / len(values) for name, values in sorted(by_category.items())}
    return DayReport(
        {
            "dagster/row_count": len(published.scored),
            **({"mean_composite": published.mean_composite} if published.scored else {}),
            "table": table.text,
            "composite_by_category": bars("Mean composite score by category", means),
            "preview": preview(first_rows(table, published.batches, lakehouse=group.lakehouse)),
            **group.links(table),
        }
    )


SILVER_ASSETS = [silver_evidence_fragments, silver_quality_events]
