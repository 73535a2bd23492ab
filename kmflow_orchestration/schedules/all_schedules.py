"""The schedules of the project; in development they run as soon as the code location loads."""

import dagster as dg

from kmflow_orchestration.resources.asset_keys import METADATA_RECONCILIATION
from kmflow_orchestration.resources.clean_texts import clean_function
from kmflow_orchestration.schedules.metadata_reconciliation import (
    RECONCILED_AT,
    metadata_reconciliation_daily,
)

SCHEDULE_NAMES = ("metadata_reconciliation_daily",)


def build_schedules(*, running: bool) -> list[dg.ScheduleDefinition]:
    """All schedules; `running` says whether they start without anybody switching them on."""
    status = dg.DefaultScheduleStatus.RUNNING if running else dg.DefaultScheduleStatus.STOPPED
    return [
        dg.schedule(
            name="metadata_reconciliation_daily",
            cron_schedule=RECONCILED_AT,
            execution_timezone="UTC",
            target=[METADATA_RECONCILIATION],
            default_status=status,
            description="Each group's stored files against their metadata rows, every night.",
        )(clean_function(metadata_reconciliation_daily))
    ]
