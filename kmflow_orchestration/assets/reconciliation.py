"""Checks that compare a layer with the one it came from."""

from dataclasses import asdict
from datetime import date

import dagster as dg

from kmflow_orchestration.context import GroupContext
from kmflow_orchestration.operations.reconcile_bronze import reconcile_bronze
from kmflow_orchestration.resources.asset_keys import BRONZE_EVIDENCE


def evidence_matches_bronze(group: GroupContext, day: date) -> dg.AssetCheckResult:
    """Whether bronze and metadata hold exactly the day's stored items."""
    found = reconcile_bronze(group.id, day, **group.publishing())
    return dg.AssetCheckResult(
        check_name="bronze_equals_evidence",
        asset_key=BRONZE_EVIDENCE,
        passed=found.agrees,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"group": group.id, "day": day.isoformat(), **asdict(found)},
    )
