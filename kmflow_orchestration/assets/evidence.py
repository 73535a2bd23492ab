"""Evidence files of a group's day: from the landing folder into the group's store."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import dagster as dg

from kmflow_orchestration.assets.days import DayEvents, DayReport, materialize_days
from kmflow_orchestration.assets.layers import DATA_OWNER, WORKSPACE_POOL
from kmflow_orchestration.assets.rendering import bars, urls
from kmflow_orchestration.assets.stages import stage_metadata
from kmflow_orchestration.context import GroupContext
from kmflow_orchestration.metadata.intake_records import Step
from kmflow_orchestration.operations.store_evidence import StoredBatch, store_batch
from kmflow_orchestration.partitions.keys import GROUP_BY_DAY
from kmflow_orchestration.resources.asset_keys import EVIDENCE_FILES, LAYER_EVIDENCE
from kmflow_orchestration.resources.context_resource import ContextResource

ALL_ENTERED = dg.AssetCheckSpec(
    name="all_files_entered",
    asset=EVIDENCE_FILES,
    description="No file was refused and none waits to be stored again.",
)


@dg.asset(
    key=EVIDENCE_FILES,
    partitions_def=GROUP_BY_DAY,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name=LAYER_EVIDENCE,
    kinds={"databricks", "file"},
    owners=[DATA_OWNER],
    tags={"layer": LAYER_EVIDENCE},
    pool=WORKSPACE_POOL,
    check_specs=[ALL_ENTERED],
    description="Files of a group's day, hashed, stored in the group's place and confirmed.",
)
def evidence_files(context: dg.AssetExecutionContext, kmflow: ContextResource) -> DayEvents:
    yield from materialize_days(context, kmflow, _store_day, about_failure=_rows_waiting)


def _rows_waiting(group: GroupContext) -> Mapping[str, Any]:
    return group.metadata_state()


def _store_day(group: GroupContext, day: date) -> DayReport:
    """Store every batch the day has work for: an interrupted one first, then what came since."""
    batches: list[StoredBatch] = []
    while stored := store_batch(group.id, day, **group.storing()):
        batches.append(stored)
        if stored.failed:
            break  # what failed is for the next tick
    group.write_required_rows(day)
    mirrored = group.deliver_mirror()
    metadata = {**_metadata(group, day, batches), **mirrored}
    return DayReport(metadata, checks=(_all_entered(group, day, batches),))


def _all_entered(group: GroupContext, day: date, batches: list[StoredBatch]) -> dg.AssetCheckResult:
    # Asked of the ledger: a file refused by an earlier run of the day is still not in.
    refused = group.refused(day, stored=False)
    failed = [f"{one.landing_path}: {one.code}" for batch in batches for one in batch.failed]
    return dg.AssetCheckResult(
        check_name=ALL_ENTERED.name,
        asset_key=ALL_ENTERED.asset_key,
        passed=not refused and not failed,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "quarantined": refused[:50],
            "to_be_tried_again": failed[:50],
            "open_in_quarantine": dg.MetadataValue.json(dict(group.open_quarantine())),
        },
    )


def _metadata(group: GroupContext, day: date, batches: list[StoredBatch]) -> dict[str, Any]:
    counts: dict[str, float] = {
        "stored": sum(len(batch.stored) for batch in batches),
        "duplicates": sum(batch.duplicates for batch in batches),
        "unchanged": sum(batch.unchanged for batch in batches),
        "superseded": sum(len(batch.superseded) for batch in batches),
        "quarantined": sum(len(batch.quarantined) for batch in batches),
        "failed": sum(len(batch.failed) for batch in batches),
    }
    return {
        **{f"files_{name}": int(count) for name, count in counts.items()},
        "size_bytes": sum(batch.size_bytes for batch in batches),
        "batches": len(batches),
        "day": day.isoformat(),
        "group": group.id,
        "storage_backend": group.store.name,
        **group.metadata_state(),
        "files": bars("Files by what became of them", counts),
        **urls(group.links()),
        **stage_metadata(group, day, Step.STORED),
    }


EVIDENCE_ASSETS = [evidence_files]
