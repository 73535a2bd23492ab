"""Bronze: evidence as received, and its tables typed as their own values prove."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg

from kmflow_orchestration.assets.days import DayEvents, DayReport, materialize_days
from kmflow_orchestration.assets.layers import DATA_OWNER, WORKSPACE_POOL
from kmflow_orchestration.assets.reconciliation import evidence_matches_bronze
from kmflow_orchestration.assets.rendering import bars, column_schema, preview, urls
from kmflow_orchestration.assets.stages import stage_metadata
from kmflow_orchestration.context import GroupContext
from kmflow_orchestration.metadata.intake_records import Step
from kmflow_orchestration.operations.compare_datasets import differing_tables
from kmflow_orchestration.operations.publish_bronze import publish_bronze
from kmflow_orchestration.operations.publish_datasets import publish_datasets
from kmflow_orchestration.operations.published_datasets import PublishedDatasets
from kmflow_orchestration.operations.read_tables import first_rows, rows_by
from kmflow_orchestration.operations.undecided_columns import UndecidedColumn
from kmflow_orchestration.partitions.keys import GROUP_BY_DAY
from kmflow_orchestration.resources.asset_keys import (
    BRONZE_DATASETS,
    BRONZE_EVIDENCE,
    EVIDENCE_FILES,
    LAYER_BRONZE,
)
from kmflow_orchestration.resources.context_resource import ContextResource
from kmflow_orchestration.tables.medallion import BRONZE_EVIDENCE_RAW

# What events hold stays in the event log for good.
_MOST_RECEIPTS = 100

RECONCILED = dg.AssetCheckSpec(
    name="bronze_equals_evidence",
    asset=BRONZE_EVIDENCE,
    description="Each stored item of the day has one bronze and one metadata row, and no other; a"
    " deleted one has the bronze row alone.",
)
NOTHING_LOST = dg.AssetCheckSpec(
    name="no_loss",
    asset=BRONZE_DATASETS,
    description="Rows read equal rows written, rejected and skipped, and the tables have as many as"
    " were written; nothing was quarantined.",
)
SCHEMA_STABLE = dg.AssetCheckSpec(
    name="schema_stable",
    asset=BRONZE_DATASETS,
    description="No dataset table got, lost or retyped a column since it was first written.",
)
VALUES_DECIDED = dg.AssetCheckSpec(
    name="values_decided",
    asset=BRONZE_DATASETS,
    description="No column stays text because its dates or numbers can be read in several ways.",
)


@dg.asset(
    key=BRONZE_EVIDENCE,
    deps=[EVIDENCE_FILES],
    partitions_def=GROUP_BY_DAY,
    backfill_policy=dg.BackfillPolicy.single_run(),
    check_specs=[RECONCILED],
    group_name=LAYER_BRONZE,
    kinds={"databricks", "delta"},
    owners=[DATA_OWNER],
    tags={"layer": LAYER_BRONZE},
    pool=WORKSPACE_POOL,
    metadata={
        "dagster/column_schema": column_schema(
            [(column.name, column.type) for column in BRONZE_EVIDENCE_RAW.columns]
        )
    },
    description="One row per stored evidence item, with its metadata row.",
)
def bronze_evidence(context: dg.AssetExecutionContext, kmflow: ContextResource) -> DayEvents:
    yield from materialize_days(context, kmflow, _bronze_day, about_failure=_rows_waiting)


def _rows_waiting(group: GroupContext) -> Mapping[str, Any]:
    return group.metadata_state()


def _bronze_day(group: GroupContext, day: date) -> DayReport:
    published = publish_bronze(group.id, day, **group.recording())
    table = group.config.namespace.bronze(BRONZE_EVIDENCE_RAW.name)
    check = evidence_matches_bronze(group, day)
    written: dict[str, Any] = {"batches": published.batches, "lakehouse": group.lakehouse}
    return DayReport(
        {
            "dagster/row_count": published.rows,
            "size_bytes": published.size_bytes,
            "batches": len(published.batches),
            **group.metadata_state(),
            "table": table.text,
            "preview": preview(first_rows(group.id, table, **written)),
            "files_by_category": bars(
                "Files by category", rows_by(group.id, table, "category", **written)
            ),
            **urls(group.links(table)),
            **stage_metadata(group, day, Step.BRONZE),
        },
        checks=(check,),
    )


@dg.asset(
    key=BRONZE_DATASETS,
    deps=[EVIDENCE_FILES],
    partitions_def=GROUP_BY_DAY,
    backfill_policy=dg.BackfillPolicy.single_run(),
    check_specs=[NOTHING_LOST, SCHEMA_STABLE, VALUES_DECIDED],
    group_name=LAYER_BRONZE,
    kinds={"databricks", "delta"},
    owners=[DATA_OWNER],
    tags={"layer": LAYER_BRONZE},
    pool=WORKSPACE_POOL,
    description="Structured evidence as typed tables, one per dataset of an engagement.",
)
def bronze_datasets(context: dg.AssetExecutionContext, kmflow: ContextResource) -> DayEvents:
    def told(file_name: str, how_far: str) -> None:
        context.log.info("%s: %s", file_name, how_far)

    def work(group: GroupContext, day: date) -> DayReport:
        published = publish_datasets(group.id, day, **group.converting(), on_progress=told)
        for line in _results(published):
            context.log.info("%s", line)
        return _datasets_day(group, day, published)

    yield from materialize_days(context, kmflow, work)


def _results(published: PublishedDatasets) -> Iterator[str]:
    """A line for each file's table; of very many the first, and how many more there are."""
    yield from map(str, published.receipts[:_MOST_RECEIPTS])
    if len(published.receipts) > _MOST_RECEIPTS:
        yield f"{len(published.receipts) - _MOST_RECEIPTS:,} more tables of files"


