"""Silver: text of evidence in fragments, what it names, and the quality of each item."""

from datetime import date
from typing import Any

import dagster as dg

from kmflow_orchestration.assets.days import DayEvents, DayReport, materialize_days
from kmflow_orchestration.assets.layers import (
    DATA_OWNER,
    FOLLOW_UPSTREAM,
    QUALITY_OWNER,
    WORKSPACE_POOL,
)
from kmflow_orchestration.assets.rendering import bars, column_schema, preview, urls
from kmflow_orchestration.assets.stages import stage_metadata
from kmflow_orchestration.context import GroupContext
from kmflow_orchestration.metadata.intake_records import Step
from kmflow_orchestration.operations.publish_quality import publish_quality
from kmflow_orchestration.operations.read_tables import first_rows, rows_by
from kmflow_orchestration.operations.silver_fragments import PublishedFragments, publish_fragments
from kmflow_orchestration.partitions.keys import GROUP_BY_DAY
from kmflow_orchestration.resources.asset_keys import (
    BRONZE_DATASETS,
    BRONZE_EVIDENCE,
    LAYER_SILVER,
    SILVER_ENTITIES,
    SILVER_FRAGMENTS,
    SILVER_QUALITY,
)
from kmflow_orchestration.resources.context_resource import ContextResource
from kmflow_orchestration.tables.definition import TableDefinition
from kmflow_orchestration.tables.medallion import (
    SILVER_EVIDENCE_FRAGMENTS,
    SILVER_EXTRACTED_ENTITIES,
    SILVER_QUALITY_EVENTS,
)

HAS_TEXT = "every_document_has_text"
_SHOWN = 20


def _spec(key: dg.AssetKey, table: TableDefinition, description: str) -> dg.AssetSpec:
    columns = [(column.name, column.type) for column in table.columns]
    return dg.AssetSpec(
        key,
        deps=[BRONZE_EVIDENCE, BRONZE_DATASETS],
        partitions_def=GROUP_BY_DAY,
        automation_condition=FOLLOW_UPSTREAM,
        group_name=LAYER_SILVER,
        kinds={"databricks", "delta"},
        owners=[DATA_OWNER],
        tags={"layer": LAYER_SILVER},
        metadata={"dagster/column_schema": column_schema(columns)},
        description=description,
    )


# One step: what a text named goes with the text, also where it is deleted.
@dg.multi_asset(
    name="silver_text",
    specs=[
        _spec(
            SILVER_FRAGMENTS,
            SILVER_EVIDENCE_FRAGMENTS,
            "Text of documents in chunks that keep their heading.",
        ),
        _spec(
            SILVER_ENTITIES,
            SILVER_EXTRACTED_ENTITIES,
            "Activities, roles, systems and so on that documents name, found by rules.",
        ),
    ],
    check_specs=[
        dg.AssetCheckSpec(
            HAS_TEXT,
            asset=SILVER_FRAGMENTS,
            description="Each document that came has at least one fragment of text.",
        )
    ],
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool=WORKSPACE_POOL,
)
def silver_text(context: dg.AssetExecutionContext, kmflow: ContextResource) -> DayEvents:
    yield from materialize_days(context, kmflow, _text_day, key=SILVER_FRAGMENTS)


def _text_day(group: GroupContext, day: date) -> DayReport:
    published = publish_fragments(group.id, day, **group.reading_text())
    table = group.config.namespace.silver(SILVER_EVIDENCE_FRAGMENTS.name)
    entities = group.config.namespace.silver(SILVER_EXTRACTED_ENTITIES.name)
    written: dict[str, Any] = {"batches": published.batches, "lakehouse": group.lakehouse}
    return DayReport(
        {
            "dagster/row_count": published.fragments,
            "documents": published.documents,
            "characters": published.characters,
            "table": table.text,
            "preview": preview(first_rows(group.id, table, **written)),
            "fragments_by_type": bars(
                "Fragments by type", rows_by(group.id, table, "fragment_type", **written)
            ),
            **urls(group.links(table)),
            **stage_metadata(group, day, Step.FRAGMENTS),
        },
        checks=(_has_text(published),),
        beside={
            SILVER_ENTITIES: {
                "dagster/row_count": published.entities,
                "table": entities.text,
                "preview": preview(first_rows(group.id, entities, **written)),
                "entities_by_type": bars(
                    "Entities by type", rows_by(group.id, entities, "entity_type", **written)
                ),
                **urls(group.links(entities)),
            }
        },
    )


def _has_text(published: PublishedFragments) -> dg.AssetCheckResult:
    without = published.without_text
    return dg.AssetCheckResult(
        check_name=HAS_TEXT,
        asset_key=SILVER_FRAGMENTS,
        passed=not without,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"documents_without_text": len(without), "files": list(without[:_SHOWN])},
    )


@dg.asset(
    key=SILVER_QUALITY,
    deps=[BRONZE_EVIDENCE, BRONZE_DATASETS],
    partitions_def=GROUP_BY_DAY,
    backfill_policy=dg.BackfillPolicy.single_run(),
    automation_condition=FOLLOW_UPSTREAM,
    group_name=LAYER_SILVER,
    kinds={"databricks", "delta"},
    owners=[QUALITY_OWNER],
    tags={"layer": LAYER_SILVER},
    pool=WORKSPACE_POOL,
    metadata={
        "dagster/column_schema": column_schema(
            [(column.name, column.type) for column in SILVER_QUALITY_EVENTS.columns]
        )
    },
    description="Quality of each item in four dimensions, as of its first publication.",
)
def silver_quality_events(context: dg.AssetExecutionContext, kmflow: ContextResource) -> DayEvents:
    yield from materialize_days(context, kmflow, _quality_day)


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
            "preview": preview(
                first_rows(group.id, table, published.batches, lakehouse=group.lakehouse)
            ),
            **urls(group.links(table)),
            **stage_metadata(group, day, Step.QUALITY),
        }
    )


SILVER_ASSETS = [silver_text, silver_quality_events]
