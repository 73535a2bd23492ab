"""A group's stored files against the rows that list them (row B22)."""

from typing import Any

import dagster as dg

from kmflow_orchestration.assets.layers import DATA_OWNER, WORKSPACE_POOL
from kmflow_orchestration.assets.rendering import bars
from kmflow_orchestration.operations.reconcile_metadata import (
    MetadataReconciliation,
    reconcile_metadata,
    shown,
)
from kmflow_orchestration.partitions.keys import GROUPS
from kmflow_orchestration.resources.asset_keys import LAYER_EVIDENCE, METADATA_RECONCILIATION
from kmflow_orchestration.resources.context_resource import ContextResource
from kmflow_orchestration.resources.failures import failing_as_dagster

_SHOWN = 50
_BACKFILL = "kmflow backfill-metadata --group"
# By the name of a count: what the check says, and what mends it.
CHECKS = {
    "files_without_rows": ("Every stored file has its metadata row.", f"{_BACKFILL} {{group}}"),
    "rows_without_files": (
        "Every metadata row has its stored file.",
        f"restore the files; rows of nothing go with: {_BACKFILL} {{group}} --prune",
    ),
    "hash_differences": (
        "Every stored file is what its metadata row says.",
        "store the files again: drop them into the landing folder once more",
    ),
    "duplicates": (
        "No metadata row is there twice.",
        "kmflow dedupe-metadata --group {group} --apply",
    ),
    "foreign_paths": (
        "Every file in the store is under a name of ours, or has a row.",
        "move the files to the landing folder, they are never guessed at",
    ),
}


@dg.asset(
    key=METADATA_RECONCILIATION,
    partitions_def=GROUPS,
    group_name=LAYER_EVIDENCE,
    kinds={"databricks", "file"},
    owners=[DATA_OWNER],
    tags={"layer": LAYER_EVIDENCE},
    pool=WORKSPACE_POOL,
    check_specs=[
        dg.AssetCheckSpec(name=name, asset=METADATA_RECONCILIATION, description=description)
        for name, (description, _) in CHECKS.items()
    ],
    description="The group's stored files compared with their metadata rows; nothing is changed.",
)
def metadata_reconciliation(
    context: dg.AssetExecutionContext, kmflow: ContextResource
) -> dg.MaterializeResult:
    with failing_as_dagster():
        group = kmflow.for_group(context.partition_key)
        arguments = group.reconciling()
        found = reconcile_metadata(group.id, **arguments)
    counts = found.counts()
    return dg.MaterializeResult(
        metadata={
            **counts,
            "verified_by": arguments["verify"],
            "counts": bars("Files and rows", {name: float(n) for name, n in counts.items()}),
        },
        check_results=_checks(found),
    )


def _checks(found: MetadataReconciliation) -> list[dg.AssetCheckResult]:
    counts, details = found.counts(), shown(found, _SHOWN)
    return [
        dg.AssetCheckResult(
            check_name=name,
            asset_key=METADATA_RECONCILIATION,
            passed=counts[name] == 0,
            severity=dg.AssetCheckSeverity.ERROR,
            metadata=_about(counts[name], details[name], remedy.format(group=found.group)),
        )
        for name, (_, remedy) in CHECKS.items()
    ]


def _about(count: int, where: list[str], remedy: str) -> dict[str, Any]:
    return {"count": count, **({"where": where, "what_to_do": remedy} if count else {})}


RECONCILIATION_ASSETS = [metadata_reconciliation]
