"""Evidence files of a group's day: from the landing folder into the group's store."""

from datetime import date

import dagster as dg

from kmflow_orchestration.assets.days import DayReport, materialize_days
from kmflow_orchestration.assets.layers import DATA_OWNER, LAYER_EVIDENCE, WORKSPACE_POOL
from kmflow_orchestration.assets.rendering import bars
from kmflow_orchestration.context import GroupContext
from kmflow_orchestration.operations.store_evidence import StoredBatch, store_batch
from kmflow_orchestration.partitions.keys import GROUP_BY_DAY
from kmflow_orchestration.resources.context_resource import ContextResource

TRANSIENT_RETRY = dg.RetryPolicy(
    max_retries=2, delay=2, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
)


@dg.asset(
    key=[LAYER_EVIDENCE, "evidence_files"],
    partitions_def=GROUP_BY_DAY,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name=LAYER_EVIDENCE,
    kinds={"databricks", "file"},
    owners=[DATA_OWNER],
    tags={"layer": LAYER_EVIDENCE},
    pool=WORKSPACE_POOL,
    retry_policy=TRANSIENT_RETRY,
    description="Files of a group's day, hashed, stored in the group's place and confirmed.",
)
def evidence_files(
    context: dg.AssetExecutionContext, kmflow: ContextResource
) -> dg.MaterializeResult[None]:
    return materialize_days(context, kmflow, _store_day)


def _store_day(group: GroupContext, day: date) -> DayReport:
    """Store every batch the day has work for: an interrupted one first, then what came since."""
    batches: list[StoredBatch] = []
    while stored := store_batch(group.id, day, **group.storing()):
        batches.append(stored)
    return DayReport(_metadata(group, day, batches))


def _metadata(
    group: GroupContext, day: date, batches: list[StoredBatch]
) -> dict[str, dg.MetadataValue | int | float | str]:
    counts = {
        "stored": sum(len(batch.stored) for batch in batches),
        "duplicates": sum(batch.duplicates for batch in batches),
        "unchanged": sum(batch.unchanged for batch in batches),
        "superseded": sum(batch.superseded for batch in batches),
        "quarantined": sum(len(batch.quarantined) for batch in batches),
        "failed": sum(len(batch.failed) for batch in batches),
    }
    reasons = [f"{q.landing_path}: {q.code}" for batch in batches for q in batch.quarantined]
    return {
        **{f"files_{name}": count for name, count in counts.items()},
        "size_bytes": sum(batch.size_bytes for batch in batches),
        "batches": len(batches),
        "day": day.isoformat(),
        "group": group.id,
        "storage_backend": group.store.name,
        "quarantine_reasons": dg.MetadataValue.json(reasons[:50]),
        "files": bars("Files by what became of them", counts),
        **group.links(),
    }


EVIDENCE_ASSETS = [evidence_files]
