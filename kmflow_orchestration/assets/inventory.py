"""Every file of a group's landing folder, or of its store, with size and hash (row B36)."""

from typing import Any

import dagster as dg
from pydantic import Field

from kmflow_orchestration.assets.layers import DATA_OWNER, WORKSPACE_POOL
from kmflow_orchestration.assets.rendering import bars
from kmflow_orchestration.intake.source_tree import SourceProblem
from kmflow_orchestration.operations.take_inventory import problem_fields
from kmflow_orchestration.operations.write_inventory import WrittenInventory, write_inventory
from kmflow_orchestration.partitions.keys import GROUPS
from kmflow_orchestration.resources.asset_keys import EVIDENCE_INVENTORY, LAYER_EVIDENCE
from kmflow_orchestration.resources.context_resource import ContextResource
from kmflow_orchestration.resources.failures import failing_as_dagster

EVERYTHING_LISTED = dg.AssetCheckSpec(
    name="everything_listed",
    asset=EVIDENCE_INVENTORY,
    description="Every file of the folder could be read and may be taken along.",
)
_COLUMNS = ("path", "code", "message")


class InventoryConfig(dg.Config):
    """Which folder; both are what `kmflow inventory --source-dir` takes."""

    of_store: bool = Field(
        default=False,
        description="List the store on this machine instead of the group's landing folder.",
    )


@dg.asset(
    key=EVIDENCE_INVENTORY,
    partitions_def=GROUPS,
    group_name=LAYER_EVIDENCE,
    kinds={"file"},
    owners=[DATA_OWNER],
    tags={"layer": LAYER_EVIDENCE},
    pool=WORKSPACE_POOL,
    check_specs=[EVERYTHING_LISTED],
    description="Path, size, SHA-256 and engagement of each of the group's files, in a JSON file.",
)
def evidence_inventory(
    context: dg.AssetExecutionContext, config: InventoryConfig, kmflow: ContextResource
) -> dg.MaterializeResult:
    with failing_as_dagster():
        group = kmflow.for_group(context.partition_key)
        arguments = group.taking_inventory(of_store=config.of_store)
        found = write_inventory(**arguments)
    sizes = {name: float(one.size_bytes) for name, one in found.by_engagement.items()}
    return dg.MaterializeResult(
        metadata={
            "files": found.totals.files,
            "bytes": found.totals.size_bytes,
            "engagements": len(found.by_engagement),
            "problems": found.problems,
            "problems_found": _table(found.shown),
            "bytes_by_engagement": bars("Bytes", dict(sorted(sizes.items()))),
            "folder": dg.MetadataValue.path(arguments["source_dir"]),
            "inventory": dg.MetadataValue.path(found.file),
        },
        check_results=[_check(found)],
    )


def _check(found: WrittenInventory) -> dg.AssetCheckResult:
    where: dict[str, Any] = {
        "where": [f"{one.path}: {one.code}" for one in found.shown],
        "what_to_do": "mend or remove what is named; the inventory's `problems` says more",
    }
    return dg.AssetCheckResult(
        check_name=EVERYTHING_LISTED.name,
        asset_key=EVIDENCE_INVENTORY,
        passed=found.problems == 0,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"count": found.problems, **(where if found.problems else {})},
    )


def _table(problems: tuple[SourceProblem, ...]) -> dg.MetadataValue:
    return dg.MetadataValue.table(
        records=[dg.TableRecord(problem_fields(one)) for one in problems],
        schema=dg.TableSchema(columns=[dg.TableColumn(name) for name in _COLUMNS]),
    )


INVENTORY_ASSETS = [evidence_inventory]