def _datasets_day(group: GroupContext, day: date, published: PublishedDatasets) -> DayReport:
    rows = {written.name: float(written.rows_total) for written in published.tables}
    return DayReport(
        {
            "dagster/row_count": published.rows_written,
            "tables": len(rows),
            "tables_rebuilt": sum(written.rebuilt for written in published.tables),
            "files_converted": published.converted,
            "files_without_converter": published.no_converter,
            "files_quarantined": len(published.quarantined),
            "rows_rescued": published.rows_rescued,
            "rows_rejected": published.rows_rejected,
            "size_bytes": published.size_bytes,
            "conversion_seconds": round(published.seconds, 3),
            **_corrected(published),
            "warnings": [f"{w.file_name}: {w.warning.message}" for w in published.warnings[:50]],
            "rows_by_table": bars("Rows by table", rows),
            "receipts": dg.MetadataValue.json(
                [one.summary() for one in published.receipts[:_MOST_RECEIPTS]]
            ),
            **_left_out(published),
            **_largest_table(group, published),
            **stage_metadata(group, day, Step.DATASETS),
        },
        checks=(
            _no_loss(group, published, day),
            _schema_stable(published),
            _values_decided(group.undecided([one.name for one in published.tables])),
        ),
    )


def _corrected(published: PublishedDatasets) -> dict[str, Any]:
    """What people corrected, by whom and since when; nothing where nobody did."""
    if not published.corrections:
        return {}
    return {
        "files_ignored": published.ignored,
        "corrections": list(published.corrections[:100]),
    }


def _left_out(published: PublishedDatasets) -> dict[str, Any]:
    """Files of earlier days that a table had to be written without: their backend is away."""
    found = [f"{one.name}: {name}" for one in published.tables for name in one.left_out]
    return {"unreachable_files": found[:50]} if found else {}


def _largest_table(group: GroupContext, published: PublishedDatasets) -> dict[str, Any]:
    """Schema and first rows of the day's largest table."""
    largest = max(published.tables, key=lambda one: one.rows_total, default=None)
    if largest is None:
        return {}
    rows = first_rows(group.id, largest.table, published.batches, lakehouse=group.lakehouse)
    return {
        "preview_of": largest.table.text,
        "preview": preview(rows),
        "dagster/column_schema": column_schema(largest.columns),
        **urls(group.links(largest.table)),
    }


def _no_loss(group: GroupContext, published: PublishedDatasets, day: date) -> dg.AssetCheckResult:
    # What was tried again is of this day's batches, and was received on another.
    tried = [f"{one.file_name}: {one.code}" for one in published.quarantined]
    quarantined = group.refused(day, stored=True) or tried
    lost = [receipt.source for receipt in published.receipts if not receipt.adds_up]
    # One that was never made, as its last file went before, has no columns.
    tables = [one.table for one in published.tables if one.columns]
    differing = differing_tables(group.id, tables, published.batches, **group.comparing())
    return dg.AssetCheckResult(
        check_name=NOTHING_LOST.name,
        asset_key=NOTHING_LOST.asset_key,
        passed=not (lost or differing or quarantined),
        severity=dg.AssetCheckSeverity.ERROR if lost or differing else dg.AssetCheckSeverity.WARN,
        metadata={
            "receipts": len(published.receipts),
            "receipts_that_do_not_add_up": lost[:20],
            "tables_with_other_rows": list(differing[:20]),
            "quarantined": quarantined[:20],
            "open_in_quarantine": dg.MetadataValue.json(dict(group.open_quarantine())),
        },
    )


def _schema_stable(published: PublishedDatasets) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=SCHEMA_STABLE.name,
        asset_key=SCHEMA_STABLE.asset_key,
        passed=not published.drift,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "changes": len(published.drift),
            "tables": sorted({one.table_name for one in published.drift})[:50],
            "differences": [str(one) for one in published.drift[:50]],
        },
    )


def _values_decided(undecided: Sequence[UndecidedColumn]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=VALUES_DECIDED.name,
        asset_key=VALUES_DECIDED.asset_key,
        passed=not undecided,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"columns": len(undecided), "readings": [str(one) for one in undecided[:50]]},
    )


BRONZE_ASSETS = [bronze_evidence, bronze_datasets]
