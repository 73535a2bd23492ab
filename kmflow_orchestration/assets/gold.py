"""Gold: what a group's people look at, one partition per group."""

import dagster as dg

from kmflow_orchestration.assets.layers import (
    FOLLOW_UPSTREAM,
    QUALITY_OWNER,
    WORKSPACE_POOL,
)
from kmflow_orchestration.assets.rendering import column_schema, line, preview, urls
from kmflow_orchestration.names import group_id
from kmflow_orchestration.operations.publish_gold import publish_score_history
from kmflow_orchestration.partitions.keys import GROUPS
from kmflow_orchestration.resources.asset_keys import (
    GOLD_SCORE_HISTORY,
    LAYER_GOLD,
    SILVER_QUALITY,
)
from kmflow_orchestration.resources.context_resource import ContextResource
from kmflow_orchestration.resources.failures import failing_as_dagster
from kmflow_orchestration.tables.medallion import GOLD_QUALITY_SCORE_HISTORY


@dg.asset(
    key=GOLD_SCORE_HISTORY,
    deps=[SILVER_QUALITY],
    partitions_def=GROUPS,
    automation_condition=FOLLOW_UPSTREAM,
    group_name=LAYER_GOLD,
    kinds={"databricks", "delta"},
    owners=[QUALITY_OWNER],
    tags={"layer": LAYER_GOLD},
    pool=WORKSPACE_POOL,
    metadata={
        "dagster/column_schema": column_schema(
            [(column.name, column.type) for column in GOLD_QUALITY_SCORE_HISTORY.columns]
        )
    },
    description="Evidence quality by day, engagement and category.",
)
def gold_quality_score_history(
    context: dg.AssetExecutionContext, kmflow: ContextResource
) -> dg.MaterializeResult:
    with failing_as_dagster():
        group = kmflow.for_group(group_id(context.partition_key))
        published = publish_score_history(group.id, lakehouse=group.lakehouse, config=group.config)
    table = group.config.namespace.gold(GOLD_QUALITY_SCORE_HISTORY.name)
    points = [(point.as_of_date, point.composite) for point in published.trend]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": published.rows,
            **({"latest_composite": points[-1][1]} if points else {}),
            "trend": line("Mean composite score by day", points),
            "table": table.text,
            "preview": preview(published.newest),
            **urls(group.links(table)),
        }
    )


GOLD_ASSETS = [gold_quality_score_history]
