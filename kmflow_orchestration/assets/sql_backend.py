"""A check for your own assets on a group's SQL engine: it warns of a fallback (row C13)."""

import dagster as dg

CHECK_NAME = "backend_is_databricks"


def backend_is_databricks(asset: dg.AssetKey) -> dg.AssetChecksDefinition:
    """Whether an asset's last materialization went to Databricks.

    The asset puts `EngineChoice.metadata()` into its metadata; without it the check fails too.
    """

    @dg.asset_check(
        asset=asset,
        name=CHECK_NAME,
        description="The rows went to Databricks SQL, not to a SQLite file in its place.",
    )
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        event = context.instance.get_latest_materialization_event(asset)
        made = event.asset_materialization if event is not None else None
        told = {key: value.value for key, value in made.metadata.items()} if made else {}
        return dg.AssetCheckResult(
            passed=told.get("db/backend") == "databricks",
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                "backend": str(told.get("db/backend", "unknown")),
                "reason": str(told.get("db/fallback_reason", "")),
            },
        )

    return check
